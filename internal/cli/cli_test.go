package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"ota/internal/api"
	"ota/internal/kit/hint"
	"ota/internal/logs"
	"ota/internal/reason"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

// called is what one call of the command came to.
type called struct {
	Code           int
	Stdout, Stderr string
}

func call(args ...string) called {
	var stdout, stderr bytes.Buffer
	code := Main(args, &stdout, &stderr)
	return called{code, stdout.String(), stderr.String()}
}

func check(t *testing.T, got, want called) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWrongUsage(t *testing.T) {
	tests := []struct {
		args   string
		stderr string
	}{
		{"fly", "ota: there is no command \"fly\"\nhint: \"ota --help\" lists the commands\n"},
		{"statu", "ota: there is no command \"statu\"\nhint: did you mean \"status\"?\n"},
		{"sta", "ota: there is no command \"sta\"\nhint: did you mean \"start\" or \"status\"?\n"},
		{"stop now", "ota: \"ota stop\" takes no argument \"now\"\nhint: see \"ota stop --help\"\n"},
		{"status --jsn", "ota: unknown flag: --jsn\nhint: see \"ota status --help\"\n"},
		{"logs -n -1", "ota: --lines can't be \"-1\"\nhint: see \"ota logs --help\"\n"},
		{"status -C", "ota: flag needs an argument: 'C' in -C\nhint: see \"ota status --help\"\n"},
		{"rollback three", "ota: \"three\" is not the number of a release\nhint: see \"ota rollback --help\"\n"},
		{"rollback 1 2", "ota: \"ota rollback\" takes no argument \"2\"\nhint: see \"ota rollback --help\"\n"},
		{"pin", "ota: \"ota pin\" needs the number of a release\nhint: see \"ota pin --help\"\n"},
		{"unpin 0", "ota: \"0\" is not the number of a release\nhint: see \"ota unpin --help\"\n"},
		{"web pai", "ota: there is no command \"pai\"\nhint: did you mean \"pair\"?\n"},
		{"web off", "ota: there is no command \"off\"\nhint: \"ota web --help\" lists the commands\n"},
		{"web pair now", "ota: \"ota web pair\" takes no argument \"now\"\nhint: see \"ota web pair --help\"\n"},
		{"web password secret", "ota: \"ota web password\" takes no argument \"secret\"\nhint: see \"ota web password --help\"\n"},
		{"web token --allow read", "ota: what is it called? --name is missing\nhint: see \"ota web token --help\"\n"},
		{"web token --name ci", "ota: what may it do? --allow is missing\nhint: see \"ota web token --help\"\n"},
		{"web token revoke", "ota: which token?\nhint: see \"ota web token revoke --help\"\n"},
		{"web token revoke a b", "ota: one token at a time, not also \"b\"\nhint: see \"ota web token revoke --help\"\n"},
		{"install a b", "ota: one folder at a time, not also \"b\"\nhint: see \"ota install --help\"\n"},
		{"uninstall --purge", "ota: unknown flag: --purge\nhint: see \"ota uninstall --help\"\n"},
		{"setup", "ota: which device?\nhint: see \"ota setup --help\"\n"},
		{"setup a b", "ota: one device at a time, not also \"b\"\nhint: see \"ota setup --help\"\n"},
		{"setup -p 70000 a", "ota: --port can't be 70000\nhint: see \"ota setup --help\"\n"},
		{"setup :garden", "ota: \":garden\" is no [USER@]HOST[:DIR]: there is no host\nhint: see \"ota setup --help\"\n"},
		{"completion", "ota: which shell?\nhint: see \"ota completion --help\"\n"},
		{"completion csh", "ota: \"csh\" is not one of bash, zsh, fish\nhint: see \"ota completion --help\"\n"},
		{"run a b", "ota: one folder at a time, not also \"b\"\nhint: see \"ota run --help\"\n"},
		{"run a -C b", "ota: which folder: \"a\", or that of -C: \"b\"?\nhint: see \"ota run --help\"\n"},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			check(t, call(strings.Fields(test.args)...), called{2, "", test.stderr})
		})
	}
}

func TestFolderMustBeThere(t *testing.T) {
	dir := t.TempDir()
	missing, file := filepath.Join(dir, "missing"), filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check(t, call("-C", missing, "stop"), called{1, "",
		"ota: cannot stop the program: there is no folder " + missing + "\nhint: make it first: mkdir \"" + missing + "\"\n"})
	check(t, call("install", missing), called{1, "",
		"ota: cannot install: there is no folder " + missing + "\nhint: make it first: mkdir \"" + missing + "\"\n"})
	check(t, call("run", file), called{1, "", "ota: " + file + " is not a folder\n"})
}

func TestEveryCommandHasAnExample(t *testing.T) {
	a := &app{speaker: newSpeaker(nil, nil)}
	var look func(*cobra.Command)
	look = func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Long == "" || cmd.Example == "" {
			t.Errorf("%q lacks a description or an example", cmd.CommandPath())
		}
		for _, below := range cmd.Commands() {
			look(below)
		}
	}
	look(a.rootCommand())
}

// house is an agent that answers what it was given, and nothing that the
// command line does not ask for.
type house struct {
	api.House
	status  api.Status
	history []api.HistoryEntry
	apply   api.ApplyResult
	polled  api.Polled
	discard api.Discarded
	went    api.WentBack
	why     api.Why
	diff    api.Diff
	asked   string // of what has parameters
	err     error
	lines   []logs.Line
	web     api.Web
	tokens  []api.Token
	leave   context.CancelFunc // ends the server when somebody follows

	mutex sync.Mutex    // over status and bell
	bell  chan struct{} // closed at the next change; nil while nobody listens
}

func (h *house) Status() api.Status {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.status
}

func (h *house) Changed() <-chan struct{} {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.bell == nil {
		h.bell = make(chan struct{})
	}
	return h.bell
}

// change changes the status, and tells.
func (h *house) change(status api.Status) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.status = status
	if h.bell != nil {
		close(h.bell)
		h.bell = nil
	}
}

func (h *house) StartID() string                                { return "start7" }
func (h *house) Device() api.Device                             { return api.Device{} }
func (h *house) History() ([]api.HistoryEntry, error)           { return h.history, h.err }
func (h *house) Start(context.Context) error                    { return h.err }
func (h *house) Stop(context.Context) error                     { return h.err }
func (h *house) Restart(context.Context) error                  { return h.err }
func (h *house) Retry(context.Context) (api.ApplyResult, error) { return h.apply, h.err }
func (h *house) Discard(context.Context) (api.Discarded, error) { return h.discard, h.err }
func (h *house) Poll(context.Context) (api.Polled, error)       { return h.polled, h.err }
func (h *house) Tail(n int) []logs.Line                         { return h.lines[max(0, len(h.lines)-n):] }
func (h *house) Follow(uint64) api.Follower                     { return h }

func (h *house) Apply(_ context.Context, now bool) (api.ApplyResult, error) {
	h.asked = fmt.Sprint("now=", now)
	return h.apply, h.err
}

func (h *house) Rollback(_ context.Context, to api.Rollback) (api.WentBack, error) {
	h.asked = fmt.Sprintf("%+v", to)
	return h.went, h.err
}

func (h *house) Pin(_ context.Context, release int, pinned bool) error {
	h.asked = fmt.Sprintf("%d=%t", release, pinned)
	return h.err
}

func (h *house) Why(release int) (api.Why, error) {
	h.asked = fmt.Sprint(release)
	return h.why, h.err
}

func (h *house) Diff(request api.DiffRequest) (api.Diff, error) {
	h.asked = fmt.Sprintf("%+v", request)
	return h.diff, h.err
}

func (h *house) Web() api.Web        { return h.web }
func (h *house) Tokens() []api.Token { return h.tokens }
func (h *house) EndSessions() error  { return h.err }

func (h *house) WebLink() (string, error) { return *h.web.Address + "/login?code=link_A", h.err }

func (h *house) Pair() (api.PairCode, error) {
	return api.PairCode{Code: "BCDF-GHJK", Address: h.web.Address, Until: noon}, h.err
}

func (h *house) SetPassword(password string) error {
	h.asked = fmt.Sprintf("%q", password)
	return h.err
}

func (h *house) NewToken(name string, allow []api.Right) (string, error) {
	h.asked = fmt.Sprintf("%s %q", name, allow)
	return "ota_SECRET", h.err
}

func (h *house) RevokeToken(name string) error {
	h.asked = name
	return h.err
}

// Next is where a follower waits: then ota ends.
func (h *house) Next(ctx context.Context) ([]logs.Line, error) {
	h.leave()
	<-ctx.Done()
	return nil, ctx.Err()
}

// serve runs an ota with this house and returns its folder.
func serve(t *testing.T, h *house) string { return serveHouse(t, h, h) }

// serveHouse serves what is a house of ours and more.
func serveHouse(t *testing.T, all api.House, h *house) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".ota"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	h.leave = cancel
	ended := make(chan error, 1)
	go func() {
		ended <- api.New(all, filepath.Join(dir, ".ota", api.SocketName), slog.New(slog.DiscardHandler)).Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for {
		_, err := api.Dial(dir).Status(ctx)
		if err == nil {
			return dir
		}
		if !isNotRunning(err) {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			t.Fatal(err)
		default:
		}
	}
}

func TestSteering(t *testing.T) {
	dir := serve(t, &house{})
	check(t, call("-C", dir, "start"), called{0, "the program is running\n", ""})
	check(t, call("stop", "-C", dir), called{0, "the program is stopped\n", ""})
	check(t, call("restart", "-C="+dir), called{0, "the program is running again\n", ""})
}

func TestSteeringFails(t *testing.T) {
	dir := serve(t, &house{err: hint.With(errors.New("main/ holds no main.py"), "put your program into deposit/")})
	check(t, call("start", "-C", dir), called{1, "",
		"ota: cannot start the program: main/ holds no main.py\nhint: put your program into deposit/\n"})
}

func TestNothingToSteer(t *testing.T) {
	dir := t.TempDir()
	for command, doing := range map[string]string{
		"start": "start the program", "stop": "stop the program",
		"restart": "restart the program", "apply": "apply the upload", "retry": "apply the upload",
		"discard": "discard the upload", "rollback": "roll back",
		"web": "make a link", "web --open": "make a link", "web pair": "make a code", "web password": "set the password",
		"web password --remove": "take the password away", "web logout": "log everybody out", "web token list": "list the tokens",
		"web token revoke ci": "revoke the token", "web token --name ci --allow read": "make a token",
	} {
		check(t, call(append(strings.Fields(command), "-C", dir)...), called{1, "",
			"ota: cannot " + doing + ": ota is not running in " + dir + "\nhint: start it with \"ota run\"\n"})
	}
}

func TestApply(t *testing.T) {
	held := api.Reasons([]reason.Reason{{Path: "main.py", Line: 3, Message: "invalid syntax"}, {Path: "a\nb", Message: "a device"}})
	tests := []struct {
		name   string
		result api.ApplyResult
		want   called
	}{
		{"applied", api.ApplyResult{Outcome: api.Applied, Release: new(4)}, called{0, "release 4 is in main/\n", ""}},
		{"the same", api.ApplyResult{Outcome: api.NothingChanged}, called{0, "nothing changed: main/ is the same already\n", ""}},
		{"empty", api.ApplyResult{Outcome: api.NothingThere}, called{0, "deposit/ is empty\n", ""}},
		{"held", api.ApplyResult{Outcome: api.NotTaken, Reasons: held}, called{3, "",
			"ota: held: the upload stays in deposit/\n  main.py:3: invalid syntax\n  a\\nb: a device\n"}},
		{"deferred", api.ApplyResult{Outcome: api.Postponed, Reasons: api.Reasons([]reason.Reason{{Message: "the window is 02:00-04:00"}})}, called{3, "",
			"ota: deferred: the upload is good, and waits in deposit/\n  the window is 02:00-04:00\nhint: \"ota apply --now\" does not wait\n"}},
		{"busy", api.ApplyResult{Outcome: api.Busy}, called{1, "",
			"ota: cannot apply the upload: another upload is being switched in\nhint: try again in a moment\n"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := &house{apply: test.result}
			dir := serve(t, h)
			check(t, call("apply", "--now", "-C", dir), test.want)
			if h.asked != "now=true" {
				t.Errorf("asked for %s", h.asked)
			}
			check(t, call("retry", "-C", dir), test.want)
		})
	}
}

func TestHistory(t *testing.T) {
	entries := []api.HistoryEntry{
		{
			Number: 12, State: api.RolledBack, Created: noon, Reason: new("exit code 1"),
			Files: api.List[api.FileChange]{{Path: "main.py", Change: api.Replaced}},
		},
		{
			Number: 2, State: api.Confirmed, Current: true, Created: noon,
			Files: api.List[api.FileChange]{
				{Path: "main.py", Change: api.Replaced}, {Path: "a", Change: api.Added}, {Path: "b", Change: api.Added},
			},
		},
		{Number: 1, State: api.Adopted, Created: noon, Pinned: true},
	}
	const table = `   RELEASE  STATE            CREATED              FILES
   12       rolled back      2026-11-23 12:00:00  1 replaced; exit code 1
*  2        confirmed        2026-11-23 12:00:00  2 added, 1 replaced
   1        adopted, pinned  2026-11-23 12:00:00  none
`
	damage := errors.New("releases/3.json is damaged")
	tests := []struct {
		name  string
		house *house
		args  []string
		want  called
	}{
		{"all", &house{history: entries}, nil, called{0, table, ""}},
		{"in part", &house{history: entries, err: damage}, nil,
			called{1, table, "ota: cannot tell all of the history: releases/3.json is damaged\n"}},
		{"unreadable", &house{err: damage}, nil,
			called{1, "", "ota: cannot tell the history: releases/3.json is damaged\n"}},
		{"none", &house{}, nil, called{0, "no release yet\n", ""}},
		{"none, for programs", &house{}, []string{"--json"}, called{0, "[]\n", ""}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := serve(t, test.house)
			check(t, call(append([]string{"history", "-C", dir}, test.args...)...), test.want)
		})
	}
}

func TestLogs(t *testing.T) {
	h := &house{lines: []logs.Line{
		{Seq: 7, Time: noon, Source: logs.Info, Text: "release is running release=3"},
		{Seq: 8, Time: noon, Source: logs.MainErr, Text: "\x1b[2J oh"},
	}}
	const first, second = "[23/11/26 12:00:00] INFO : release is running release=3\n", "[23/11/26 12:00:00] MAIN! : \\x1b[2J oh\n"
	dir := serve(t, h)
	check(t, call("logs", "-C", dir), called{0, first + second, ""})
	check(t, call("logs", "-n1", "-C", dir), called{0, second, ""})
	check(t, call("logs", "-n", "1", "-f", "-C", dir), called{0, second, "ota: has ended in " + dir + "\n"})
}

func TestStatusAsJSON(t *testing.T) {
	dir := serve(t, &house{status: api.Status{Running: true, PID: new(7), Version: "0.1.0", Dir: "/a & b", Program: api.Program{State: api.Waiting}, Deposit: api.Deposit{State: api.Empty}}})
	const want = `{
  "running": true,
  "pid": 7,
  "version": "0.1.0",
  "dir": "/a & b",
  "program": {
    "state": "waiting",
    "pid": null,
    "started": null,
    "restarts": 0,
    "last_exit": null,
    "crash_looping": false,
    "phase": null,
    "status_text": null,
    "doing": null,
    "notice": null
  },
  "release": null,
  "deposit": {
    "state": "empty",
    "files": 0,
    "bytes": 0,
    "reasons": [],
    "doing": null,
    "arriving": null
  },
  "web": {
    "address": null,
    "problem": null,
    "fingerprint": null,
    "announced": null
  },
  "mqtt": null,
  "source": null,
  "history": 0
}
`
	check(t, call("status", "--json", "-C", dir), called{0, want, ""})
}
