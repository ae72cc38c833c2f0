package transfer

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Sender sends a tree. One goroutine uses it at a time.
type Sender struct {
	// Target is what shall be on the device.
	Target Tree
	// Base is the tree with a digest, if the sender has it. Nil: it has none.
	Base func(Digest) (Tree, bool)
	// Folder is where a stream lies from the time it is made until the device has
	// it all. It is made if it is not there.
	Folder string
}

// hello is what a device says first.
type hello struct {
	attempt byte
	base    Digest
	name    streamName // of the stream that it has a part of: the beginning of it
	have    int64      // bytes of that; 0: none
}

func (h hello) encode() []byte {
	b := append([]byte{version, h.attempt}, h.base[:]...)
	if h.have > 0 {
		b = append(b, h.name[:saidOfName]...)
		b = binary.AppendUvarint(b, uint64(h.have))
	}
	return b
}

func decodeHello(body []byte) (hello, error) {
	var h hello
	f := &fields{rest: body}
	if f.number(255) != version {
		return h, protocol("it is of another version")
	}
	h.attempt = byte(f.number(maxAttempts))
	h.base = f.digest()
	if len(f.rest) > 0 {
		copy(h.name[:], f.bytes(saidOfName))
		h.have = f.number(1 << 50)
	}
	if !f.done() {
		return h, protocol("its first message does not fit together")
	}
	return h, nil
}

// saidOfName is how much of a name tells one stream from another. When all of it is
// there, all of the name is compared.
const saidOfName = 8

// has says whether the device has a part of a stream.
func (h hello) has(name streamName, length int64) bool {
	return h.have > 0 && h.have <= length && string(h.name[:saidOfName]) == string(name[:saidOfName])
}

// offer is the sender's answer if a new stream follows.
type offer struct {
	target Digest
	name   streamName
	length int64 // of the stream
}

func (o offer) encode() []byte {
	b := append(o.target[:], o.name[:]...)
	return binary.AppendUvarint(b, uint64(o.length))
}

func decodeOffer(body []byte) (offer, error) {
	var o offer
	f := &fields{rest: body}
	o.target = f.digest()
	copy(o.name[:], f.bytes(int64(len(o.name))))
	o.length = f.number(1 << 50)
	if !f.done() {
		return o, protocol("what it offers does not fit together")
	}
	return o, nil
}

// Send sends the tree over a connection, and returns when the device has it. After
// an error the next connection goes on where this one ended; the error says
// [ErrProtocol] if none will do better. To end it early, close the connection.
func (s *Sender) Send(conn io.ReadWriter) error {
	line := newLine(conn)
	target := s.Target.Listing().Digest()
	for range maxAttempts {
		body, err := line.expect(sayHello)
		if err != nil {
			return fmt.Errorf("cannot hear what the device has: %w", err)
		}
		h, err := decodeHello(body)
		if err != nil {
			return err
		}
		done, err := s.serve(line, h, target)
		if done || err != nil {
			return err
		}
	}
	return ErrNotTheSame
}

// serve sends to a device that has said hello; false if it will say so again.
func (s *Sender) serve(line *line, h hello, target Digest) (done bool, err error) {
	if h.base == target {
		if err := line.say(sayOffer, (offer{target: target}).encode()); err != nil {
			return false, err
		}
		_, err := line.expect(sayDone)
		return err == nil, err
	}
	stream, err := s.stream(line, h, target)
	if err != nil {
		return false, err
	}
	defer stream.file.Close()
	from := int64(0)
	if h.has(stream.name, stream.length) {
		from, err = h.have, line.say(sayGoOn, nil)
	} else {
		err = line.say(sayOffer, offer{target, stream.name, stream.length}.encode())
	}
	if err != nil {
		return false, fmt.Errorf("cannot send: %w", err)
	}
	if _, err := io.Copy(line.out, io.NewSectionReader(stream.file, from, stream.length-from)); err != nil {
		return false, fmt.Errorf("cannot send: %w", err)
	}
	what, _, err := line.hear()
	if err != nil {
		return false, fmt.Errorf("cannot hear whether the device has it all: %w", err)
	}
	if what != sayDone && what != sayAgain {
		return false, protocol("it does not say whether it has it all")
	}
	// The device does not ask for it any more, or has found it wrong.
	stream.file.Close()
	os.Remove(stream.file.Name())
	return what == sayDone, nil
}

// made is a stream in the sender's folder.
type made struct {
	file   *os.File
	name   streamName
	length int64
}

// stream is the one that a device needs: one made before, if it has a part of that
// or both know what it has; else a new one.
func (s *Sender) stream(line *line, h hello, target Digest) (made, error) {
	if err := os.MkdirAll(s.Folder, 0o700); err != nil {
		return made{}, err
	}
	key := sha256.Sum256(append([]byte{version, h.attempt}, append(target[:], h.base[:]...)...))
	path := filepath.Join(s.Folder, hex.EncodeToString(key[:16])+".stream")
	var base Tree
	known := false
	if s.Base != nil && h.attempt == 0 {
		base, known = s.Base(h.base)
	}
	if before, err := openMade(path); err == nil {
		if known || h.has(before.name, before.length) {
			return before, nil
		}
		before.file.Close()
	}
	e := &encoder{target: s.Target}
	if known {
		e.know(base)
	} else if err := e.ask(line, newSalting(target, h.attempt)); err != nil {
		return made{}, err
	}
	if err := e.save(path); err != nil {
		return made{}, fmt.Errorf("cannot compare the two releases: %w", err)
	}
	return openMade(path)
}

// openMade opens a stream and finds its name anew, so that a damaged one is never
// taken for another.
func openMade(path string) (made, error) {
	file, err := os.Open(path)
	if err != nil {
		return made{}, err
	}
	m := made{file: file}
	whole := sha256.New()
	if m.length, err = io.Copy(whole, file); err != nil {
		file.Close()
		return made{}, err
	}
	copy(m.name[:], whole.Sum(nil))
	return m, nil
}

// know plans for a device whose tree the sender has too.
func (e *encoder) know(base Tree) {
	e.old, e.known = base, base.Listing()
	e.plan = makePlan(e.known, e.target.Listing(),
		func(i int) string { return string(e.known[i].Sum[:]) },
		func(entry Entry) string { return string(entry.Sum[:]) })
}

// ask plans for a device that the sender knows nothing of.
func (e *encoder) ask(line *line, salting salting) error {
	asker := &asker{line, salting}
	known, keys, differ, err := asker.entries(e.target.Listing())
	if err != nil {
		return fmt.Errorf("cannot ask what the device has: %w", err)
	}
	e.known = known
	e.plan = makePlan(known, differ,
		func(i int) string { return keys[i] },
		func(entry Entry) string { return salting.content(entry.Sum) })
	if err := e.arrange(); err != nil {
		return err
	}
	if err := asker.blocks(e); err != nil {
		return fmt.Errorf("cannot ask what the device has: %w", err)
	}
	return nil
}

// save makes the stream and gives it its name when it is whole.
func (e *encoder) save(path string) error {
	file, err := os.Create(path + ".part")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	out := bufio.NewWriterSize(file, 64<<10)
	e.out = newStreamWriter(out)
	if err := errors.Join(e.encode(), out.Flush(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
