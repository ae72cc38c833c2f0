package transfer

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// counter takes contents and keeps none.
type counter struct{ bytes int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.bytes += int64(len(p))
	return len(p), nil
}
func (c *counter) end() (Digest, error) { return sha256.Sum256(nil), nil }

// streamOf is the stream that makes target of base, without its check sums.
func streamOf(t testing.TB, base, target *memory) []byte {
	e := &encoder{target: target}
	e.know(base)
	path := filepath.Join(t.TempDir(), "stream")
	if err := e.save(path); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(&bare{in: bytes.NewReader(data)})
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func small() *memory {
	return treeOf(map[string]string{"a": text(1, 300), "b/c": text(2, 200), "empty/": "", "l": "->a", "program": builtFile(1, 1)[:20_000]})
}

// FuzzStream: whatever a stream says, the device does not fall over, makes no more
// than the plan says, and every path stays in the tree.
func FuzzStream(f *testing.F) {
	base := small()
	f.Add(streamOf(f, base, base.with(map[string]string{"a": edited(text(1, 300)), "b/c": gone, "new": text(3, 99)})))
	f.Add(streamOf(f, base, base.with(map[string]string{"program": builtFile(1, 2)[:20_100], "moved": text(2, 200)})))
	f.Add(streamOf(f, base, treeOf(nil)))
	f.Fuzz(func(t *testing.T, stream []byte) {
		out := &counter{}
		var room int64
		m := &maker{device: base, known: base.listing, out: out, room: func(bytes int64) error {
			room = bytes
			return nil
		}}
		sections := &sections{bufio.NewReader(bytes.NewReader(stream)), int64(len(stream))}
		listing, err := m.make(sections)
		if out.bytes > room {
			t.Fatalf("%d bytes were made, %d were said", out.bytes, room)
		}
		if err == nil && listing.Check() != nil {
			t.Fatal(listing.Check())
		}
	})
}

// FuzzPlan: a plan that is read is written the same way.
func FuzzPlan(f *testing.F) {
	base := small()
	key := func(i int) string { return string(base.listing[i].Sum[:]) }
	for _, target := range []*memory{base, treeOf(nil), base.with(map[string]string{"a": gone, "z": text(1, 300), "y": text(9, 9), "x": text(9, 9)})} {
		f.Add(makePlan(base.listing, target.listing, key, func(e Entry) string { return string(e.Sum[:]) }).encode(base.listing))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decodePlan(data, base.listing)
		if err != nil {
			return
		}
		again, err := decodePlan(p.encode(base.listing), base.listing)
		if err != nil || len(again.changed) != len(p.changed) || len(again.removed) != len(p.removed) {
			t.Fatalf("%v became %v: %v", p, again, err)
		}
	})
}

// FuzzDevice: whatever a sender says, the device ends with an error or with the
// tree that the sender named.
func FuzzDevice(f *testing.F) {
	base := small()
	target := base.with(map[string]string{"a": edited(text(1, 300))})
	for _, sender := range []*Sender{
		{Target: target, Folder: f.TempDir(), Base: func(Digest) (Tree, bool) { return base, true }},
		{Target: target, Folder: f.TempDir()},
	} {
		var said recorder
		a, b := net.Pipe()
		go func() {
			(&Receiver{Device: base, Folder: f.TempDir()}).Receive(b)
			b.Close()
		}()
		said.Conn = a
		if err := sender.Send(&said); err != nil {
			f.Fatal(err)
		}
		f.Add(said.all)
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		conn := struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(said), io.Discard}
		received, err := (&Receiver{Device: base, Folder: t.TempDir()}).Receive(conn)
		if err == nil && received.Listing.Check() != nil {
			t.Fatal(received.Listing.Check())
		}
	})
}

// FuzzSender: whatever a device says, the sender ends.
func FuzzSender(f *testing.F) {
	base := small()
	target := base.with(map[string]string{"a": edited(text(1, 300))})
	a, b := net.Pipe()
	var said recorder
	said.Conn = b
	go func() {
		(&Sender{Target: target, Folder: f.TempDir()}).Send(a)
		a.Close()
	}()
	if _, err := (&Receiver{Device: base, Folder: f.TempDir()}).Receive(&said); err != nil {
		f.Fatal(err)
	}
	f.Add(said.all)
	f.Fuzz(func(t *testing.T, said []byte) {
		conn := struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(said), io.Discard}
		(&Sender{Target: target, Folder: t.TempDir()}).Send(conn)
	})
}

// recorder keeps what one side says.
type recorder struct {
	net.Conn
	all []byte
}

func (r *recorder) Write(p []byte) (int, error) {
	r.all = append(r.all, p...)
	return r.Conn.Write(p)
}
