//go:build !arm

package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ota/internal/agent"
	"ota/internal/api"
	"ota/internal/kit/escape"
	"ota/internal/kit/hint"
	"ota/internal/kit/mdns"
)

// foundDevice is one that says it is there, in JSON. All of it is what somebody
// in the network says, and proves nothing.
type foundDevice struct {
	Name        string           `json:"name"`
	URL         *string          `json:"url"`       // of its page; nil: it has told no usable address
	Addresses   api.List[string] `json:"addresses"` // those that answer best first
	Port        uint16           `json:"port"`
	Host        *string          `json:"host"` // what the machine calls itself; nil here and below: not told
	Release     *string          `json:"release"`
	State       *string          `json:"state"` // of the release
	Version     *string          `json:"version"`
	Certificate *string          `json:"certificate"` // its fingerprint: SHA-256 in hexadecimal with colons
}

// foundDevices is what `ota find --json` prints.
type foundDevices struct {
	Devices api.List[foundDevice] `json:"devices"`
}

// findTime is how long devices have to answer: a question that was lost is asked
// again after a second, and they may think for a tenth of one.
const findTime = 2 * time.Second

func (a *app) findCommand() *cobra.Command {
	var (
		asJSON  bool
		timeout time.Duration
	)
	cmd := &cobra.Command{
		Use:   "find",
		Short: "List the devices of the local network",
		Long: `List the devices of the local network whose page can be reached from there: those
with listen = "0.0.0.0:8484", or such an address, in [web] of ota.toml.

Devices are asked by Multicast DNS, and what they answer is not proved by anything:
the certificate of a page is what a device is known by.

Exit code: 0; 1 if none was found.`,
		Example: `  ota find
  ota find --timeout 10s
  ota find --json | jq -r '.devices[].url'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if timeout <= 0 {
				return usageError(cmd, "--timeout must be longer than nothing")
			}
			return noArguments(cmd, args)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	cmd.Flags().DurationVar(&timeout, "timeout", findTime, "how long to wait for answers, as a `duration`")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode { return a.find(ctx, timeout, asJSON) })
	return cmd
}

func (a *app) find(ctx context.Context, timeout time.Duration, asJSON bool) exitCode {
	ctx, release := untilInterrupted(ctx)
	defer release()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	end := a.meanwhile(ctx, func(context.Context) string { return "looking for devices" })
	found, err := mdns.Browse(ctx, agent.ServiceType)
	end()
	if err != nil {
		return a.fail(fmt.Errorf("cannot look for devices: %w", err))
	}
	var list foundDevices
	for _, one := range found {
		list.Devices = append(list.Devices, deviceOf(one))
	}
	if asJSON {
		if code := a.json(list); code != done {
			return code
		}
	} else if len(found) > 0 {
		a.listDevices(list.Devices)
	}
	if len(found) == 0 {
		return a.fail(hint.With(errors.New("no device was found in the local network"),
			`a device is found if listen in [web] of its ota.toml is "0.0.0.0:8484", it is in the same network as this machine, and no firewall keeps UDP port 5353 closed on either`))
	}
	return done
}

func deviceOf(found mdns.Found) foundDevice {
	told := func(key string) *string {
		if value := found.Value(key); value != "" {
			return new(escape.Name(value))
		}
		return nil
	}
	device := foundDevice{
		Name: escape.Name(found.Instance), Port: found.Port, Host: told("host"),
		Release: told("release"), State: told("state"), Version: told("ota"), Certificate: told("cert"),
	}
	for _, address := range found.Addresses {
		device.Addresses = append(device.Addresses, address.String())
	}
	if host := hostOf(found); host != "" {
		device.URL = new("https://" + net.JoinHostPort(host, strconv.Itoa(int(found.Port))))
	}
	return device
}

// hostOf is where a page is. An address that counts on one link only is no part
// of a URL (RFC 6874, which no browser follows), but the name for it is, if it
// can stand in one, and in a command line.
func hostOf(found mdns.Found) string {
	if len(found.Addresses) > 0 {
		if first := found.Addresses[0]; first.Zone() == "" {
			return first.String()
		}
	}
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
	if found.Host == "" || found.Host[0] == '-' || strings.Trim(found.Host, plain) != "" {
		return ""
	}
	return found.Host + ".local"
}

func (a *app) listDevices(devices []foundDevice) {
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tADDRESS\tRELEASE\tOTA")
	for _, one := range devices {
		number := strings.TrimSpace(orNothing(one.Release) + " " + orNothing(one.State))
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", one.Name, orNothing(one.URL), number, orNothing(one.Version))
	}
	table.Flush()
	for _, one := range devices {
		if one.URL != nil {
			a.advise(`open an address in a browser, or bring a program there: "ota push ` + *one.URL + `"`)
			return
		}
	}
}

func orNothing(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
