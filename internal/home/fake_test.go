package home

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ota/internal/api"
)

// house is a house whose status a test sets.
type house struct {
	mutex   sync.Mutex
	status  api.Status
	changed chan struct{}
	applied []string
	block   chan struct{} // nil: an apply takes no time
	next    int
}

func newHouse() *house {
	return &house{changed: make(chan struct{}), next: 8, status: api.Status{
		Running: true, Version: "1.0", Dir: "/garden",
		Program: api.Program{State: api.Running},
		Release: &api.Release{Number: 7, State: api.Confirmed},
		Deposit: api.Deposit{State: api.Empty},
	}}
}

func (h *house) Status() api.Status {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.status
}

func (h *house) Changed() <-chan struct{} {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.changed
}

func (h *house) Device() api.Device { return api.Device{Model: new("Raspberry Pi Zero W Rev 1.1")} }

func (h *house) History() ([]api.HistoryEntry, error) {
	return []api.HistoryEntry{{Number: 8, From: new(7)}, {Number: 7, From: new(6)}, {Number: 1}}, errors.New("release 3 can't be read")
}

func (h *house) Apply(_ context.Context, now bool) (api.ApplyResult, error) {
	word := "apply"
	if now {
		word = "apply --now"
	}
	h.mutex.Lock()
	h.applied = append(h.applied, word)
	block := h.block
	h.mutex.Unlock()
	if block != nil {
		<-block
	}
	return api.ApplyResult{Outcome: api.Applied}, nil
}

func (h *house) set(change func(*api.Status)) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	change(&h.status)
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *house) asked() []string {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return slices.Clone(h.applied)
}

// broker is one that keeps what it is told to keep, and plays all others.
type broker struct {
	t       *testing.T
	mutex   sync.Mutex
	away    error // of the next connections
	refuses byte
	kept    map[string]string
	all     []string // "topic payload", in the order of arrival
	when    []time.Time
	dials   []time.Time
	current net.Conn
	will    string
	deaf    bool // it does not confirm
	stuck   bool // it does not read
	closed  bool // nobody may hear a topic
}

func newBroker(t *testing.T) *broker { return &broker{t: t, kept: map[string]string{}} }

func (b *broker) dial(context.Context, string, string) (net.Conn, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.dials = append(b.dials, time.Now())
	if b.away != nil {
		return nil, b.away
	}
	ours, theirs := net.Pipe()
	b.current = theirs
	go b.serve(theirs)
	return ours, nil
}

// serve speaks MQTT with a reader of its own, so that two mistakes would have to
// agree.
func (b *broker) serve(conn net.Conn) {
	defer conn.Close()
	for {
		head := make([]byte, 1)
		if _, err := io.ReadFull(conn, head); err != nil {
			b.lost()
			return
		}
		length, shift := 0, 0
		for more := true; more; shift += 7 {
			one := make([]byte, 1)
			if _, err := io.ReadFull(conn, one); err != nil {
				return
			}
			length, more = length|int(one[0]&0x7f)<<shift, one[0]&0x80 != 0
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		b.mutex.Lock()
		stuck := b.stuck
		b.mutex.Unlock()
		if stuck {
			<-b.t.Context().Done()
			return
		}
		if answer := b.answer(head[0], body); answer != nil {
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	}
}

func (b *broker) lost() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if topic, payload, ok := strings.Cut(b.will, " "); ok {
		b.kept[topic] = payload
	}
	b.will = ""
}

func (b *broker) answer(head byte, body []byte) []byte {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	text := func() string {
		length := int(body[0])<<8 | int(body[1])
		found := string(body[2 : 2+length])
		body = body[2+length:]
		return found
	}
	switch head >> 4 {
	case 1:
		flags := body[7]
		body = body[10:]
		text()
		if b.will = ""; flags&0x04 != 0 {
			topic := text()
			b.will = topic + " " + text()
		}
		return []byte{0x20, 2, 0, b.refuses}
	case 3:
		topic := text()
		id := body[:2]
		if string(body[2:]) == "" {
			delete(b.kept, topic)
		} else if head&1 != 0 {
			b.kept[topic] = string(body[2:])
		}
		b.all, b.when = append(b.all, topic+" "+string(body[2:])), append(b.when, time.Now())
		if b.deaf {
			return nil
		}
		return []byte{0x40, 2, id[0], id[1]}
	case 8:
		b.all, b.when = append(b.all, "subscribe "+string(body[4:len(body)-1])), append(b.when, time.Now())
		code := byte(1)
		if b.closed {
			code = 0x80
		}
		return []byte{0x90, 3, body[0], body[1], code}
	case 12:
		b.all, b.when = append(b.all, "ping"), append(b.when, time.Now())
		return []byte{0xd0, 0}
	case 14:
		b.will = ""
	}
	return nil
}

// say publishes to the device.
func (b *broker) say(topic, payload string, retained bool) {
	b.t.Helper()
	head := byte(0x30)
	if retained {
		head |= 1
	}
	body := append([]byte{0, byte(len(topic))}, topic+payload...)
	message := []byte{head}
	if len(body) > 127 {
		message = append(message, byte(len(body)&0x7f)|0x80, byte(len(body)>>7))
	} else {
		message = append(message, byte(len(body)))
	}
	if _, err := b.current.Write(append(message, body...)); err != nil {
		b.t.Error(err)
	}
}

func (b *broker) holds(topic string) string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.kept[topic]
}

func (b *broker) topics() []string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	var topics []string
	for topic := range b.kept {
		topics = append(topics, topic)
	}
	slices.Sort(topics)
	return topics
}

// since returns what arrived after the first n messages.
func (b *broker) since(n int) []string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return slices.Clone(b.all[n:])
}

// update is what the update entity shows.
func (b *broker) update() (shown updateState) {
	b.t.Helper()
	if err := json.Unmarshal([]byte(b.holds("ota/garden/update")), &shown); err != nil {
		b.t.Error(err)
	}
	return shown
}

// scene is a house, a broker, and a face between them.
type scene struct {
	*house
	*broker
	log     journal
	options Options
	face    *Home
}

func newScene(t *testing.T) *scene {
	s := &scene{house: newHouse(), broker: newBroker(t)}
	s.options = Options{
		Broker: Broker{Address: "mqtt://broker:1883"}, Name: "garden", Prefix: "homeassistant", Topic: "ota",
		Control: true, Version: "1.0", Record: filepath.Join(t.TempDir(), "mqtt.json"),
		House: s.house, Next: func() int { return s.house.next },
		Turn: func(string, string) (func(), error) { return func() {}, nil },
		Log:  slog.New(slog.NewTextHandler(&s.log, nil)), Dial: s.broker.dial,
	}
	return s
}

// journal keeps what is logged. Several goroutines may use it.
type journal struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (j *journal) Write(piece []byte) (int, error) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return j.text.Write(piece)
}

func (j *journal) String() string {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return j.text.String()
}

// run runs the face until the returned function is called.
func (s *scene) run() (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	s.face = New(s.options)
	go func() { ended <- s.face.Run(ctx) }()
	synctest.Wait()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
		synctest.Wait()
	}
}

// passes lets time go by.
func passes(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func inBubble(t *testing.T, test func(t *testing.T, s *scene)) {
	synctest.Test(t, func(t *testing.T) { test(t, newScene(t)) })
}

func pemOf(certificate []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
}
