package home

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"sync"

	"ota/internal/kit/durable"
	"ota/internal/kit/mqtt"
)

// ledger is the record of which topics of which brokers hold something of this
// device. Several goroutines may use it.
type ledger struct {
	path  string
	mutex sync.Mutex
	entry []announcement
}

// announcement is what one broker holds.
type announcement struct {
	Broker
	Topics []string `json:"topics"`
}

// openLedger reads the record. With an error it is as if there had been none.
func openLedger(path string) (*ledger, error) {
	l := &ledger{path: path}
	err := durable.ReadJSON(path, &l.entry)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		l.entry = nil
	}
	return l, err
}

// add writes down that a broker is going to hold these too, and returns what it
// holds besides.
func (l *ledger) add(at Broker, topics []string) (others []string, err error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	next, mine := l.without(at)
	for _, one := range mine.Topics {
		if !slices.Contains(topics, one) {
			others = append(others, one)
		}
	}
	mine = announcement{at, slices.Concat(topics, others)}
	return others, l.write(append(next, mine))
}

// keep writes down that a broker holds these, and nothing else.
func (l *ledger) keep(at Broker, topics []string) error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	next, _ := l.without(at)
	if len(topics) > 0 {
		next = append(next, announcement{at, topics})
	}
	return l.write(next)
}

// elsewhere returns what other brokers hold.
func (l *ledger) elsewhere(at Broker) []announcement {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	others, _ := l.without(at)
	return others
}

// without is what the record holds of other brokers, and of this one.
func (l *ledger) without(at Broker) (others []announcement, mine announcement) {
	for _, one := range l.entry {
		if one.Address == at.Address {
			mine = one
			continue
		}
		others = append(others, one)
	}
	return others, mine
}

func (l *ledger) write(next []announcement) error {
	if slices.EqualFunc(next, l.entry, func(a, b announcement) bool { return a.Broker == b.Broker && slices.Equal(a.Topics, b.Topics) }) {
		return nil
	}
	var err error
	if len(next) == 0 {
		err = durable.Remove(l.path)
	} else {
		var text []byte
		if text, err = json.MarshalIndent(next, "", "  "); err == nil {
			err = durable.WriteFile(l.path, append(text, '\n'), 0o600)
		}
	}
	if err == nil {
		l.entry = next
	}
	return err
}

// leaveTries is how often a broker that the device has left is tried at a start.
const leaveTries = 5

// leaveOthers takes away what brokers hold that are no longer told anything.
func (h *Home) leaveOthers(ctx context.Context, announced *ledger) {
	for _, one := range announced.elsewhere(h.options.Broker) {
		pause := firstPause
		for try := 1; ; try++ {
			err := h.leave(ctx, one)
			if err == nil {
				err = announced.keep(one.Broker, nil)
			}
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				h.options.Log.Info("the device is taken away from an MQTT broker that is not told anything any more", "broker", one.Address)
				break
			}
			if try == leaveTries {
				h.options.Log.Warn("what an MQTT broker holds of this device can't be taken away; it is tried at the next start",
					"broker", one.Address, "error", err, "record", announced.path)
				break
			}
			if !wait(ctx, jittered(pause)) {
				return
			}
			pause *= 4
		}
	}
}

// leave empties the topics of a broker.
func (h *Home) leave(ctx context.Context, from announcement) error {
	// A name of its own: nobody is to be pushed out.
	options := mqtt.Options{ClientID: clientID(h.options.Name) + "-leaves", KeepAlive: keepAlive}
	client, err := from.connect(ctx, h.options.Dial, options)
	if err != nil {
		return explain(err, now())
	}
	running, stop := context.WithCancel(ctx)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer stop()
	reading.Go(func() { _ = client.Run(running) }) // how it ends, what is sent tells
	if err := empty(ctx, client, from.Topics); err != nil {
		return err
	}
	return client.Disconnect()
}

// empty makes the broker forget what it keeps for these topics.
func empty(ctx context.Context, client *mqtt.Client, topics []string) error {
	for _, topic := range topics {
		if err := client.Publish(ctx, mqtt.Message{Topic: topic, QoS: 1, Retain: true}); err != nil {
			return err
		}
	}
	return nil
}
