package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/api"
	"ota/internal/reason"
)

// TestChanges tells the story of a device, a line for each change.
func TestChanges(t *testing.T) {
	running := func(pid, restarts int) api.Program {
		return api.Program{State: api.Running, PID: new(pid), Restarts: restarts}
	}
	crashed := &api.Exit{Code: new(1), At: noon}
	held := api.Deposit{State: api.Held, Files: 2, Bytes: 12_345, Reasons: api.Reasons([]reason.Reason{
		{Path: "main.py", Line: 3, Message: "invalid syntax"}, {Path: "a.py", Message: "a FIFO"},
	})}
	trial, confirmed := &api.Release{Number: 4, State: api.Trial}, &api.Release{Number: 4, State: api.Confirmed}
	empty := api.Deposit{State: api.Empty}
	story := []struct {
		status api.Status
		want   []string
	}{
		{api.Status{Program: api.Program{State: api.Waiting}, Deposit: empty, Web: api.Web{Address: new("http://127.0.0.1:8484")}},
			[]string{"there is no program yet: put it into deposit/", "deposit/ is empty", "the page is at http://127.0.0.1:8484"}},
		{api.Status{Program: api.Program{State: api.Waiting}, Deposit: api.Deposit{State: api.Receiving, Files: 1}},
			[]string{"an upload comes into deposit/"}},
		{api.Status{Program: api.Program{State: api.Waiting}, Deposit: api.Deposit{State: api.Receiving, Files: 2}}, nil},
		{api.Status{Program: running(7, 0), Release: &api.Release{Number: 3, State: api.Confirmed}, Deposit: empty},
			[]string{"the program is running (pid 7)", "release 3 is in main/, confirmed", "deposit/ is empty"}},
		{api.Status{Program: running(7, 0), Release: &api.Release{Number: 3, State: api.Confirmed, Pinned: true}, Deposit: held},
			[]string{"release 3 is pinned", "the upload in deposit/ (2 files, 12.3 kB) is held: main.py:3: invalid syntax (and 1 more reason)"}},
		{api.Status{Program: running(8, 0), Release: trial, Deposit: empty},
			[]string{"the program is running (pid 8)", "release 4 is in main/, on trial, instead of release 3", "deposit/ is empty"}},
		{api.Status{Program: running(8, 0), Release: confirmed, Deposit: empty}, []string{"release 4 is confirmed"}},
		{api.Status{Program: api.Program{State: api.Backoff, LastExit: crashed}, Release: confirmed, Deposit: empty},
			[]string{"the program has failed: exit code 1; it is started again after a pause"}},
		{api.Status{Program: api.Program{State: api.Running, PID: new(9), Restarts: 1, LastExit: crashed}, Release: confirmed, Deposit: empty},
			[]string{"the program is running (pid 9)", "the program was started again after a crash: 1 time"}},
		{api.Status{Program: running(10, 0), Release: &api.Release{Number: 3, State: api.Confirmed}, Deposit: empty},
			[]string{"the program is running (pid 10)", "release 3 is in main/ again, confirmed, instead of release 4"}},
		{api.Status{Program: running(10, 0), Release: &api.Release{Number: 3, State: api.Confirmed}, Deposit: api.Deposit{
			State: api.Deferred, Files: 1, Bytes: 2, Reasons: api.Reasons([]reason.Reason{{Message: "the window is 02:00-04:00"}})}},
			[]string{"the upload in deposit/ (1 file, 2 B) is good, and waits: the window is 02:00-04:00"}},
	}
	var before api.Status
	for _, step := range story {
		var got []string
		for _, one := range changesOf(before, step.status) {
			got = append(got, one.text)
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		before = step.status
	}
}

// paper is what a command prints, while it does.
type paper struct {
	mutex sync.Mutex
	text  bytes.Buffer
	more  chan struct{} // has one when something was printed
}

func newPaper() *paper { return &paper{more: make(chan struct{}, 1)} }

func (p *paper) Write(text []byte) (int, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	select {
	case p.more <- struct{}{}:
	default:
	}
	return p.text.Write(text)
}

func (p *paper) String() string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.text.String()
}

// await waits until something is printed.
func (p *paper) await(t *testing.T, pattern string) {
	t.Helper()
	for is := regexp.MustCompile(pattern); !is.MatchString(p.String()); {
		select {
		case <-p.more:
		case <-time.After(10 * time.Second):
			t.Fatalf("%q was not printed:\n%s", pattern, p)
		}
	}
}

// during runs a command until the test has seen what it prints.
func during(t *testing.T, run func(context.Context, *app) exitCode, look func(out *paper)) {
	t.Helper()
	out, ended := newPaper(), make(chan exitCode, 1)
	ctx, interrupt := context.WithCancel(t.Context())
	var stderr bytes.Buffer
	go func() { ended <- run(ctx, &app{speaker: newSpeaker(out, &stderr)}) }()
	defer func() {
		interrupt()
		if code := <-ended; code != done || stderr.Len() > 0 {
			t.Errorf("exit code %d, stderr %q", code, stderr.String())
		}
	}()
	look(out)
}

func TestEvents(t *testing.T) {
	h := &house{status: api.Status{Version: "0.1.0", Program: api.Program{State: api.Waiting}, Deposit: api.Deposit{State: api.Empty}}}
	dir := serve(t, h)
	during(t, func(ctx context.Context, a *app) exitCode {
		a.directory = dir
		return a.events(ctx, false, (&teller{app: a}).event)
	}, func(out *paper) {
		out.await(t, `^\[\d\d/\d\d/\d\d \d\d:\d\d:\d\d\] ota 0\.1\.0 is running\n\[.*\] there is no program yet.*\n\[.*\] deposit/ is empty\n$`)
		h.change(api.Status{Version: "0.1.0", Program: api.Program{State: api.Running, StatusText: new("\x1b[2J")}, Deposit: api.Deposit{State: api.Empty}})
		out.await(t, `\] the program is running\n\[.*\] the program says: \\x1b\[2J\n$`)
		h.leave()
		out.await(t, `\] ota is not there: waiting until it is\n$`)
	})
}

func TestEventsAsJSON(t *testing.T) {
	dir := serve(t, &house{status: api.Status{Version: "0.1.0"}})
	during(t, func(ctx context.Context, a *app) exitCode {
		a.directory = dir
		return a.events(ctx, false, a.jsonEvent)
	}, func(out *paper) {
		out.await(t, `"event":"device"`)
		var started happened
		if err := json.Unmarshal([]byte(strings.SplitN(out.String(), "\n", 2)[0]), &started); err != nil {
			t.Fatal(err)
		}
		if started.Event != api.EventStarted || started.ID == nil || *started.ID != "start7.0" || started.Time.IsZero() ||
			string(started.Data) != `{"start":"start7","version":"0.1.0"}` {
			t.Errorf("the first event is %s", out)
		}
	})
}

func TestWatchElsewhere(t *testing.T) {
	h := &house{status: api.Status{Running: true, Version: "0.1.0", Dir: "/garden", Program: api.Program{State: api.Waiting}, Deposit: api.Deposit{State: api.Empty}}}
	dir := serve(t, h)
	during(t, func(ctx context.Context, a *app) exitCode {
		a.directory = dir
		return a.watchStatus(ctx, false)
	}, func(out *paper) {
		out.await(t, `^ota 0.1.0 is running in /garden\n  program  waiting .*\n  release  none yet\n  deposit  empty\n$`)
		h.change(api.Status{Running: true, Version: "0.1.0", Dir: "/garden", Program: api.Program{State: api.Running}, Deposit: api.Deposit{State: api.Empty}})
		out.await(t, `empty\n\nota 0.1.0 is running in /garden\n  program  running\n  release  none yet\n  deposit  empty\n$`)
		h.leave()
		out.await(t, `empty\n\nota .* is not running in .*\n  release  none yet\n$`)
	})
}
