package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/logs"
)

// following is a client that has been given events.
type following struct {
	t      *testing.T
	events chan Event
	done   chan error
}

func follow(t *testing.T, client *Client, lines int) *following {
	t.Helper()
	f := &following{t: t, events: make(chan Event), done: make(chan error, 1)}
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		f.done <- client.Events(ctx, lines, func(event Event) error {
			select {
			case f.events <- event:
			case <-ctx.Done():
			}
			return nil
		})
	}()
	t.Cleanup(func() {
		leave()
		if err := <-f.done; err != nil {
			t.Errorf("after the end: %v", err)
		}
	})
	return f
}

// next returns the next event of a kind.
func (f *following) next(kind EventKind) Event {
	f.t.Helper()
	enough := time.After(patience)
	for {
		select {
		case event := <-f.events:
			if event.Kind == kind {
				return event
			}
		case err := <-f.done:
			f.done <- nil
			f.t.Fatalf("it ended before %q: %v", kind, err)
		case <-enough:
			f.t.Fatalf("there was no event %q", kind)
		}
	}
}

func (f *following) texts() []string {
	f.t.Helper()
	var lines []logs.Line
	if err := json.Unmarshal(f.next(EventLog).Data, &lines); err != nil {
		f.t.Fatal(err)
	}
	var texts []string
	for _, line := range lines {
		texts = append(texts, line.Text)
	}
	return texts
}

// overheard tells after which line somebody follows.
type overheard struct {
	*fakeHouse
	after chan uint64
}

func (o *overheard) Follow(after uint64) Follower {
	o.after <- after
	return o.fakeHouse.Follow(after)
}

// TestEventsGoOn: who follows waits for an ota that is not there, sees it come,
// go and come again, and gets each line once.
func TestEventsGoOn(t *testing.T) {
	dir := folder(t, 0)
	f := follow(t, Dial(dir), 2)
	if got, want := string(f.next(EventGone).Data), fmt.Sprintf("%q", "ota is not running in "+dir); got != want {
		t.Errorf("gone: %s, want %s", got, want)
	}

	first := &fakeHouse{status: Status{Version: "0.1.0"}, lines: numbered(1, 3), coming: make(chan []logs.Line, 1)}
	served := serveHouse(t, first, dir)
	var start Start
	if err := json.Unmarshal(f.next(EventStarted).Data, &start); err != nil || start != (Start{"start7", "0.1.0"}) {
		t.Errorf("started: %+v, %v", start, err)
	}
	first.change(func(s *Status) { s.Program.State = Waiting })
	for status := (Status{}); status.Program.State != Waiting; {
		if err := json.Unmarshal(f.next(EventStatus).Data, &status); err != nil {
			t.Fatal(err)
		}
	}
	first.coming <- numbered(4, 5)
	if diff := cmp.Diff([]string{"line 4", "line 5"}, f.texts()); diff != "" {
		t.Errorf("the log: -want +got:\n%s", diff)
	}
	served.stop(t)
	if got := string(f.next(EventGone).Data); got != `"ota has ended"` {
		t.Errorf("gone: %s", got)
	}

	second := &overheard{fakeHouse: &fakeHouse{lines: numbered(1, 8), coming: make(chan []logs.Line, 1)}, after: make(chan uint64, 1)}
	serveHouse(t, second, dir)
	f.next(EventStarted)
	second.coming <- numbered(8, 8)
	if diff := cmp.Diff([]string{"line 8"}, f.texts()); diff != "" {
		t.Errorf("the log: -want +got:\n%s", diff)
	}
	if after := receive(t, second.after); after != 5 {
		t.Errorf("it asked for the lines after %d, and had been given 5", after)
	}
}

func TestEventsEndWithTheirReader(t *testing.T) {
	client := serveHouse(t, &fakeHouse{}, folder(t, 0))
	full := errors.New("no space left")
	if err := client.Events(t.Context(), NoLog, func(Event) error { return full }); err != full {
		t.Errorf("got %v", err)
	}
}

func TestReadEvents(t *testing.T) {
	const stream = "retry: 1000\n\nid: a.1\nevent: status\ndata: {\"running\": true}\n\n:\n\n" +
		"event: later\ndata: 1\n\nevent: log\ndata: {cut\n\nevent: log\ndata: []"
	var got []string
	if err := readEvents(strings.NewReader(stream), func(e Event) error {
		got = append(got, fmt.Sprintf("%s %s %s", e.Kind, e.ID, e.Data))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{`status a.1 {"running": true}`, "later a.1 1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
