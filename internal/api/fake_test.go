package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ota/internal/logs"
)

// patience is how long a test waits for what surely happens.
const patience = 20 * time.Second

// fakeHouse answers with what it was given and counts what it was asked.
type fakeHouse struct {
	House // what no test asks for

	status  Status
	history []HistoryEntry
	apply   ApplyResult
	why     Why
	diff    Diff
	err     error // of everything that can fail
	lines   []logs.Line
	coming  chan []logs.Line // what followers get

	// stop, if set, is what Stop does.
	stop func(context.Context) error

	mutex sync.Mutex
	asked []string
}

func (f *fakeHouse) note(what string) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.asked = append(f.asked, what)
	return f.err
}

func (f *fakeHouse) Status() Status                             { return f.status }
func (f *fakeHouse) History() ([]HistoryEntry, error)           { return f.history, f.err }
func (f *fakeHouse) Start(context.Context) error                { return f.note("start") }
func (f *fakeHouse) Restart(context.Context) error              { return f.note("restart") }
func (f *fakeHouse) Tail(n int) []logs.Line                     { return f.lines[max(0, len(f.lines)-n):] }
func (f *fakeHouse) Retry(context.Context) (ApplyResult, error) { return f.apply, f.note("retry") }

func (f *fakeHouse) Apply(_ context.Context, now bool) (ApplyResult, error) {
	return f.apply, f.note(fmt.Sprint("apply now=", now))
}

func (f *fakeHouse) Discard(context.Context) (Discarded, error) {
	return Discarded{Files: 2, Folder: new(Path(".ota/discarded/1"))}, f.note("discard")
}

func (f *fakeHouse) Rollback(_ context.Context, to Rollback) (WentBack, error) {
	return WentBack{Release: to.Release, State: Trial}, f.note(fmt.Sprintf("rollback %+v", to))
}

func (f *fakeHouse) Pin(_ context.Context, release int, pinned bool) error {
	return f.note(fmt.Sprintf("pin %d=%t", release, pinned))
}

func (f *fakeHouse) Why(release int) (Why, error) { return f.why, f.note(fmt.Sprint("why ", release)) }

func (f *fakeHouse) Diff(request DiffRequest) (Diff, error) {
	return f.diff, f.note(fmt.Sprintf("diff %+v", request))
}

func (f *fakeHouse) Stop(ctx context.Context) error {
	if f.stop != nil {
		return f.stop(ctx)
	}
	return f.note("stop")
}

func (f *fakeHouse) Follow(uint64) Follower { return follower(f.coming) }

// follower hands on what comes.
type follower chan []logs.Line

func (f follower) Next(ctx context.Context) ([]logs.Line, error) {
	select {
	case lines := <-f:
		return lines, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// served is a server at work on a folder.
type served struct {
	*Client
	socket string
	end    context.CancelFunc
	ended  chan error
}

// serve returns when the socket is open. The server ends with the test.
func serve(t *testing.T, house House, dir string) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	socket := filepath.Join(dir, ".ota", SocketName)
	listener, err := listen(ctx, socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &served{Dial(dir), socket, cancel, make(chan error, 1)}
	go func() { s.ended <- New(house, socket, slog.New(slog.DiscardHandler)).serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		receive(t, s.ended)
	})
	return s
}

// stop ends the server and waits for it.
func (s *served) stop(t *testing.T) {
	t.Helper()
	s.end()
	if err := receive(t, s.ended); err != nil {
		t.Error(err)
	}
	s.ended <- nil
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("waited in vain")
		panic("unreachable")
	}
}

// folder makes a folder with .ota in it, whose path has at least that many
// bytes.
func folder(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	for len(dir) < bytes {
		dir = filepath.Join(dir, strings.Repeat("d", 40))
	}
	mkdir(t, filepath.Join(dir, ".ota"))
	return dir
}

// connect opens a bare connection.
func connect(t *testing.T, socket string) *net.UnixConn {
	t.Helper()
	conn, err := dial(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.UnixConn)
}

var errNoMain = errors.New("main/ holds no main.py")
