package api

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ota/internal/logs"
)

// serving answers on the control socket of a folder until the returned function
// is called.
func serving(t *testing.T, house House, dir string) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	server := New(house, filepath.Join(dir, ".ota", SocketName), slog.New(slog.DiscardHandler))
	go func() { ended <- server.Run(ctx) }()
	await := Dial(dir)
	for _, err := await.Status(t.Context()); err != nil; _, err = await.Status(t.Context()) {
	}
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func otaFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".ota"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestTakeOver asks for it as the command line does.
func TestTakeOver(t *testing.T) {
	house, dir := silent(), otaFolder(t)
	house.waits = "the release is on trial"
	house.taken = &TakenOver{ID: "k3x", Outcome: TookOver, From: "1", To: "2", At: noon}
	defer serving(t, house, dir)()
	var waited []string
	became, err := Dial(dir).TakeOver(t.Context(), "/opt/new ota", func(reason string) { waited = append(waited, reason) })
	if err != nil || became != *house.taken || strings.Join(waited, ";") != house.waits {
		t.Errorf("%+v %v, waited for %q", became, err, waited)
	}
	if asked := strings.Join(house.asked, ";"); asked != "takeover /opt/new ota" {
		t.Errorf("the house was asked %q", asked)
	}
	for _, one := range []*TakenOver{nil, {ID: "other", Outcome: TookOver}} {
		house.mutex.Lock()
		house.taken = one
		house.mutex.Unlock()
		if _, err := Dial(dir).TakeOver(t.Context(), "", func(string) {}); err == nil || !strings.Contains(err.Error(), "started anew") {
			t.Errorf("after an ota that knows nothing of it: %v", err)
		}
	}
	house.err = errNoMain
	for _, waits := range []string{"", "the release is on trial"} { // before and after the answer has begun
		house.waits = waits
		if _, err := Dial(dir).TakeOver(t.Context(), "", func(string) {}); err == nil || err.Error() != errNoMain.Error() {
			t.Errorf("%v", err)
		}
	}
}

// TestTakeOverIsTheOwners: nobody else sees that there is such a thing.
func TestTakeOverIsTheOwners(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		answer := ask(t, Handler(silent(), slog.New(slog.DiscardHandler)), everybody, method+" /api/v1/takeover HTTP/1.1\r\nHost: ota\r\n\r\n")
		if answer.Code != 404 {
			t.Errorf("%s: %d", method, answer.Code)
		}
	}
}

// TestFollowGoesOn with the server that comes after the first one, on the same
// socket, and ends with one of another start.
func TestFollowGoesOn(t *testing.T) {
	house, dir := silent(), otaFolder(t)
	say(t, house.log, "one", "two")
	end := serving(t, house, dir)
	seen, done := make(chan string, 16), make(chan error, 1)
	go func() {
		done <- Dial(dir).Follow(t.Context(), 1, func(line logs.Line) error { seen <- line.Text; return nil })
	}()
	expect := func(want string) {
		t.Helper()
		if got := <-seen; got != want {
			t.Errorf("it has seen %q, not %q", got, want)
		}
	}
	expect("two")
	say(t, house.log, "three")
	expect("three")
	next := New(house, filepath.Join(dir, ".ota", SocketName), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	listener, err := listen(ctx, filepath.Join(dir, ".ota", "next.sock"))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- next.serve(ctx, listener) }()
	// The name is another server's before the first one ends.
	if err := os.Rename(filepath.Join(dir, ".ota", "next.sock"), filepath.Join(dir, ".ota", SocketName)); err != nil {
		t.Fatal(err)
	}
	say(t, house.log, "four")
	expect("four")
	closeKeeping(t, dir, end)
	say(t, house.log, "five")
	expect("five")
	cancel()
	<-ended
	os.Remove(filepath.Join(dir, ".ota", SocketName))
	if err := <-done; err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// closeKeeping ends a server whose socket has another one's name by now, which
// that must not take away.
func closeKeeping(t *testing.T, dir string, end func()) {
	t.Helper()
	socket := filepath.Join(dir, ".ota", SocketName)
	if err := os.Link(socket, socket+".kept"); err != nil {
		t.Fatal(err)
	}
	end()
	if err := os.Rename(socket+".kept", socket); err != nil {
		t.Fatal(err)
	}
}
