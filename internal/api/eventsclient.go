package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// EventKind says what an event tells.
type EventKind string

// The kinds of events that a client gives. What is not here is given too: a
// newer ota may tell more.
const (
	EventStarted EventKind = "started" // [Start]: the stream has begun, with this start of ota
	EventStatus  EventKind = "status"  // [Status]
	EventDevice  EventKind = "device"  // [Device]
	EventLog     EventKind = "log"     // the lines of the log that came, []logs.Line
	// EventGone comes from the client itself, once each time that ota is not
	// there: a string that says why.
	EventGone EventKind = "gone"
)

// Start is what [EventStarted] tells: the first event of every stream.
type Start struct {
	Start   string `json:"start"` // names this start of ota
	Version string `json:"version"`
}

// Event is something that happened.
type Event struct {
	Kind EventKind
	ID   string          // by which a client goes on after it; empty: it can't
	Data json.RawMessage // on one line
}

// NoLog, as the number of lines, leaves the log out of the events.
const NoLog = -1

// Pauses before ota is looked for again.
const (
	firstLook = 100 * time.Millisecond
	lastLook  = time.Second
)

// longestEvent is several times what the log in memory has.
const longestEvent = 64 << 20

// Events gives show how things stand, and everything that happens, with the
// last lines of the log and those that come. Where no ota runs, or when it has
// ended, it waits until one is there, and goes on after the last line that it
// has given; so no line is given twice. It returns nil when ctx has ended, and
// else the error of show or what can't be mended by waiting.
func (c *Client) Events(ctx context.Context, lines int, show func(Event) error) error {
	f := onlooker{client: c, lines: lines, show: show}
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		connected, err := f.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case !passes(err):
			return err
		case connected:
			pause = firstLook
		}
		if err := f.tellGone(connected, err); err != nil {
			return err
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return nil
		}
	}
}

// onlooker is a client that has seen some of the events.
type onlooker struct {
	client *Client
	lines  int
	show   func(Event) error
	last   string // the id of the last event
	gone   bool   // it was said that ota is not there
}

// errEnded is the error of a stream that the server gave up.
var errEnded = errors.New("ota has ended")

// showError is what the receiver of an event could not do.
type showError struct{ error }

func (s showError) Unwrap() error { return s.error }

// passes reports whether an error may be gone after a while: ota is not there,
// or has too many listeners.
func passes(err error) bool {
	if _, ok := errors.AsType[*NotRunning](err); ok {
		return true
	}
	if problem, ok := errors.AsType[*Problem](err); ok {
		return problem.Status == http.StatusServiceUnavailable
	}
	return errors.Is(err, errEnded)
}

func (f *onlooker) tellGone(connected bool, why error) error {
	if f.gone && !connected {
		return nil
	}
	f.gone = true
	text, err := encode(why.Error())
	if err != nil {
		return err
	}
	return f.show(Event{Kind: EventGone, Data: text[:len(text)-1]})
}

// follow gives the events of one connection.
func (f *onlooker) follow(ctx context.Context) (connected bool, err error) {
	query := url.Values{}
	if f.lines >= 0 {
		query.Set("log", strconv.Itoa(f.lines))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://ota"+prefix+"/events?"+query.Encode(), nil)
	if err != nil {
		return false, err
	}
	if f.last != "" {
		request.Header.Set("Last-Event-ID", f.last)
	}
	answer, err := f.client.do(ctx, request)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	err = readEvents(answer.Body, func(event Event) error {
		f.last = event.ID
		if err := f.show(event); err != nil {
			return showError{err}
		}
		return nil
	})
	if shown, ok := errors.AsType[showError](err); ok {
		return true, shown.error
	}
	return true, errEnded // however: the connection is to this machine
}

// readEvents reads server-sent events as [Server] writes them, one line of data
// each, and passes over comments and what it does not know.
func readEvents(from io.Reader, give func(Event) error) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, longestEvent)
	var event Event
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			if event.Kind != "" && json.Valid(event.Data) {
				if err := give(event); err != nil {
					return err
				}
			}
			event = Event{ID: event.ID}
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			event.ID = value
		case "event":
			event.Kind = EventKind(value)
		case "data":
			event.Data = json.RawMessage(value)
		}
	}
	return lines.Err()
}
