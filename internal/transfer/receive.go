package transfer

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"ota/internal/kit/delta"
	"ota/internal/kit/hint"
)

// maxAttempts is how often a tree is asked for anew within one connection.
const maxAttempts = 3

// Receiver receives a tree. One goroutine uses it at a time, and nobody else its
// folder.
type Receiver struct {
	// Device is the tree that is there. Its files do not change meanwhile.
	Device Tree
	// Folder is where what arrives is collected, over any number of connections.
	// It is made if it is not there.
	Folder string
	// Room says whether so many bytes more may be kept: asked before a stream is
	// taken, and before contents are made of it. Nil: any number.
	Room func(bytes int64) error
}

// Received is a tree that has arrived.
type Received struct {
	// Listing is exactly the sender's.
	Listing Listing
	// Contents is the folder with those contents of the listing that the device's
	// tree does not have, each named by its SHA-256 in hex. They are not synced:
	// that is done once for all that the caller writes.
	Contents string
}

// Receive receives a tree over a connection. After an error the next connection
// goes on where this one ended, also in a new process. When the caller has taken
// what it needs from a received tree, it removes the folder; until then the next
// connection finds that all is here.
func (r *Receiver) Receive(conn io.ReadWriter) (Received, error) {
	line := newLine(conn)
	device := r.Device
	for attempt := byte(0); ; attempt++ {
		received, err := r.attempt(line, device, attempt)
		if err == nil {
			// All is here, whether or not the sender gets to know: it asks again.
			_ = line.say(sayDone, nil)
			return received, nil
		}
		if !errors.Is(err, ErrNotTheSame) {
			return Received{}, err
		}
		if attempt == maxAttempts-1 {
			return Received{}, hint.With(err, `the disk may be damaged, see "ota doctor"`)
		}
		// Either a short hash was wrong, or a file of the device is not what its
		// listing says: look at all of them, which no one does without need.
		if device, err = looked(r.Device); err != nil {
			return Received{}, err
		}
		if err := line.say(sayAgain, nil); err != nil {
			return Received{}, err
		}
	}
}

// attempt is one way from hello to a tree.
func (r *Receiver) attempt(line *line, device Tree, attempt byte) (Received, error) {
	listing := device.Listing()
	base := listing.Digest()
	spool, err := openSpool(r.Folder, base, attempt)
	if err != nil {
		return Received{}, fmt.Errorf("cannot keep what arrives: %w", err)
	}
	defer spool.close()
	h := hello{attempt: attempt, base: base, name: spool.name, have: spool.check.at}
	if err := line.say(sayHello, h.encode()); err != nil {
		return Received{}, fmt.Errorf("cannot say what is here: %w", err)
	}
	offer, told, err := r.offered(line, device)
	if err != nil {
		return Received{}, err
	}
	switch {
	case offer == nil && h.have == 0 || offer != nil && offer.length == 0 && offer.target != base:
		return Received{}, protocol("it offers nothing")
	case offer != nil && offer.length == 0:
		return Received{listing, spool.contents()}, nil
	case offer != nil:
		if err := r.room(offer.length); err != nil {
			return Received{}, err
		}
		if err := spool.accept(*offer, told, listing); err != nil {
			return Received{}, err
		}
	}
	if err := spool.take(line.in); err != nil {
		return Received{}, err
	}
	known, err := spool.known(listing)
	if err != nil {
		return Received{}, err
	}
	made, err := r.made(spool, device, known)
	if err == nil && made.Digest() == spool.target {
		return Received{made, spool.contents()}, nil
	}
	if err == nil || errors.Is(err, errNotAsListed) || errors.Is(err, ErrProtocol) || errors.Is(err, delta.ErrPatch) {
		err = errors.Join(ErrNotTheSame, err, spool.discard())
	}
	return Received{}, err
}

// offered answers questions until a stream is offered; none if the one that is here
// in part goes on. Told are the entries of which the sender was told, nil if it did
// not ask.
func (r *Receiver) offered(line *line, device Tree) (*offer, []Entry, error) {
	answerer := &answerer{line: line, device: device}
	asked := false
	for {
		what, body, err := line.hear()
		if err != nil {
			return nil, nil, fmt.Errorf("cannot hear what is offered: %w", err)
		}
		if question, err := answerer.answer(what, body); question || err != nil {
			if err != nil {
				return nil, nil, err
			}
			asked = true
			continue
		}
		if what == sayGoOn {
			return nil, nil, nil
		}
		if what != sayOffer {
			return nil, nil, protocol("a message came out of turn")
		}
		o, err := decodeOffer(body)
		if asked && answerer.known == nil {
			answerer.known = []Entry{}
		}
		return &o, answerer.known, err
	}
}

// made is the listing that the stream in the spool makes.
func (r *Receiver) made(spool *spool, device Tree, known []Entry) (Listing, error) {
	stream, err := spool.whole()
	if err != nil {
		return nil, err
	}
	sink := &contentSink{folder: spool.contents()}
	defer sink.close()
	maker := &maker{device: device, known: known, out: sink, room: r.room}
	return maker.make(newSections(stream, spool.kept.Length))
}

func (r *Receiver) room(bytes int64) error {
	if r.Room == nil {
		return nil
	}
	return r.Room(bytes)
}

// lookedAt is a tree with the listing of what is really there.
type lookedAt struct {
	Tree
	listing Listing
}

func (l lookedAt) Listing() Listing { return l.listing }

// looked reads all files of a tree.
func looked(tree Tree) (Tree, error) {
	var l Listing
	for _, entry := range tree.Listing() {
		if entry.Kind == KindFile {
			size, sum, err := digestOf(tree, entry.Path)
			if err != nil {
				continue // it is gone, so it is not there
			}
			entry.Size, entry.Sum = size, sum
		}
		l = append(l, entry)
	}
	return lookedAt{tree, l}, l.Check()
}

func digestOf(tree Tree, path string) (int64, Digest, error) {
	file, err := tree.Open(path)
	if err != nil {
		return 0, Digest{}, err
	}
	defer file.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, io.NewSectionReader(file, 0, 1<<62))
	return size, Digest(sum.Sum(nil)), err
}
