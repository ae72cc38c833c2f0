package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ota/internal/kit/hint"
	"ota/internal/logs"
	"ota/internal/reason"
)

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

func numbered(from, to uint64) []logs.Line {
	var lines []logs.Line
	for seq := from; seq <= to; seq++ {
		lines = append(lines, logs.Line{Seq: seq, Time: noon, Source: "MAIN", Text: fmt.Sprint("line ", seq)})
	}
	return lines
}

func TestLooking(t *testing.T) {
	house := &fakeHouse{
		status:  Status{Running: true, PID: new(4711), Version: "0.1.0", Dir: "/garden", Program: Program{State: Waiting}},
		history: []HistoryEntry{{Number: 2, State: Confirmed, Current: true, Created: noon}, {Number: 1, State: Adopted, Created: noon}},
	}
	client := serveHouse(t, house, folder(t, 0))
	status, err := client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(house.status, status, emptyIsNil); diff != "" {
		t.Errorf("status: -want +got:\n%s", diff)
	}
	history, err := client.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(house.history, history, emptyIsNil); diff != "" {
		t.Errorf("history: -want +got:\n%s", diff)
	}
}

// emptyIsNil: a list without elements comes back as one that is not nil.
var emptyIsNil = cmp.Options{
	cmp.Transformer("reasons", func(l List[Reason]) []Reason { return append([]Reason{}, l...) }),
	cmp.Transformer("files", func(l List[FileChange]) []FileChange { return append([]FileChange{}, l...) }),
}

func TestSteering(t *testing.T) {
	house := &fakeHouse{apply: ApplyResult{Outcome: Applied, Release: new(4)}}
	client := serveHouse(t, house, folder(t, 0))
	for _, act := range []func(context.Context) error{client.Start, client.Stop, client.Restart} {
		if err := act(t.Context()); err != nil {
			t.Error(err)
		}
	}
	result, err := client.Apply(t.Context(), true)
	if err != nil || result.Outcome != Applied || *result.Release != 4 {
		t.Errorf("apply: %+v, %v", result, err)
	}
	if diff := cmp.Diff([]string{"start", "stop", "restart", "apply now=true"}, house.asked); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestThePast: each question arrives with what it is about, and the answer
// comes back as it was given.
func TestThePast(t *testing.T) {
	house := &fakeHouse{
		apply: ApplyResult{Outcome: Postponed, Reasons: Reasons([]reason.Reason{{Message: "the program is busy"}})},
		why:   Why{Release: new(7), State: new(RolledBack), Evidence: &Evidence{At: noon, Why: "exit code 1", Exit: &Ending{Code: new(1)}}},
		diff:  Diff{From: 6, To: 7, Files: List[FileDiff]{{Path: "main.py", Change: Replaced, Patch: new("@@ -1 +1 @@\n")}}},
	}
	client, ctx := serveHouse(t, house, folder(t, 0)), t.Context()
	questions := []struct {
		ask  func() (any, error)
		want any
	}{
		{func() (any, error) { return client.Apply(ctx, false) }, house.apply},
		{func() (any, error) { return client.Retry(ctx) }, house.apply},
		{func() (any, error) { return client.Discard(ctx) }, Discarded{2, new(Path(".ota/discarded/1"))}},
		{func() (any, error) { return client.Rollback(ctx, Rollback{}) }, WentBack{0, Trial}},
		{func() (any, error) { return client.Rollback(ctx, Rollback{3, true}) }, WentBack{3, Trial}},
		{func() (any, error) { return nil, client.Pin(ctx, 3, true) }, nil},
		{func() (any, error) { return nil, client.Pin(ctx, 3, false) }, nil},
		{func() (any, error) { return client.Why(ctx, 0) }, house.why},
		{func() (any, error) { return client.Diff(ctx, DiffRequest{From: 6, Patch: true}) }, house.diff},
	}
	for i, question := range questions {
		got, err := question.ask()
		if err != nil {
			t.Fatalf("question %d: %v", i, err)
		}
		if diff := cmp.Diff(question.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("question %d: -want +got:\n%s", i, diff)
		}
	}
	asked := []string{
		"apply now=false", "retry", "discard", "rollback {Release:0 NoTrial:false}", "rollback {Release:3 NoTrial:true}",
		"pin 3=true", "pin 3=false", "why 0", "diff {From:6 To:0 Patch:true}",
	}
	if diff := cmp.Diff(asked, house.asked); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNoSuchRelease(t *testing.T) {
	client := serveHouse(t, &fakeHouse{err: fmt.Errorf("cannot read it: %w", &NoRelease{7})}, folder(t, 0))
	_, whyErr := client.Why(t.Context(), 7)
	_, rollbackErr := client.Rollback(t.Context(), Rollback{Release: 7})
	for _, err := range []error{whyErr, rollbackErr, client.Pin(t.Context(), 7, true)} {
		problem, ok := errors.AsType[*Problem](err)
		if !ok || problem.Status != http.StatusNotFound || problem.Detail != "there is no release 7" || problem.Advice == "" {
			t.Errorf("error %#v", err)
		}
	}
}

func TestErrorsKeepReasonAndHint(t *testing.T) {
	house := &fakeHouse{err: hint.With(errNoMain, "put your program into deposit/")}
	client := serveHouse(t, house, folder(t, 0))
	_, historyErr := client.History(t.Context())
	_, applyErr := client.Apply(t.Context(), true)
	for _, err := range []error{client.Start(t.Context()), historyErr, applyErr} {
		var problem *Problem
		if !errors.As(err, &problem) || problem.Status != http.StatusConflict {
			t.Errorf("error %v is no problem with status 409", err)
			continue
		}
		if err.Error() != errNoMain.Error() || hint.Of(err) != "put your program into deposit/" {
			t.Errorf("error %q, hint %q", err, hint.Of(err))
		}
	}
}

// Damage to one release must not hide the others.
func TestHistoryInPart(t *testing.T) {
	house := &fakeHouse{
		history: []HistoryEntry{{Number: 2, State: Confirmed, Created: noon}},
		err:     errors.New("cannot read releases/1.json:\nunexpected end"),
	}
	client := serveHouse(t, house, folder(t, 0))
	history, err := client.History(t.Context())
	if len(history) != 1 || history[0].Number != 2 {
		t.Errorf("history %+v, want release 2", history)
	}
	if want := `cannot read releases/1.json:\nunexpected end`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestLogs(t *testing.T) {
	client := serveHouse(t, &fakeHouse{lines: numbered(1, 30)}, folder(t, 0))
	for _, n := range []int{0, 1, 7, 30, 1000} {
		var got []logs.Line
		err := client.Tail(t.Context(), n, func(line logs.Line) error {
			got = append(got, line)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		first := uint64(max(1, 31-n))
		if diff := cmp.Diff(numbered(first, 30), got); diff != "" {
			t.Errorf("last %d: -want +got:\n%s", n, diff)
		}
	}
}

func TestFollowersEndWithTheServer(t *testing.T) {
	house := &fakeHouse{lines: numbered(1, 3), coming: make(chan []logs.Line)}
	client := serveHouse(t, house, folder(t, 0))
	seen := make(chan logs.Line, 10)
	ended := make(chan error, 1)
	go func() {
		ended <- client.Follow(t.Context(), 1, func(line logs.Line) error {
			seen <- line
			return nil
		})
	}()
	if line := receive(t, seen); line.Seq != 3 {
		t.Errorf("first line is %d, want 3", line.Seq)
	}
	// Each line is there without another one pushing it out.
	for seq := uint64(4); seq < 7; seq++ {
		house.coming <- numbered(seq, seq)
		if line := receive(t, seen); line.Seq != seq {
			t.Errorf("line %d, want %d", line.Seq, seq)
		}
	}
	client.stop(t)
	if err := receive(t, ended); err != nil {
		t.Errorf("a follower ended with %q, want a clean end", err)
	}
	if _, err := os.Lstat(client.socket); err == nil {
		// serve is without Run here, which removes it.
		os.Remove(client.socket)
	}
}

func TestFollowerThatGoesIsForgotten(t *testing.T) {
	house := &fakeHouse{lines: numbered(1, 1), coming: make(chan []logs.Line)}
	client := serveHouse(t, house, folder(t, 0))
	enough := errors.New("seen enough")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := client.Follow(ctx, 1, func(logs.Line) error { return enough })
	if !errors.Is(err, enough) {
		t.Fatalf("Follow returned %v", err)
	}
	// Nobody takes from coming when the follower's request has ended. Shutdown
	// would wait for it.
	start := time.Now()
	client.stop(t)
	if took := time.Since(start); took > graceTime {
		t.Errorf("the end took %v", took)
	}
}

// A reader that takes nothing must neither block others nor the end.
func TestSlowReader(t *testing.T) {
	house := &fakeHouse{coming: make(chan []logs.Line)}
	client := serveHouse(t, house, folder(t, 0))
	conn := connect(t, client.socket)
	fmt.Fprint(conn, "GET /api/v1/logs?follow=1 HTTP/1.1\r\nHost: ota\r\n\r\n")
	flood := numbered(1, 20_000)
	full := make(chan struct{})
	go func() {
		defer close(full)
		for {
			select {
			case house.coming <- flood:
			case <-time.After(200 * time.Millisecond): // nobody takes more: the socket is full
				return
			}
		}
	}()
	receive(t, full)
	if _, err := client.Status(t.Context()); err != nil {
		t.Errorf("others get no answer: %v", err)
	}
	start := time.Now()
	client.stop(t)
	if took := time.Since(start); took > graceTime+requestTime/2 {
		t.Errorf("the end took %v", took)
	}
}

// A connection that asks nothing must not hold up the end.
func TestSilentConnection(t *testing.T) {
	client := serveHouse(t, &fakeHouse{}, folder(t, 0))
	conn := connect(t, client.socket)
	if _, err := client.Status(t.Context()); err != nil { // so it has been accepted
		t.Fatal(err)
	}
	start := time.Now()
	client.stop(t)
	if took := time.Since(start); took > graceTime+requestTime/2 {
		t.Errorf("the end took %v", took)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read: %v, want the end", err)
	}
}

func TestWaitingEnds(t *testing.T) {
	tests := []struct {
		name string
		end  func(leave context.CancelFunc, server *served)
		want string
	}{
		{"the client goes", func(leave context.CancelFunc, _ *served) { leave() }, "context canceled"},
		{"the server ends", func(_ context.CancelFunc, server *served) { server.end() }, "ota is ending"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			asked, ended := make(chan struct{}), make(chan struct{})
			house := &fakeHouse{stop: func(ctx context.Context) error {
				close(asked)
				<-ctx.Done()
				close(ended)
				return ctx.Err()
			}}
			client := serveHouse(t, house, folder(t, 0))
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			result := make(chan error, 1)
			go func() { result <- client.Stop(ctx) }()
			receive(t, asked)
			test.end(leave, client)
			receive(t, ended)
			if err := receive(t, result); err == nil || err.Error() != test.want {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// Whoever ends the server may close the house after it: nobody is in it then.
func TestEndWaitsForTheHouse(t *testing.T) {
	asked := make(chan struct{})
	var left atomic.Bool
	house := &fakeHouse{stop: func(ctx context.Context) error {
		close(asked)
		<-ctx.Done()
		<-time.After(graceTime * 3 / 2)
		left.Store(true)
		return nil
	}}
	client := serveHouse(t, house, folder(t, 0))
	go client.Stop(t.Context())
	receive(t, asked)
	client.stop(t)
	if !left.Load() {
		t.Error("the server has ended, and the house is still being asked")
	}
}

func TestRefusals(t *testing.T) {
	client := serveHouse(t, &fakeHouse{}, folder(t, 0))
	tests := []struct {
		request string
		status  int
		detail  string
	}{
		{"GET /api/v1/secrets HTTP/1.1", 404, `there is no \"/api/v1/secrets\" here`},
		{"GET / HTTP/1.1", 404, `there is no \"/\" here`},
		{"GET /api/v1/stop HTTP/1.1", 405, "use POST"},
		{"POST /api/v1/status HTTP/1.1", 405, "use GET"},
		{"GET /api/v1/logs?n=-1 HTTP/1.1", 400, `n is a number of lines, not \"-1\"`},
		{"GET /api/v1/logs?n=1e9 HTTP/1.1", 400, `n is a number of lines, not \"1e9\"`},
		{"GET /api/v1/logs?follow=maybe HTTP/1.1", 400, `follow is true or false, not \"maybe\"`},
		{"POST /api/v1/apply?now=soon HTTP/1.1", 400, `now is true or false, not \"soon\"`},
		{"POST /api/v1/rollback?release=two&trial=no HTTP/1.1", 400, `release is the number of a release, not \"two\"`},
		{"POST /api/v1/rollback?trial=no HTTP/1.1", 400, `trial is true or false, not \"no\"`},
		{"POST /api/v1/pin HTTP/1.1", 400, "release is missing: which one?"},
		{"POST /api/v1/unpin?release=-1 HTTP/1.1", 400, `release is the number of a release, not \"-1\"`},
		{"GET /api/v1/why?release=1e9 HTTP/1.1", 400, `release is the number of a release, not \"1e9\"`},
		{"GET /api/v1/diff?to=last HTTP/1.1", 400, `to is the number of a release, not \"last\"`},
		{"GET /api/v1/rollback HTTP/1.1", 405, "use POST"},
		{"POST /api/v1/stop HTTP/1.1\r\nContent-Length: 5", 413, "a request has no body here"},
		{"POST /api/v1/stop HTTP/1.1\r\nTransfer-Encoding: chunked", 413, "a request has no body here"},
	}
	for _, test := range tests {
		t.Run(test.request, func(t *testing.T) {
			conn := connect(t, client.socket)
			fmt.Fprintf(conn, "%s\r\nHost: ota\r\n\r\n", test.request)
			conn.CloseWrite()
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			if answer.StatusCode != test.status || !strings.Contains(string(body), `"detail":"`+test.detail+`"`) {
				t.Errorf("%d: %s", answer.StatusCode, body)
			}
			if kind := answer.Header.Get("Content-Type"); kind != "application/problem+json" {
				t.Errorf("content type %q", kind)
			}
		})
	}
}

func TestRun(t *testing.T) {
	dir := folder(t, 0)
	client := Dial(dir)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	socket := filepath.Join(dir, ".ota", SocketName)
	go func() { ended <- New(&fakeHouse{}, socket, slog.New(slog.DiscardHandler)).Run(ctx) }()
	deadline := time.Now().Add(patience)
	for {
		_, err := client.Status(ctx)
		if err == nil {
			break
		}
		if _, ok := errors.AsType[*NotRunning](err); !ok || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	cancel()
	if err := receive(t, ended); err != nil {
		t.Errorf("Run: %v", err)
	}
	if _, err := os.Lstat(socket); err == nil {
		t.Error("the socket is still there")
	}
}

func TestRunWhereNoSocketCanBe(t *testing.T) {
	dir := t.TempDir()
	err := New(&fakeHouse{}, filepath.Join(dir, "missing", SocketName), slog.New(slog.DiscardHandler)).Run(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "cannot open the control socket: ") {
		t.Errorf("Run: %v", err)
	}
}

func TestNotRunning(t *testing.T) {
	plain := filepath.Join(folder(t, 0), ".ota", SocketName)
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{
		"no folder":         filepath.Join(t.TempDir(), "missing"),
		"no socket":         folder(t, 0),
		"no socket, long":   folder(t, 200),
		"no folder, long":   filepath.Join(t.TempDir(), strings.Repeat("d", 200)),
		"a file, no socket": filepath.Dir(filepath.Dir(plain)),
	} {
		t.Run(name, func(t *testing.T) {
			err := Dial(dir).Stop(t.Context())
			if _, ok := errors.AsType[*NotRunning](err); !ok {
				t.Fatalf("error %v, want NotRunning", err)
			}
			if got, want := err.Error(), "ota is not running in "+dir; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if hint.Of(err) != `start it with "ota run"` {
				t.Errorf("hint %q", hint.Of(err))
			}
		})
	}
}
