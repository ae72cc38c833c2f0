// Package home is the face that a home automation sees: a broker for MQTT that
// is told how things stand, so that Home Assistant finds the device there by
// itself, and who may, asks that what is in deposit/ be installed.
//
// In: the settings of [mqtt]; the status, whenever it changes; the word
// "install" on one topic. Out: messages that the broker keeps, also the one by
// which it tells that the device is gone. Never: a step of ota that waits for a
// broker; a look at the status that nothing has called for, but for one beside
// each sign of life; a line of a file that must not be seen; an act for a
// message that the broker had kept, or for one that is not exactly the word.
//
// What was announced is written down before it is sent, so that a device whose
// name has changed, or that has left the broker, is not shown for ever.
package home

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"ota/internal/api"
	"ota/internal/kit/hint"
)

// House is what is asked of the agent. It is an [api.House], and should be one
// that is [api.Veiled].
type House interface {
	Status() api.Status
	Changed() <-chan struct{}
	Device() api.Device
	History() ([]api.HistoryEntry, error)
	Apply(ctx context.Context, now bool) (api.ApplyResult, error)
}

// Options are the settings, and whom to ask.
type Options struct {
	Broker  Broker // an empty address: none
	Name    string // of the device: letters, digits, - and _
	Prefix  string // of the topics for Home Assistant; empty: it is told nothing
	Topic   string // under which all else is
	Control bool   // whether an install may be asked for
	Version string // of ota
	Record  string // path of the file with what was announced

	House House
	// Next is the number that the upload in deposit/ would get as a release.
	Next func() int
	// Turn begins an act, or says who is just doing what.
	Turn func(act, by string) (end func(), err error)
	// Changed is called when State has changed.
	Changed func()
	Log     *slog.Logger
	// Dial makes a connection of the network; nil: as usual.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

const (
	// keepAlive is after how much silence the broker gets a sign of life. After
	// half as long again it takes the device for gone.
	keepAlive = 5 * time.Minute
	// publishPause is between two looks at how things stand.
	publishPause = time.Second
	// loopBeat is between two looks while the program crashes again and again:
	// nothing tells when it has settled down.
	loopBeat = time.Minute
	// Pauses before the broker is tried again.
	firstPause = time.Second
	lastPause  = 5 * time.Minute
	// steady is how long a connection holds that was a good one.
	steady = 30 * time.Second
	// installPause is between the end of an install and the next.
	installPause = 5 * time.Second
	// farewellTime is for saying goodbye.
	farewellTime = 2 * time.Second
)

// Home is the face. Several goroutines may call its methods, but for Run.
type Home struct {
	options Options
	state   atomic.Pointer[api.MQTT]
	install chan struct{} // holds one while an install may be begun
	acts    sync.WaitGroup
	ignored complaint
}

// New remembers the options.
func New(options Options) *Home {
	if options.Dial == nil {
		// What TCP would send of its own to keep a connection alive MQTT sends
		// anyway, and less often.
		options.Dial = (&net.Dialer{Timeout: dialTime, KeepAlive: -1}).DialContext
	}
	h := &Home{options: options, install: make(chan struct{}, 1), ignored: complaint{log: options.Log}}
	h.install <- struct{}{}
	if options.Broker.Address != "" {
		h.state.Store(&api.MQTT{Broker: options.Broker.Address, State: api.Connecting})
	}
	return h
}

// State says how things stand with the broker; nil: there is none.
func (h *Home) State() *api.MQTT { return h.state.Load() }

// Run tells the broker how things stand until ctx ends, and then that the device
// is gone. It takes away what was announced by another name or to another
// broker. Whatever goes wrong with a broker is told and tried again.
func (h *Home) Run(ctx context.Context) error {
	announced, err := openLedger(h.options.Record)
	if err != nil {
		h.options.Log.Warn("what was announced over MQTT before is not known", "error", err)
	}
	var leaving sync.WaitGroup
	defer leaving.Wait()
	leaving.Go(func() { h.leaveOthers(ctx, announced) })
	defer h.acts.Wait()
	if h.options.Broker.Address == "" {
		return nil
	}
	h.attend(ctx, announced)
	return nil
}

// attend keeps up a connection.
func (h *Home) attend(ctx context.Context, announced *ledger) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		began := time.Now()
		err := h.session(ctx, announced)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) >= steady {
			pause = firstPause
		}
		h.away(explain(err, time.Now()))
		if !wait(ctx, jittered(pause)) {
			return
		}
	}
}

// jittered spreads what many devices would do at once when their broker is back.
func jittered(pause time.Duration) time.Duration {
	return pause*3/4 + rand.N(pause/2)
}

// wait reports whether ctx has not ended before.
func wait(ctx context.Context, pause time.Duration) bool {
	over := time.NewTimer(pause)
	defer over.Stop()
	select {
	case <-over.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// connected notes that the broker listens.
func (h *Home) connected() {
	h.options.Log.Info("the MQTT broker is told how things stand", "broker", h.options.Broker.Address, "name", h.options.Name)
	h.set(api.MQTT{Broker: h.options.Broker.Address, State: api.Connected})
}

// away notes why it does not. The same reason is logged once.
func (h *Home) away(err error) {
	if err == nil {
		err = errors.New("the connection has ended")
	}
	text := err.Error()
	if advice := hint.Of(err); advice != "" {
		text += " (" + advice + ")"
	}
	if before := h.State(); before.Problem == nil || *before.Problem != text {
		h.options.Log.Warn("the MQTT broker is not reached; it is tried again", "broker", h.options.Broker.Address, "error", text)
	}
	h.set(api.MQTT{Broker: h.options.Broker.Address, State: api.Disconnected, Problem: &text})
}

func (h *Home) set(state api.MQTT) {
	h.state.Store(&state)
	if h.options.Changed != nil {
		h.options.Changed()
	}
}

// complaint warns of what others send, at most once in a minute: they must not
// fill the log. Several goroutines may use it.
type complaint struct {
	log   *slog.Logger
	mutex sync.Mutex
	last  time.Time
	since int // that were not told
}

func (c *complaint) say(reason string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.last.IsZero() && time.Since(c.last) < time.Minute {
		c.since++
		return
	}
	c.log.Warn("a command over MQTT is ignored", "reason", reason, "ignored_before", c.since)
	c.last, c.since = time.Now(), 0
}
