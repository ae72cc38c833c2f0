package transfer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// memory is a tree that is nowhere on a disk.
type memory struct {
	listing  Listing
	contents map[string][]byte
}

func (m *memory) Listing() Listing { return m.listing }

func (m *memory) Open(path string) (File, error) {
	content, there := m.contents[path]
	if !there {
		return nil, fs.ErrNotExist
	}
	return inMemory{bytes.NewReader(content)}, nil
}

type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// treeOf is a tree of files; a path that ends in a slash is an empty folder, a
// content that begins with -> a link.
func treeOf(files map[string]string) *memory {
	m := &memory{contents: map[string][]byte{}}
	for path, content := range files {
		entry := Entry{Path: path, Kind: KindFile, Mode: 0o644, Size: int64(len(content)), Sum: sha256.Sum256([]byte(content))}
		switch {
		case path[len(path)-1] == '/':
			entry = Entry{Path: path[:len(path)-1], Kind: KindFolder, Mode: 0o755}
		case len(content) > 2 && content[:2] == "->":
			entry = Entry{Path: path, Kind: KindLink, Target: content[2:]}
		default:
			m.contents[path] = []byte(content)
		}
		m.listing = append(m.listing, entry)
	}
	sortByPath(m.listing)
	return m
}

// with is a copy of the tree in which some paths differ; "" removes one.
func (m *memory) with(changes map[string]string) *memory {
	files := map[string]string{}
	for _, entry := range m.listing {
		switch entry.Kind {
		case KindFile:
			files[entry.Path] = string(m.contents[entry.Path])
		case KindFolder:
			files[entry.Path+"/"] = ""
		case KindLink:
			files[entry.Path] = "->" + entry.Target
		}
	}
	for path, content := range changes {
		if content == gone {
			delete(files, path)
		} else {
			files[path] = content
		}
	}
	return treeOf(files)
}

const gone = "\x00gone"

// text is as many bytes as a program's source might be, the same for a seed.
func text(seed uint64, size int) string {
	words := []string{"self", "return", "import", "def", "None", "value", "for", "in", "if", "not", "printer", "self.state", "=", "(", ")", "\n    ", "\n"}
	random := rand.New(rand.NewPCG(seed, 1))
	var b bytes.Buffer
	for b.Len() < size {
		if random.IntN(4) == 0 {
			b.WriteByte(byte('a' + random.IntN(26)))
			b.WriteByte(byte('a' + random.IntN(26)))
		}
		b.WriteString(words[random.IntN(len(words))])
		b.WriteByte(' ')
	}
	return b.String()[:size]
}

// noise is bytes that nothing compresses.
func noise(seed uint64, size int) string {
	b := make([]byte, size)
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	random.Read(b)
	return string(b)
}

// link counts and cuts: after limit bytes towards the device nothing more comes.
type link struct {
	net.Conn
	limit   int64 // -1: none
	spoil   int64 // the byte at which one is changed, -1: none
	carried *int64
}

var errCut = errors.New("the connection is cut")

func (l *link) Write(p []byte) (int, error) {
	send := p
	if l.limit >= 0 && int64(len(send)) > l.limit {
		send = send[:l.limit]
	}
	if l.spoil >= 0 && l.spoil < int64(len(send)) {
		send = bytes.Clone(send)
		send[l.spoil] ^= 0x10
		l.spoil = -1
	} else if l.spoil >= 0 {
		l.spoil -= int64(len(send))
	}
	n, err := l.Conn.Write(send)
	*l.carried += int64(n)
	if l.limit >= 0 {
		if l.limit -= int64(n); l.limit == 0 {
			l.Conn.Close()
			return n, errors.Join(errCut, err)
		}
	}
	return n, err
}

// both connects a sender and a receiver once, and says how many bytes went which
// way.
type outcome struct {
	received Received
	sent     error // of the sender
	err      error // of the receiver
	down, up int64
}

func both(s *Sender, r *Receiver, limit, spoil int64) outcome {
	var o outcome
	a, b := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.sent = s.Send(&link{a, limit, spoil, &o.down})
		a.Close()
	}()
	o.received, o.err = r.Receive(&link{b, -1, -1, &o.up})
	b.Close()
	<-done
	return o
}

// known is a sender that has the base; unknown one that has not.
func known(t *testing.T, base, target Tree) *Sender {
	return &Sender{Target: target, Folder: t.TempDir(), Base: func(d Digest) (Tree, bool) { return base, base.Listing().Digest() == d }}
}

func unknown(t *testing.T, target Tree) *Sender { return &Sender{Target: target, Folder: t.TempDir()} }

// holds fails unless what was received is the tree want: each content is either
// the base's or among those that came.
func holds(t *testing.T, received Received, base, want *memory) {
	t.Helper()
	if received.Listing.Digest() != want.Listing().Digest() {
		t.Fatalf("the listing is\n%v\nwant\n%v", received.Listing, want.Listing())
	}
	has := map[Digest]bool{}
	for _, entry := range base.listing {
		has[entry.Sum] = true
	}
	for _, entry := range received.Listing {
		if entry.Kind != KindFile {
			continue
		}
		data, err := os.ReadFile(filepath.Join(received.Contents, hex.EncodeToString(entry.Sum[:])))
		if has[entry.Sum] && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if sha256.Sum256(data) != entry.Sum {
			t.Errorf("%s did not come whole", entry.Path)
		}
	}
}
