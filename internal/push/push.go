// Package push brings a release from the machine of who develops the program to
// a device.
//
// In: a project and the name of a place: a folder of this machine, one behind ssh,
// or a device's page behind HTTPS. Out: the release in deposit/ of that place, and
// what became of it there. Never: a byte in main/, a judgement of the release, a
// secret to anybody who has not shown that he is the device. ssh has its own; for
// HTTPS certificates and tokens are kept, see [Known].
//
// All places are spoken to in the same way, see package receive: for a folder of
// this machine its side runs here, for others it is `ota receive` there. A
// connection that is lost is made again, with growing pauses.
package push

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"ota/internal/kit/hint"
	"ota/internal/pack"
	"ota/internal/parcel"
	"ota/internal/receive"
	"ota/internal/transfer"
)

// Options say what to push, and to where.
type Options struct {
	Project *pack.Project
	Place   Place
	// Cache is a folder for what is sent, from the time that it is made until the
	// device has it all; for this release and place alone.
	Cache string
	// Tell hears what happens, from one goroutine at a time.
	Tell func(receive.News)
	// Sent hears how many bytes of how many are sent. Nil: nobody asks.
	Sent func(done, total int64)
	// Wait is whether the release is followed to its end.
	Wait Wait
	// Met is that the place has answered an earlier push: it is worth waiting for.
	Met bool
	// Arrived is called when the release is in deposit/ and is followed. Nil: nobody
	// asks. From there on a push that is given up leaves nothing half done.
	Arrived func()
	// Hurry ends a pause before a connection is made again. Nil: nothing does.
	Hurry <-chan struct{}
	// Silence is how long both sides may be silent before the device has it all; then
	// the connection is taken for lost. 0: five minutes.
	Silence time.Duration
}

// Wait says for what a push waits.
type Wait string

// What there is to wait for.
const (
	ForTheEnd     Wait = "the end"
	ForTheArrival Wait = "the arrival"
)

// Report is what a push did.
type Report struct {
	receive.Outcome
	Bytes int64 // that were sent
}

// Pauses before a connection that was lost is made again, and for how long that
// is tried when nothing gets through.
const (
	firstPause = 250 * time.Millisecond
	lastPause  = 30 * time.Second
	patience   = 10 * time.Minute
)

// longestSilence is more than the smallest device needs to put a large release
// together, and than a person for a password. A bit that has changed in a length has
// both sides wait for the other.
const longestSilence = 5 * time.Minute

// final is in errors that no new connection makes better.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// pushing is one push.
type pushing struct {
	Options
	head     receive.Head
	bytes    int64
	progress time.Time // when something got through last
	answered answered
}

// answered is whether the device has ever said something.
type answered string

const (
	never answered = ""
	once  answered = "once"
)

// Push pushes a release and returns when it has come to its end. The error says
// why it can't be said what became of it; how much was sent is reported in any case.
func Push(ctx context.Context, options Options) (Report, error) {
	sum := sha256.Sum256(options.Project.Manifest)
	p := &pushing{Options: options, progress: time.Now(), head: receive.Head{
		Version: receive.Version, Ask: receive.Push, Serial: options.Project.Release.Serial, Sum: hex.EncodeToString(sum[:]),
	}}
	p.Silence = cmp.Or(p.Silence, longestSilence)
	if options.Met {
		p.answered = once
	}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		before := p.progress
		outcome, err := p.try(ctx)
		switch {
		case err == nil:
			return Report{*outcome, p.bytes}, nil
		case ctx.Err() != nil:
			return Report{Bytes: p.bytes}, ctx.Err()
		case isFinal(err), p.answered == never, time.Since(p.progress) > patience:
			return Report{Bytes: p.bytes}, err
		case p.progress.After(before):
			pause = firstPause
		}
		p.Tell(receive.News{Doing: tryingAgain(err)})
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-options.Hurry:
			again.Stop()
		case <-ctx.Done():
			again.Stop()
			return Report{Bytes: p.bytes}, ctx.Err()
		}
	}
}

func isFinal(err error) bool {
	_, ok := errors.AsType[final](err)
	return ok || errors.Is(err, transfer.ErrProtocol) || errors.Is(err, pack.ErrChanged)
}

// busy is in errors that end when another push does.
type busy struct{ error }

func (b busy) Unwrap() error { return b.error }

func tryingAgain(err error) string {
	if other, ok := errors.AsType[busy](err); ok {
		return other.Error() + ": trying again"
	}
	return "the connection was lost: trying again"
}

// try is one connection.
func (p *pushing) try(ctx context.Context) (*receive.Outcome, error) {
	conn, err := p.Place.connect(ctx)
	if err != nil {
		return nil, err
	}
	leave := context.AfterFunc(ctx, func() { conn.Close() })
	defer leave()
	silence := time.AfterFunc(p.Silence, func() { conn.Close() })
	silence.Stop() // until something is waited for
	defer silence.Stop()
	outcome, err := p.talk(conn, silence)
	closing := conn.Close()
	if err != nil && closing != nil && !isFinal(err) {
		// Why the other side has ended says more than that it has.
		return nil, errors.Join(closing, silent{err})
	}
	return outcome, err
}

// silent is an error that is asked for and not shown.
type silent struct{ error }

func (silent) Error() string   { return "the connection to the device was lost" }
func (s silent) Unwrap() error { return s.error }

// talk has the other side take the release and tell of it. Until the device has it
// all, silence runs whenever the other side is waited for.
func (p *pushing) talk(conn io.ReadWriter, silence *time.Timer) (*receive.Outcome, error) {
	counted := &counter{conn, p, silence}
	answer, err := ask(counted, p.head)
	if err != nil {
		return nil, err
	}
	if answer.Problem != "" {
		err := hint.With(errors.New(answer.Problem), answer.Hint)
		if answer.Busy && p.answered == once {
			return nil, busy{err} // mostly this push itself, over a connection that is about to end
		}
		return nil, final{err}
	}
	p.answered = once
	if !answer.Have {
		sender := &transfer.Sender{Target: newTree(p.Project), Folder: p.Cache, Progress: p.Sent}
		if err := sender.Send(counted); err != nil {
			err = fmt.Errorf("cannot send the release: %w", err)
			if errors.Is(err, pack.ErrChanged) {
				err = hint.With(err, "push again; with --watch that comes by itself")
			}
			return nil, err
		}
	}
	if p.Wait == ForTheArrival {
		return &receive.Outcome{Result: receive.Uploaded}, nil
	}
	if _, err := io.WriteString(conn, "\n"); err != nil {
		return nil, err
	}
	return p.listen(conn)
}

// ask says the first line and reads the answer, behind what a login may print.
func ask(conn io.ReadWriter, head receive.Head) (receive.Answer, error) {
	var answer receive.Answer
	line, err := json.Marshal(head)
	if err != nil {
		return answer, err
	}
	if _, err := conn.Write(append(line, '\n')); err != nil {
		return answer, fmt.Errorf("cannot say what comes: %w", err)
	}
	for range mostGreeting {
		line, err := receive.ReadLine(conn, longestAnswer)
		if err != nil {
			return answer, fmt.Errorf("cannot hear an answer: %w", err)
		}
		if !strings.HasPrefix(string(line), `{"ota_receive":`) {
			continue
		}
		if err := json.Unmarshal(line, &answer); err != nil {
			return answer, final{fmt.Errorf("cannot read the answer: %w", err)}
		}
		if answer.Version != receive.Version {
			return answer, final{hint.With(errors.New("the device's ota is of another version"), "use the same version of ota on both sides")}
		}
		return answer, nil
	}
	return answer, final{errors.New("the login prints line after line, and no answer")}
}

const (
	mostGreeting  = 200
	longestAnswer = 16 << 20
)

// listen hears the news to their end.
func (p *pushing) listen(conn io.Reader) (*receive.Outcome, error) {
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, 4<<20)
	arrived := p.Arrived
	for lines.Scan() {
		var news receive.News
		if err := json.Unmarshal(lines.Bytes(), &news); err != nil {
			return nil, fmt.Errorf("cannot read what the device tells: %w", err)
		}
		p.progress = time.Now()
		if arrived != nil {
			arrived()
			arrived = nil
		}
		switch {
		case news.Problem != "":
			return nil, final{hint.With(errors.New(news.Problem), news.Hint)}
		case news.Outcome != nil:
			return news.Outcome, nil
		}
		p.Tell(news)
	}
	return nil, errors.Join(lines.Err(), io.ErrUnexpectedEOF)
}

// counter counts what gets through.
type counter struct {
	io.ReadWriter
	push    *pushing
	silence *time.Timer
}

// waiting does what waits for the other side, and takes note of what got through.
func (c *counter) waiting(do func() (int, error)) (int, error) {
	c.silence.Reset(c.push.Silence)
	n, err := do()
	c.silence.Stop()
	if n > 0 {
		c.push.progress = time.Now()
	}
	return n, err
}

func (c *counter) Read(p []byte) (int, error) {
	return c.waiting(func() (int, error) { return c.ReadWriter.Read(p) })
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.waiting(func() (int, error) { return c.ReadWriter.Write(p) })
	c.push.bytes += int64(n)
	return n, err
}

// newTree is a project with its manifest, as it arrives.
func newTree(project *pack.Project) *tree {
	t := &tree{project: project, listing: receive.ListingOf(project.Release), memory: map[string][]byte{parcel.ManifestName: project.Manifest}}
	if project.Signature != nil {
		t.memory[parcel.SignatureName] = project.Signature
	}
	for name, content := range t.memory {
		t.listing = append(t.listing, receive.FileOf(name, content))
	}
	sort.Slice(t.listing, func(i, j int) bool { return t.listing[i].Path < t.listing[j].Path })
	return t
}

type tree struct {
	project *pack.Project
	listing transfer.Listing
	memory  map[string][]byte
}

func (t *tree) Listing() transfer.Listing { return t.listing }

func (t *tree) Open(path string) (transfer.File, error) {
	if content, ok := t.memory[path]; ok {
		return inMemory{strings.NewReader(string(content))}, nil
	}
	return t.project.Open(path)
}

type inMemory struct{ *strings.Reader }

func (inMemory) Close() error { return nil }
