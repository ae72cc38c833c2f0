package home

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"ota/internal/api"
	"ota/internal/kit/mqtt"
)

func now() time.Time { return time.Now() }

func clientID(name string) string { return "ota-" + name }

// The payloads of the topic that tells whether the device is there, which are
// those that Home Assistant expects.
const (
	online  = "online"
	offline = "offline"
)

// largestCommand is more than anything has that means something.
const largestCommand = 512

// session is one connection to the broker. Its goroutine is that of attend.
type session struct {
	home   *Home
	client *mqtt.Client
	birth  chan struct{} // Home Assistant has started
	shown  map[string][]byte
}

// session returns when the connection has ended, with the reason, or ctx has.
func (h *Home) session(ctx context.Context, announced *ledger) error {
	s := &session{home: h, birth: make(chan struct{}, 1), shown: map[string][]byte{}}
	client, err := h.options.Broker.connect(ctx, h.options.Dial, mqtt.Options{
		ClientID: clientID(h.options.Name), KeepAlive: keepAlive, MaxMessage: largestCommand,
		Will:    new(h.availability(offline)),
		Receive: func(m mqtt.Message) { s.receive(ctx, m) },
	})
	if err != nil {
		return err
	}
	s.client = client
	running, stop := context.WithCancel(context.Background())
	// A broker that does not read holds the end up no longer than for a farewell.
	atEnd := context.AfterFunc(ctx, func() { time.AfterFunc(farewellTime, stop) })
	defer atEnd()
	ended := make(chan error, 1)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer stop()
	reading.Go(func() { ended <- client.Run(running) })
	err = s.begin(ctx, announced)
	if err == nil {
		h.connected()
		err = s.attend(ctx, ended)
	}
	if ctx.Err() != nil {
		s.farewell()
	}
	// What ended the connection says more than what could not be sent over it.
	stop()
	if why := <-ended; why != nil && !errors.Is(why, context.Canceled) {
		return why
	}
	return err
}

// begin tells all there is to tell. The broker has kept nothing for us, and asks
// for nothing that it had kept.
func (s *session) begin(ctx context.Context, announced *ledger) error {
	h := s.home
	topics := h.topics()
	old, err := announced.add(h.options.Broker, topics)
	if err == nil {
		if err := empty(ctx, s.client, old); err != nil {
			return err
		}
		err = announced.keep(h.options.Broker, topics)
	}
	if err != nil { // it is worth more that somebody sees how things stand
		h.options.Log.Warn("it can't be written down what is announced over MQTT", "error", err)
	}
	for _, topic := range h.heard() {
		allowed, err := s.client.Subscribe(ctx, topic)
		if err != nil {
			return err
		}
		if !allowed {
			h.options.Log.Warn("the MQTT broker does not let this device hear a topic", "topic", topic)
		}
	}
	if _, err := s.publish(ctx); err != nil {
		return err
	}
	return s.announce(ctx)
}

// announce tells Home Assistant which entities there are. What they show is
// there already.
func (s *session) announce(ctx context.Context) error {
	for _, one := range s.home.discovery(s.home.options.House.Device(), s.home.options.House.Status()) {
		if err := s.client.Publish(ctx, one); err != nil {
			return err
		}
	}
	return s.client.Publish(ctx, s.home.availability(online))
}

// attend publishes what changes.
func (s *session) attend(ctx context.Context, ended chan error) error {
	changed := s.home.options.House.Changed()
	look := time.NewTimer(0) // something may have changed since
	defer look.Stop()
	looked := time.Now()
	for {
		select {
		case <-changed:
			changed = nil
			look.Reset(publishPause - time.Since(looked))
		case <-look.C:
			changed, looked = s.home.options.House.Changed(), time.Now()
			beat, err := s.publish(ctx)
			if err != nil {
				return err
			}
			look.Reset(beat)
		case <-s.birth:
			if !wait(ctx, publishPause) {
				return nil
			}
			clear(s.shown)
			if _, err := s.publish(ctx); err != nil {
				return err
			}
			if err := s.announce(ctx); err != nil {
				return err
			}
		case err := <-ended:
			ended <- err
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// publish sends what is not as it was shown, and says when to look again if
// nothing calls for it.
func (s *session) publish(ctx context.Context) (beat time.Duration, err error) {
	status := s.home.options.House.Status()
	for _, one := range s.home.messages(status) {
		if before, ok := s.shown[one.Topic]; ok && bytes.Equal(before, one.Payload) {
			continue
		}
		if err := s.client.Publish(ctx, one); err != nil {
			return 0, err
		}
		s.shown[one.Topic] = one.Payload
	}
	if status.Program.CrashLooping || status.Program.State == api.Backoff {
		return loopBeat, nil
	}
	return keepAlive, nil
}

// farewell tells that the device is gone, which the broker would else find out
// by itself.
func (s *session) farewell() {
	ctx, cancel := context.WithTimeout(context.Background(), farewellTime)
	defer cancel()
	if err := s.client.Publish(ctx, s.home.availability(offline)); err == nil {
		_ = s.client.Disconnect() // the will says the same
	}
}

// receive takes what others have sent. It does not wait.
func (s *session) receive(ctx context.Context, m mqtt.Message) {
	h := s.home
	switch {
	case m.Topic == h.commandTopic() && h.options.Control:
		h.command(ctx, m)
	case h.options.Prefix != "" && m.Topic == h.statusTopic() && string(m.Payload) == online:
		select {
		case s.birth <- struct{}{}:
		default: // it is announced anew anyway
		}
	}
}
