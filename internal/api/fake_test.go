package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
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
	device  Device
	history []HistoryEntry
	apply   ApplyResult
	why     Why
	diff    Diff
	err     error // of everything that can fail
	tokens  []Token
	web     Web
	lines   []logs.Line
	waits   string // what a takeover waits for
	taken   *TakenOver
	coming  chan []logs.Line // what followers get
	log     *logs.Log        // in place of lines and coming; nil: there is none

	listing Listing
	content *Content // of every file
	archive *Archive // of every release
	written []LogFile

	// stop, if set, is what Stop does.
	stop func(context.Context) error

	mutex sync.Mutex
	asked []string
	bell  chan struct{} // closed at the next change; nil while nobody listens
}

func (f *fakeHouse) note(what string) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.asked = append(f.asked, what)
	return f.err
}

func (f *fakeHouse) Status() Status {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.status
}

func (f *fakeHouse) Changed() <-chan struct{} {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.bell == nil {
		f.bell = make(chan struct{})
	}
	return f.bell
}

// change changes the status, and tells.
func (f *fakeHouse) change(change func(*Status)) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	change(&f.status)
	if f.bell != nil {
		close(f.bell)
		f.bell = nil
	}
}

func (f *fakeHouse) StartID() string { return "start7" }
func (f *fakeHouse) Device() Device  { return f.device }

func (f *fakeHouse) History() ([]HistoryEntry, error)           { return f.history, f.err }
func (f *fakeHouse) Start(context.Context) error                { return f.note("start") }
func (f *fakeHouse) Restart(context.Context) error              { return f.note("restart") }
func (f *fakeHouse) Retry(context.Context) (ApplyResult, error) { return f.apply, f.note("retry") }

func (f *fakeHouse) Apply(_ context.Context, now bool) (ApplyResult, error) {
	return f.apply, f.note(fmt.Sprint("apply now=", now))
}

func (f *fakeHouse) Poll(context.Context) (Polled, error) {
	return Polled{Outcome: PollBrought, Release: new("v2")}, f.note("poll")
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
	return f.diff, f.note(fmt.Sprintf("diff {From:%d To:%d Patch:%t}", request.From, request.To, request.Patch))
}

func (f *fakeHouse) List(area Area, path string) (Listing, error) {
	return f.listing, f.note(fmt.Sprintf("list %s %q", area, path))
}

func (f *fakeHouse) Open(area Area, path string) (*Content, error) {
	return f.held(f.note(fmt.Sprintf("open %s %q", area, path)))
}

func (f *fakeHouse) Archive(release int, format ArchiveFormat) (*Archive, error) {
	err := f.note(fmt.Sprintf("archive %d %s", release, format))
	if f.archive == nil && err == nil {
		return nil, &NoRelease{release}
	}
	return f.archive, err
}

func (f *fakeHouse) Veil() func(string) bool {
	return func(path string) bool { return path == "secrets.py" }
}

func (f *fakeHouse) LogFiles() ([]LogFile, error) { return f.written, f.note("log files") }

func (f *fakeHouse) OpenLog(name string) (*Content, error) {
	return f.held(f.note(fmt.Sprintf("open log %q", name)))
}

func (f *fakeHouse) Stop(ctx context.Context) error {
	if f.stop != nil {
		return f.stop(ctx)
	}
	return f.note("stop")
}

func (f *fakeHouse) Tail(n int) []logs.Line {
	if f.log != nil {
		return f.log.Tail(n)
	}
	return f.lines[max(0, len(f.lines)-n):]
}

func (f *fakeHouse) Follow(after uint64) Follower {
	if f.log != nil {
		return f.log.Follow(after)
	}
	return follower(f.coming)
}

func (f *fakeHouse) Web() Web           { return f.web }
func (f *fakeHouse) Tokens() []Token    { return f.tokens }
func (f *fakeHouse) EndSessions() error { return f.note("logout") }

func (f *fakeHouse) TakeOver(_ context.Context, binary string, waits func(string)) (string, error) {
	if f.waits != "" {
		waits(f.waits)
	}
	return "k3x", f.note("takeover " + binary)
}

func (f *fakeHouse) TakenOver() *TakenOver {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.taken
}

func (f *fakeHouse) WebLink() (string, error) {
	return "http://127.0.0.1:8484/login?code=1", f.note("link")
}

func (f *fakeHouse) Pair() (PairCode, error) {
	return PairCode{Code: "BCDF-GHJK", Address: new("http://127.0.0.1:8484"), Until: noon}, f.note("pair")
}

func (f *fakeHouse) SetPassword(password string) error {
	return f.note(fmt.Sprintf("password %q", password))
}

func (f *fakeHouse) NewToken(name string, allow []Right) (string, error) {
	return "ota_secret", f.note(fmt.Sprintf("token %s %v", name, allow))
}

func (f *fakeHouse) RevokeToken(name string) error { return f.note("revoke " + name) }

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
func serveHouse(t *testing.T, house House, dir string) *served {
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

// held is the content of every file; where there is none there are no files.
func (f *fakeHouse) held(err error) (*Content, error) {
	if f.content == nil && err == nil {
		return nil, &NoFile{"x"}
	}
	return f.content, err
}

// Of drops there is one, with one file that has begun.
var (
	someArrival = Arrival{ID: "a1", Drop: new("d1"), Path: "main.py", Size: 9, Offset: 3}
	someDrop    = Drop{ID: "d1", Expected: 1, Bytes: 9, Received: 3, Files: List[Arrival]{someArrival}}
)

func (f *fakeHouse) Drops() []Drop                    { return []Drop{someDrop} }
func (f *fakeHouse) NewDrop(int, int64) (Drop, error) { return someDrop, f.note("new drop") }
func (f *fakeHouse) CompleteDrop(string) (int, error) { return 1, f.note("complete") }
func (f *fakeHouse) Paired(_ netip.Addr, code, name string) (IssuedToken, error) {
	return IssuedToken{name, []Right{Read, Upload}, "ota_x"}, f.note("paired " + code)
}

// Receive says its lines back until the other side ends.
func (f *fakeHouse) Receive(ctx context.Context, conn io.ReadWriteCloser) error {
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	_, err := io.Copy(conn, conn)
	return errors.Join(err, f.note("receive"))
}

func (f *fakeHouse) CancelDrop(string) error         { return f.note("cancel drop") }
func (f *fakeHouse) CancelArrival(string) error      { return f.note("cancel arrival") }
func (f *fakeHouse) Arrival(string) (Arrival, error) { return someArrival, f.note("arrival") }

func (f *fakeHouse) NewArrival(string, string, int64) (Arrival, error) {
	return someArrival, f.note("new arrival")
}

func (f *fakeHouse) Append(_ context.Context, _ string, offset int64, from io.Reader) (int64, error) {
	n, err := io.Copy(io.Discard, from)
	return offset + n, errors.Join(err, f.note("append"))
}
