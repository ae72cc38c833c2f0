// Package receive is the device's side of `ota push`: it takes a packed release
// from a connection, sends for what the device lacks only, and puts the release
// into deposit/ like any upload.
//
// In: a connection from somebody who may write into the folder anyhow: a login over
// ssh, the same machine, or a token that may upload. Out: files in deposit/, whole
// and with their manifest; a line of JSON for each thing that happens to the release
// until its end. Never: a change in main/, a judgement of the release (the ota that runs in
// the folder judges, as of every upload), a byte that is not as it was sent.
//
// The sender says in a line of JSON what comes ([Head]), the device answers in
// another ([Answer]); then package transfer has the connection, until the device
// has it all; then, after a line from the sender, the device tells in lines of
// JSON ([News]). A connection that was lost is made anew and begins at the same
// place: what has arrived is kept, and what was put into deposit/ is known by the
// digest of its manifest.
package receive

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"ota/internal/api"
	"ota/internal/check"
	"ota/internal/kit/durable"
	"ota/internal/kit/flock"
	"ota/internal/kit/hint"
	"ota/internal/release"
	"ota/internal/transfer"
)

// Version is that of the lines.
const Version = 1

// Ask is what a sender wants.
type Ask string

// What can be asked for.
const (
	Push    Ask = "push"    // the release is sent
	Compare Ask = "compare" // what is there is told, and nothing else is done
)

// Head is the first line of a sender.
type Head struct {
	Version int    `json:"ota_push"`
	Ask     Ask    `json:"ask"`
	Serial  int64  `json:"serial"`
	Sum     string `json:"manifest"` // SHA-256 of it, in hexadecimal
}

// Answer is the first line of the device.
type Answer struct {
	Version int     `json:"ota_receive"`
	Have    bool    `json:"have"`              // it has arrived before: nothing is sent
	Problem string  `json:"problem,omitempty"` // nothing can be sent
	Hint    string  `json:"hint,omitempty"`
	Busy    bool    `json:"busy,omitempty"` // the problem is another push
	Entries []Entry `json:"entries,omitempty"`
}

// Entry is one path of the release that is in place.
type Entry struct {
	Path    string `json:"path"`
	Mode    string `json:"mode,omitempty"` // in octal
	Sum     string `json:"sha256,omitempty"`
	Target  string `json:"target,omitempty"`
	Brought bool   `json:"brought"` // by an upload: it goes when a whole release has it no more
}

// LongestLine is the most that a line before the transfer has, but for the
// entries of an answer.
const LongestLine = 4 << 10

// place are the names in the folder.
type place struct{ dir string }

func (p place) deposit() string { return filepath.Join(p.dir, "deposit") }
func (p place) own() string     { return filepath.Join(p.dir, ".ota") }
func (p place) area() string    { return filepath.Join(p.own(), "receive") }
func (p place) spool() string   { return filepath.Join(p.area(), "spool") }
func (p place) lock() string    { return filepath.Join(p.area(), "lock") }
func (p place) wanted() string  { return filepath.Join(p.area(), "wanted") }
func (p place) receipt() string { return filepath.Join(p.area(), "receipt.json") }
func (p place) holding() string { return filepath.Join(p.area(), "holding") }
func (p place) last() string    { return filepath.Join(p.area(), "last.json") }

// open looks at the folder, and makes the one in which a release is collected.
func open(dir string) (place, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return place{}, err
	}
	p := place{absolute}
	if _, err := os.Stat(p.deposit()); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = hint.With(fmt.Errorf("there is no deposit/ in %s", absolute), `start ota there first: "ota run" or "ota install"`)
		}
		return p, err
	}
	if err := os.MkdirAll(p.area(), 0o700); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			err = hint.With(err, "log in as the user that ota runs as")
		}
		return p, err
	}
	return p, nil
}

// Sight is what a sender gets to see of the device.
type Sight string

// The sights.
const (
	Whole  Sight = ""       // he is ota's user there
	Veiled Sight = "veiled" // as everybody else, see [api.Veiled]
)

// receiving is one connection.
type receiving struct {
	place
	sight    Sight
	conn     io.ReadWriter
	head     Head
	releases *release.Room
}

// Serve serves one sender, until the release has come to its end, the connection
// ends or ctx does. What goes wrong before anything is sent is told to the sender
// as well.
func Serve(ctx context.Context, dir string, sight Sight, conn io.ReadWriter) error {
	r := &receiving{sight: sight, conn: conn}
	line, err := ReadLine(conn, LongestLine)
	if err != nil {
		return fmt.Errorf("cannot hear what is sent: %w", err)
	}
	if err := json.Unmarshal(line, &r.head); err != nil || r.head.Version != Version {
		return r.refuse(hint.With(errors.New("the sender is of another version"), "use the same version of ota on both sides"))
	}
	if sum, err := hex.DecodeString(r.head.Sum); err != nil || len(sum) != sha256.Size {
		return r.refuse(errors.New("the sender names no manifest"))
	}
	if r.place, err = open(dir); err != nil {
		return r.refuse(err)
	}
	if r.releases, err = release.OpenRead(r.own()); err != nil {
		return r.refuse(fmt.Errorf("cannot read the releases that are kept: %w", err))
	}
	if r.head.Ask == Compare {
		return r.compare()
	}
	return r.push(ctx)
}

// refuse tells the sender what is wrong.
func (r *receiving) refuse(err error) error {
	answer := Answer{Version: Version, Problem: err.Error(), Hint: hint.Of(err), Busy: errors.Is(err, flock.ErrHeld)}
	return errors.Join(err, r.say(answer))
}

func (r *receiving) say(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = r.conn.Write(append(line, '\n'))
	return err
}

func (r *receiving) push(ctx context.Context) error {
	turn, err := r.take(ctx)
	if err != nil {
		return r.refuse(err)
	}
	defer turn.end()
	placed, have, err := r.placed()
	if err != nil {
		return r.refuse(err)
	}
	if err := r.say(Answer{Version: Version, Have: have}); err != nil {
		return err
	}
	if !have {
		if placed, err = r.receive(ctx); err != nil {
			return err
		}
	}
	// The sender reads its own messages to their end before it asks for lines.
	if _, err := ReadLine(r.conn, LongestLine); err != nil {
		return nil // it does not wait
	}
	turn.end()
	ota := api.Dial(r.dir)
	if r.sight == Veiled {
		ota = ota.Veiled()
	}
	heard, stop := r.whileHeard(ctx)
	defer stop()
	err = follow(heard, r.place, ota, r.head.Serial, placed.After, func(news News) error { return r.say(news) })
	switch {
	case errors.Is(err, ErrGone):
		err = errors.Join(err, os.Remove(r.receipt()))
	case heard.Err() != nil && ctx.Err() == nil:
		return nil // nobody asks any more
	}
	return err
}

// whileHeard returns a context that ends with the sender, who says nothing more. A
// sender that pushes at each save leaves before the end, again and again.
func (r *receiving) whileHeard(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(ctx)
	go func() {
		defer stop()
		_, _ = io.Copy(io.Discard, r.conn)
	}()
	return ctx, stop
}

// receipt says what was put into deposit/ last.
type receipt struct {
	Sum string `json:"manifest"`
	// After is the number of the newest release that was there: what has a higher
	// one may be this.
	After int `json:"after"`
}

// placed is the receipt of this release, if it was put there before.
func (r *receiving) placed() (last receipt, have bool, err error) {
	err = durable.ReadJSON(r.receipt(), &last)
	if errors.Is(err, fs.ErrNotExist) {
		return last, false, nil
	}
	return last, last.Sum == r.head.Sum, err
}

// receive has the connection until all has arrived, and puts it into deposit/,
// whether or not the sender is still there.
func (r *receiving) receive(ctx context.Context) (receipt, error) {
	placed := receipt{r.head.Sum, r.releases.Next() - 1}
	base, err := r.base(r.releases)
	if err != nil {
		return placed, err
	}
	receiver := &transfer.Receiver{Device: base, Folder: r.spool(), Room: func(bytes int64) error {
		return check.Space(check.Need{Dir: r.own(), Bytes: bytes})
	}}
	received, err := receiver.Receive(r.conn)
	if err != nil {
		return placed, err
	}
	if err := r.put(ctx, base, received); err != nil {
		// The sender hears it in place of news.
		if _, silence := ReadLine(r.conn, LongestLine); silence == nil {
			_ = r.say(News{Problem: err.Error(), Hint: hint.Of(err)})
		}
		return placed, err
	}
	text, err := durable.Lines(placed)
	if err == nil {
		err = durable.WriteFile(r.receipt(), text, 0o600)
	}
	return placed, errors.Join(err, os.RemoveAll(r.spool()))
}

// turn is the right to receive. One connection has it at a time.
type turn struct {
	lock *os.File
	stop context.CancelFunc
}

func (t *turn) end() {
	t.stop()
	t.lock.Close()
}

// evictEvery is how often a receiver asks whether the same sender has come again
// over another connection: a connection that was lost may look alive from here
// for hours.
const evictEvery = 500 * time.Millisecond

// evictWait is how long the later one waits for the earlier.
const evictWait = 5 * time.Second

// take takes the turn, from an earlier connection of the same push if need be.
func (r *receiving) take(ctx context.Context) (*turn, error) {
	lock, err := os.OpenFile(r.lock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	mark := r.head.Sum + " " + strconv.Itoa(os.Getpid()) + " " + strconv.FormatInt(time.Now().UnixNano(), 36)
	limit := time.NewTimer(evictWait)
	defer limit.Stop()
	again := time.NewTicker(evictEvery / 10)
	defer again.Stop()
	for {
		if err = flock.Try(lock, flock.Exclusive); err == nil {
			break
		}
		holder, readErr := io.ReadAll(io.NewSectionReader(lock, 0, LongestLine))
		if readErr != nil || !errors.Is(err, flock.ErrHeld) || len(holder) > 64 && string(holder[:64]) != r.head.Sum {
			return nil, errors.Join(other(err), lock.Close())
		}
		if err := os.WriteFile(r.wanted(), []byte(mark), 0o600); err != nil {
			return nil, errors.Join(err, lock.Close())
		}
		select {
		case <-again.C:
		case <-limit.C:
			return nil, errors.Join(other(err), lock.Close())
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), lock.Close())
		}
	}
	if err := errors.Join(os.WriteFile(r.wanted(), []byte(mark), 0o600), lock.Truncate(0)); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if _, err := lock.WriteAt([]byte(mark), 0); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	watching, stop := context.WithCancel(ctx)
	go r.yieldTo(watching, mark)
	return &turn{lock, stop}, nil
}

func other(err error) error {
	return hint.With(fmt.Errorf("another push is under way: %w", err), "wait until it has ended")
}

// yieldTo ends the connection when the same push has come again.
func (r *receiving) yieldTo(ctx context.Context, mark string) {
	look := time.NewTicker(evictEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			if wanted, err := os.ReadFile(r.wanted()); err == nil && string(wanted) != mark {
				if conn, ok := r.conn.(io.Closer); ok {
					conn.Close()
				}
				return
			}
		}
	}
}

// ReadLine reads a line and not a byte more: what follows is another's.
func ReadLine(from io.Reader, most int) ([]byte, error) {
	var line []byte
	var one [1]byte
	for len(line) < most {
		if _, err := io.ReadFull(from, one[:]); err != nil {
			return nil, err
		}
		if one[0] == '\n' {
			return line, nil
		}
		line = append(line, one[0])
	}
	return nil, bufio.ErrTooLong
}
