package cli

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"testing"

	"ota/internal/api"
)

// slow is a house that takes its time until it is let go.
type slow struct {
	*house
	asked, let chan struct{}
}

func (s *slow) Restart(context.Context) error {
	close(s.asked)
	<-s.let
	return nil
}

// TestWaitingIsTold: who waits on a terminal for longer than a second sees for
// what, and nothing of it is left; elsewhere there is nothing to see.
func TestWaitingIsTold(t *testing.T) {
	t.Setenv("TERM", "xterm")
	far, near := terminal(t)
	out := newPaper()
	go io.Copy(out, far) // ends with the terminal
	s := &slow{&house{status: api.Status{Running: true, Program: api.Program{Doing: new("installing numpy (2 of 5)")}}}, make(chan struct{}), make(chan struct{})}
	dir := serveHouse(t, s, s.house)
	var stdout bytes.Buffer
	ended := make(chan int, 1)
	go func() { ended <- Main([]string{"restart", "-C", dir}, &stdout, near) }()
	<-s.asked
	out.await(t, `^\rinstalling numpy \(2 of 5\)\x1b\[K`)
	close(s.let)
	if code := <-ended; code != 0 || stdout.String() != "the program is running again\n" {
		t.Errorf("code %d: %q", code, stdout.String())
	}
	out.await(t, `\x1b\[K\r\x1b\[K$`)
}

// TestNoColor: with NO_COLOR, or TERM=dumb, nothing is coloured on a terminal,
// whatever it is that speaks.
func TestNoColor(t *testing.T) {
	for name, value := range map[string]string{"NO_COLOR": "1", "TERM": "dumb", "": ""} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TERM", "xterm")
			t.Setenv("NO_COLOR", "")
			if name != "" {
				t.Setenv(name, value)
			}
			far, near := terminal(t)
			out := newPaper()
			go io.Copy(out, far)
			dir := serve(t, &house{status: api.Status{Running: true, Program: api.Program{State: api.Running, CrashLooping: true}}})
			for _, args := range [][]string{{"status"}, {"fly"}, {"config"}, {"history"}, {"stop"}} {
				Main(append(args, "-C", dir), near, near)
			}
			out.await(t, `the program is stopped`)
			if coloured := regexp.MustCompile(`\x1b\[[0-9;]*m`).MatchString(out.String()); coloured != (name == "") {
				t.Errorf("coloured: %v\n%q", coloured, out.String())
			}
		})
	}
}
