package mqtt

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// peer is the broker's end of a connection, played by a test.
type peer struct {
	t      *testing.T
	conn   net.Conn
	reader *bufio.Reader
}

func pipe(t *testing.T) (net.Conn, *peer) {
	ours, theirs := net.Pipe()
	return ours, &peer{t, theirs, bufio.NewReader(theirs)}
}

func (p *peer) read() packet {
	p.t.Helper()
	got, err := readPacket(p.reader, 1<<20)
	if err != nil {
		p.t.Error(err)
	}
	return got
}

func (p *peer) write(bytes ...byte) {
	p.t.Helper()
	if _, err := p.conn.Write(bytes); err != nil {
		p.t.Error(err)
	}
}

// connected is a client that was let in, and runs. end ends it, and returns
// how it ended.
func connected(t *testing.T, options Options) (client *Client, broker *peer, end func() error) {
	t.Helper()
	ours, broker := pipe(t)
	go func() {
		broker.read()
		broker.write(0x20, 2, 0, 0)
	}()
	client, err := Connect(t.Context(), ours, options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- client.Run(ctx) }()
	return client, broker, func() error { cancel(); return <-ended }
}

// TestConnectSays what 3.1 asks for, byte by byte.
func TestConnectSays(t *testing.T) {
	ours, broker := pipe(t)
	got := make(chan []byte, 1)
	go func() {
		bytes := make([]byte, 50)
		io.ReadFull(broker.conn, bytes)
		got <- bytes
		broker.write(0x20, 2, 0, 5)
	}()
	_, err := Connect(t.Context(), ours, Options{
		ClientID: "ota-1", User: "me", Password: "secret", KeepAlive: 300 * time.Second,
		Will: &Message{Topic: "ota/1/av", Payload: []byte("offline"), QoS: 1, Retain: true},
	})
	want := "\x10\x30\x00\x04MQTT\x04\xee\x01\x2c\x00\x05ota-1\x00\x08ota/1/av\x00\x07offline\x00\x02me\x00\x06secret"
	if diff := cmp.Diff(want, string(<-got)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	refused, ok := errors.AsType[*Refused](err)
	if !ok || refused.Code != NotAuthorized {
		t.Errorf("refused: %v", err)
	}
	if _, err := ours.Write([]byte{0}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the connection is open: %v", err)
	}
}

func TestRefusalsAreWords(t *testing.T) {
	said := map[string]byte{}
	for code := byte(1); code < 8; code++ {
		text := (&Refused{code}).Error()
		if other, twice := said[text]; twice {
			t.Errorf("%d and %d: %s", other, code, text)
		}
		said[text] = code
	}
}

// TestMessages go both ways.
func TestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []Message
		client, broker, end := connected(t, Options{KeepAlive: time.Minute, MaxMessage: 16, Receive: func(m Message) { heard = append(heard, m) }})
		go func() {
			if got := broker.read(); got.kind != publish || got.flags != 0x03 || string(got.body) != "\x00\x01a\x00\x01hello" {
				t.Errorf("%+v", got)
			}
			broker.write(0x40, 2, 0, 1)
			if got := broker.read(); got.kind != subscribe || got.flags != 2 || string(got.body) != "\x00\x02\x00\x01b\x01" {
				t.Errorf("%+v", got)
			}
			broker.write(0x90, 3, 0, 2, 0)
			if got := broker.read(); got.kind != subscribe {
				t.Errorf("%+v", got)
			}
			broker.write(0x90, 3, 0, 3, 0x80)
			broker.write(append([]byte{0x33, 9, 0, 1, 'b', 0, 77}, "kept"...)...)
			if got := broker.read(); got.kind != puback || string(got.body) != "\x00\x4d" {
				t.Errorf("%+v", got)
			}
			broker.write(append([]byte{0x30, 23, 0, 1, 'b'}, "12345678901234567890"...)...)
			broker.write(0x30, 4, 0, 1, 'b', 'x')
			if got := broker.read(); got.kind != disconnect {
				t.Errorf("%+v", got)
			}
		}()
		if err := client.Publish(t.Context(), Message{Topic: "a", Payload: []byte("hello"), QoS: 1, Retain: true}); err != nil {
			t.Fatal(err)
		}
		if allowed, err := client.Subscribe(t.Context(), "b"); err != nil || !allowed {
			t.Errorf("%v, %v", allowed, err)
		}
		if allowed, err := client.Subscribe(t.Context(), "b"); err != nil || allowed {
			t.Errorf("refused: %v, %v", allowed, err)
		}
		synctest.Wait()
		if err := client.Disconnect(); err != nil {
			t.Error(err)
		}
		if err := end(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		want := []Message{
			{Topic: "b", Payload: []byte("kept"), QoS: 1, Retain: true},
			{Topic: "b", Payload: []byte("1234567890123"), Cut: true},
			{Topic: "b", Payload: []byte("x")},
		}
		if diff := cmp.Diff(want, heard); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

// TestSignsOfLife are sent after silence only, and answered.
func TestSignsOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		client, broker, end := connected(t, Options{KeepAlive: 5 * time.Minute})
		var pings []time.Duration
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			for {
				got, err := readPacket(broker.reader, 100)
				if err != nil {
					return
				}
				if got.kind == pingreq {
					pings = append(pings, time.Since(began))
					if len(pings) < 3 {
						broker.write(0xd0, 0)
					}
				}
			}
		}()
		time.Sleep(time.Minute)
		if err := client.Publish(t.Context(), Message{Topic: "a"}); err != nil {
			t.Error(err)
		}
		<-client.ended // the third is not answered
		if err := end(); !errors.Is(err, errSilent) {
			t.Error(err)
		}
		<-gone
		if diff := cmp.Diff([]time.Duration{6 * time.Minute, 11 * time.Minute, 16 * time.Minute}, pings); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		if passed := time.Since(began); passed != 16*time.Minute+answerTime {
			t.Errorf("it was given up after %s", passed)
		}
	})
}

// TestSilentBroker holds nobody up for ever: neither one that says nothing, nor
// one that does not read.
func TestSilentBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, broker := pipe(t)
		go broker.read()
		if _, err := Connect(t.Context(), ours, Options{}); err == nil {
			t.Error("nobody let it in")
		}
		client, broker, end := connected(t, Options{KeepAlive: time.Hour})
		go broker.read() // and answers nothing
		if err := client.Publish(t.Context(), Message{Topic: "a", QoS: 1}); !errors.Is(err, errSilent) {
			t.Errorf("not confirmed: %v", err)
		}
		began := time.Now()
		if err := client.Publish(t.Context(), Message{Topic: "a"}); err == nil || time.Since(began) != writeTime {
			t.Errorf("not read: %v after %s", err, time.Since(began))
		}
		end()
		if err := client.Publish(t.Context(), Message{Topic: "a", QoS: 1}); err == nil {
			t.Error("published after the end")
		}
	})
}

// TestEndWhileConnecting: who stops does not wait for a broker that says nothing.
func TestEndWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, broker := pipe(t)
		go broker.read()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := Connect(ctx, ours, Options{}); err == nil || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// TestMalformed ends the connection (4.8).
func TestMalformed(t *testing.T) {
	for name, bytes := range map[string]string{
		"QoS 2":                        "\x34\x05\x00\x01a\x00\x01",
		"QoS 3":                        "\x36\x05\x00\x01a\x00\x01",
		"a message without a number":   "\x32\x03\x00\x01a",
		"number 0":                     "\x32\x05\x00\x01a\x00\x00",
		"no topic":                     "\x30\x02\x00\x00",
		"a topic longer than all":      "\x30\x03\x00\x09a",
		"a topic with a wildcard":      "\x30\x03\x00\x01#",
		"a topic that is not text":     "\x30\x03\x00\x01\xff",
		"a topic with a zero":          "\x30\x03\x00\x01\x00",
		"a length of five bytes":       "\x30\x80\x80\x80\x80\x01",
		"an answer that is too long":   "\x40\x03\x00\x01\x01",
		"an answer with flags":         "\x41\x02\x00\x01",
		"what only clients send":       "\x10\x00",
		"a second welcome":             "\x20\x02\x00\x00",
		"an answer without its number": "\x90\x01\x00",
		"a type that is reserved":      "\xf0\x00",
	} {
		synctest.Test(t, func(t *testing.T) {
			_, broker, end := connected(t, Options{KeepAlive: time.Hour})
			broker.write([]byte(bytes)...)
			synctest.Wait()
			if err := end(); !errors.Is(err, errMalformed) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

func TestNothingWrongIsSent(t *testing.T) {
	for _, topic := range []string{"", "a/#", "+", "\xff", "a\x00", strings.Repeat("a", 65536)} {
		if _, err := publishPacket(Message{Topic: topic}, 0); err == nil {
			t.Errorf("%.20q was published to", topic)
		}
	}
	if _, err := connectPacket(Options{ClientID: "a", User: strings.Repeat("a", 65536)}); err == nil {
		t.Error("a field has 16 bits for its length")
	}
	if _, err := subscribePacket("", 1); err == nil {
		t.Error("subscribed to nothing")
	}
}

// FuzzRead: no bytes of a broker do more than end the connection, and what was
// read is what was sent.
func FuzzRead(f *testing.F) {
	f.Add([]byte("\x20\x02\x00\x00\x30\x05\x00\x01abc\x33\x80\x01\x00\x01a\x00\x07"))
	f.Add([]byte("\x90\x03\x00\x01\x80\xd0\x00\x40\x02\x00\x01"))
	f.Add([]byte("\x30\xff\xff\xff\x7f\x00\x01a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 64
		reader := bufio.NewReader(bytes.NewReader(data))
		for {
			p, err := readPacket(reader, most)
			if err != nil {
				return
			}
			if len(p.body) > most {
				t.Fatalf("%d bytes were kept", len(p.body))
			}
			p.asConnack()
			p.asAnswer()
			if p.kind != publish {
				continue
			}
			m, id, err := p.asPublish()
			if err != nil || p.cut || p.flags&0x08 != 0 { // sent again: we never do
				continue
			}
			again, err := publishPacket(m, id)
			if err != nil {
				t.Fatal(err)
			}
			sent, err := again.bytes()
			if err != nil {
				t.Fatal(err)
			}
			back, err := readPacket(bufio.NewReader(bytes.NewReader(sent)), most)
			if err != nil || !bytes.Equal(back.body, p.body) || back.flags != p.flags {
				t.Fatalf("%+v became %+v, %v", p, back, err)
			}
		}
	})
}
