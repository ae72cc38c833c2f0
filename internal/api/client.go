package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"ota/internal/kit/escape"
	"ota/internal/kit/hint"
	"ota/internal/logs"
)

const (
	// answerTime is for an answer that needs no more than a look at memory.
	answerTime = 10 * time.Second
	// problemBytes is more than any problem has.
	problemBytes = 64 << 10
)

// NotRunning is the error of every request while no `ota run` is at work on
// the folder.
type NotRunning struct {
	Dir string
}

// Error names the folder.
func (n *NotRunning) Error() string { return "ota is not running in " + escape.Name(n.Dir) }

// Hint says how to start it.
func (n *NotRunning) Hint() string { return `start it with "ota run"` }

// Client asks the `ota run` of one folder. Several goroutines may use it.
//
// Errors are *[NotRunning], *[Problem] for what the server refused, and those
// of the system. They say why, not what was asked for.
type Client struct {
	dir    string
	http   *http.Client
	veiled bool
}

// Dial remembers the folder (the one that holds deposit/ and main/). Whether
// ota is running there shows with the first request.
func Dial(dir string) *Client {
	socket := filepath.Join(dir, ".ota", SocketName)
	transport := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, socket) },
		DisableKeepAlives: true,
	}
	return &Client{dir: dir, http: &http.Client{Transport: transport}}
}

// Veiled is the same client for somebody who is not the owner: nothing of what it
// is told must not be seen by others, see [Veiled].
func (c *Client) Veiled() *Client { return &Client{c.dir, c.http, true} }

// Status asks how things stand.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var status Status
	err := c.look(ctx, "/status", &status)
	return status, err
}

// History asks for all releases, newest first. Where some can't be read the
// others are returned beside the error.
func (c *Client) History(ctx context.Context) ([]HistoryEntry, error) {
	var entries []HistoryEntry
	err := c.look(ctx, "/history", &entries)
	return entries, err
}

// Tail gives show the last n lines of the log, oldest first.
func (c *Client) Tail(ctx context.Context, n int, show func(logs.Line) error) error {
	err := (&logReading{client: c, show: show}).read(ctx, url.Values{"n": {strconv.Itoa(n)}})
	if shown, byShow := errors.AsType[showError](err); byShow {
		return shown.error
	}
	return err
}

// Follow is Tail, and gives show every line that comes after them until ctx
// ends, or until ota does: then it returns nil. An error of show ends it. Where
// another ota takes over it goes on with that.
func (c *Client) Follow(ctx context.Context, n int, show func(logs.Line) error) error {
	r := &logReading{client: c, show: show}
	query := url.Values{"n": {strconv.Itoa(n)}, "follow": {"true"}}
	for {
		err := r.read(ctx, query)
		shown, byShow := errors.AsType[showError](err)
		switch {
		case byShow:
			return shown.error
		case ctx.Err() != nil || r.start == "":
			return err
		case query.Has("after") && err != nil && !errors.Is(err, errBrokenOff):
			return nil // it has ended, or was started anew
		}
		query.Set("after", fmt.Sprintf("%s.%d", r.start, r.seq))
		again := time.NewTimer(followAgain)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
		}
	}
}

// followAgain is the pause before a follower looks whether another ota has taken
// over, or ota has ended.
const followAgain = 20 * time.Millisecond

// Start starts the program and returns when it runs.
func (c *Client) Start(ctx context.Context) error { return c.steer(ctx, "/start") }

// Stop stops the program and returns when nothing of it is left.
func (c *Client) Stop(ctx context.Context) error { return c.steer(ctx, "/stop") }

// Restart stops and starts the program and returns when it runs.
func (c *Client) Restart(ctx context.Context) error { return c.steer(ctx, "/restart") }

// Apply takes what is in deposit/ as complete and returns when it is known what
// became of it: now also outside its window, and although the program is busy.
func (c *Client) Apply(ctx context.Context, now bool) (ApplyResult, error) {
	query := url.Values{"now": {strconv.FormatBool(now)}}
	return await[ApplyResult](ctx, c, http.MethodPost, "/apply?"+query.Encode())
}

// Retry is Apply for what is held, also for what failed its trial.
func (c *Client) Retry(ctx context.Context) (ApplyResult, error) {
	return await[ApplyResult](ctx, c, http.MethodPost, "/retry")
}

// Discard moves what is in deposit/ out of the way.
func (c *Client) Discard(ctx context.Context) (Discarded, error) {
	return await[Discarded](ctx, c, http.MethodPost, "/discard")
}

// Rollback goes back to an earlier release and returns when that is in main/
// and the program started.
func (c *Client) Rollback(ctx context.Context, to Rollback) (WentBack, error) {
	query := url.Values{"release": {strconv.Itoa(to.Release)}, "trial": {strconv.FormatBool(!to.NoTrial)}}
	return await[WentBack](ctx, c, http.MethodPost, "/rollback?"+query.Encode())
}

// Pin makes a release one that is never dropped, or takes that back.
func (c *Client) Pin(ctx context.Context, release int, pinned bool) error {
	path := "/pin"
	if !pinned {
		path = "/unpin"
	}
	return c.steer(ctx, path+"?"+url.Values{"release": {strconv.Itoa(release)}}.Encode())
}

// Why asks why a release failed; 0: what is held, else the last that failed.
func (c *Client) Why(ctx context.Context, release int) (Why, error) {
	query := url.Values{"release": {strconv.Itoa(release)}}
	return await[Why](ctx, c, http.MethodGet, "/why?"+query.Encode())
}

// Diff asks by what two releases differ.
func (c *Client) Diff(ctx context.Context, request DiffRequest) (Diff, error) {
	query := url.Values{
		"from": {strconv.Itoa(request.From)}, "to": {strconv.Itoa(request.To)},
		"patch": {strconv.FormatBool(request.Patch)},
	}
	return await[Diff](ctx, c, http.MethodGet, "/diff?"+query.Encode())
}

// await waits for an answer for as long as it takes.
func await[T any](ctx context.Context, c *Client, method, path string) (result T, err error) {
	answer, err := c.ask(ctx, method, path)
	if err != nil {
		return result, err
	}
	err = c.read(ctx, answer, &result)
	return result, err
}

func (c *Client) look(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, errSilent)
	defer cancel()
	answer, err := c.ask(ctx, http.MethodGet, path)
	if err != nil {
		return err
	}
	return c.read(ctx, answer, into)
}

func (c *Client) steer(ctx context.Context, path string) error {
	answer, err := c.ask(ctx, http.MethodPost, path)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// logReading is one who reads the log.
type logReading struct {
	client *Client
	show   func(logs.Line) error
	start  string // of ota; empty: not known
	seq    uint64 // of the last line
}

func (r *logReading) read(ctx context.Context, query url.Values) error {
	c := r.client
	answer, err := c.ask(ctx, http.MethodGet, "/logs?"+query.Encode())
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if start, seq, ok := parseEventID(answer.Header.Get(positionHeader)); ok && r.start == "" {
		r.start, r.seq = start, seq
	}
	lines := json.NewDecoder(answer.Body)
	for {
		var line logs.Line
		if err := lines.Decode(&line); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return c.reasonFor(ctx, err)
		}
		if err := r.show(line); err != nil {
			return showError{err}
		}
		r.seq = line.Seq
	}
}

// ask returns an answer whose body must be closed.
func (c *Client) ask(ctx context.Context, method, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://ota"+prefix+path, nil)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, request)
}

func (c *Client) do(ctx context.Context, request *http.Request) (*http.Response, error) {
	if c.veiled {
		request.Header.Set(veilHeader, "1")
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, c.reasonFor(ctx, err)
	}
	if answer.StatusCode < 400 {
		return answer, nil
	}
	defer answer.Body.Close()
	problem := newProblem(answer.StatusCode, "")
	// What is no problem document came from something else than an ota of this
	// version; its status is all that can be told.
	_ = json.NewDecoder(io.LimitReader(answer.Body, problemBytes)).Decode(problem)
	return nil, problem
}

func (c *Client) read(ctx context.Context, answer *http.Response, into any) error {
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		return c.reasonFor(ctx, err)
	}
	if missing := answer.Header.Get(incompleteHeader); missing != "" {
		return errors.New(missing)
	}
	return nil
}

var errBrokenOff = errors.New("ota ended before it had answered")

// errSilent is the cause when an answer takes too long.
var errSilent = hint.With(errors.New("ota does not answer"), `look again in a moment; "ota doctor" says what may be wrong`)

// brokenOff are the errors of a connection that the other side gave up.
var brokenOff = []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE}

// reasonFor makes an error of the transport one that tells a person why.
func (c *Client) reasonFor(ctx context.Context, err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, fs.ErrPermission):
		return hint.With(err, "ota runs here as another user: ask as that user, or as root")
	case errors.Is(err, fs.ErrNotExist), refused(err):
		return &NotRunning{c.dir}
	case slices.ContainsFunc(brokenOff, func(broken error) bool { return errors.Is(err, broken) }):
		return errBrokenOff
	default:
		return err
	}
}
