package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"ota/internal/kit/mdns"
)

// ServiceType is that of devices in the local network.
const ServiceType = "_ota._tcp"

// machineID is known to be another one on each machine (machine-id(5)). It is
// for this machine only: what is made of it must not lead back to it.
const machineID = "/etc/machine-id"

// announce tells the local network of the page until ctx ends. It is no more than
// a courtesy: where it fails, that is told, and all else goes on.
func (a *agent) announce(ctx context.Context, at netip.AddrPort) {
	a.awaitBegun(ctx)
	a.serve(ctx, "the device is not announced in the network", func(ctx context.Context) error {
		return a.respond(ctx, at)
	})
}

func (a *agent) respond(ctx context.Context, at netip.AddrPort) error {
	defer a.called("")
	inside, end := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer end()
	text, texts := a.announcedText(), make(chan []string)
	watching.Go(func() { a.watchText(inside, text, texts) })
	return mdns.Respond(ctx, mdns.Options{
		Service: mdns.Service{
			Type:     ServiceType,
			Instance: a.folder.nameAtHome(a.config.MQTT),
			Host:     a.folder.nameOnLink(),
			Port:     at.Port(),
			Text:     text,
			Serves:   func(address netip.Addr) bool { return reaches(at.Addr(), address) },
		},
		Text:  texts,
		Named: a.called,
		Stays: a.conductor.Left,
	})
}

// reaches tells whether who listens at one address is reached by another one.
// Where that is [::] both families lead there (ipv6(7)).
func reaches(listens, address netip.Addr) bool {
	if !listens.IsUnspecified() {
		return listens.Unmap().WithZone("") == address
	}
	return listens.Is6() || address.Is4()
}

// called remembers what the network calls the device; "": nothing any more.
func (a *agent) called(name string) {
	var now *string
	if name != "" {
		now = &name
	}
	before := a.announced.Swap(now)
	if before == nil && now == nil || before != nil && *before == name {
		return
	}
	if now != nil {
		a.log.Info("the device is announced in the network", "name", name)
	}
	a.changed()
}

// nameOnLink is that of the host under which the addresses are announced. It is
// one of our own: that of the machine is announced by avahi-daemon, where there
// is one, and two who answer for a name need not agree.
func (f folder) nameOnLink() string {
	id, _ := os.ReadFile(machineID) // without it there is the name of the machine
	host, _ := os.Hostname()
	sum := sha256.Sum256(slices.Concat([]byte("ota in the local network\n"), id, []byte(host+"\n"+f.dir)))
	return "ota-" + hex.EncodeToString(sum[:4])
}

// announcedText is what anybody in the network may know of the device
// (docs/security.md).
func (a *agent) announcedText() []string {
	text := []string{"txtvers=1", "ota=" + a.options.Version}
	if host, err := os.Hostname(); err == nil {
		text = append(text, "host="+host)
	}
	status := a.Status()
	if release := status.Release; release != nil {
		text = append(text, "release="+strconv.Itoa(release.Number), "state="+string(release.State))
	}
	if fingerprint := status.Web.Fingerprint; fingerprint != nil {
		text = append(text, "cert="+*fingerprint)
	}
	return text
}

// watchText hands over what is to be told now, when that has changed, and looks
// for that once in a second at most.
func (a *agent) watchText(ctx context.Context, told []string, texts chan<- []string) {
	for {
		heard := a.Changed()
		if text := a.announcedText(); !slices.Equal(text, told) {
			select {
			case texts <- text:
				told = text
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-heard:
		case <-ctx.Done():
			return
		}
		pause := time.NewTimer(time.Second)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
	}
}
