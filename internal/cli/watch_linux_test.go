package cli

import (
	"context"
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ota/internal/api"
)

// TestWatchOnTerminal: what is shown is drawn over, fits, and is left behind on
// the screen that was there before.
func TestWatchOnTerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	far, near := terminal(t)
	if err := unix.IoctlSetWinsize(int(near.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 3, Col: 20}); err != nil {
		t.Fatal(err)
	}
	out := newPaper()
	go io.Copy(out, far) // ends with the terminal
	h := &house{status: api.Status{Running: true, Version: "0.1.0", Dir: "/garden", Program: api.Program{State: api.Waiting}, Deposit: api.Deposit{State: api.Empty}}}
	dir := serve(t, h)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	ended := make(chan exitCode, 1)
	go func() {
		a := &app{speaker: newSpeaker(near, io.Discard), directory: dir}
		ended <- a.watchStatus(ctx, false)
	}()
	out.await(t, `^\x1b\[\?1049h.*\x1b\[Hota 0\.1\.0 is running\x1b\[K\r+\n  program  waiting \S*\x1b\[K\r+\n… 2 more lines\x1b\[K\x1b\[J`)
	h.change(api.Status{Running: true, Version: "0.1.0", Dir: "/garden", Program: api.Program{State: api.Stopped}, Deposit: api.Deposit{State: api.Empty}})
	out.await(t, `\x1b\[H.*\r+\n  program  stopped \S*\x1b\[K\r+\n`)
	interrupt()
	if code := <-ended; code != done {
		t.Errorf("exit code %d", code)
	}
	out.await(t, `  deposit  empty\r\n$`)
	left := out.String()[strings.LastIndex(out.String(), toOwnScreen)+len(toOwnScreen):]
	if want := "ota 0.1.0 is running in /garden\r\n  program  stopped on request\r\n  release  none yet\r\n  deposit  empty\r\n"; left != want {
		t.Errorf("left behind: %q", left)
	}
}
