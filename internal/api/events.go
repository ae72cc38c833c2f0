package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ota/internal/logs"
)

// maxStreams bounds the streams of events, of all callers together, and
// maxStreamsOfOne those of one of them, or of all browsers: no token keeps the
// page out.
const (
	maxStreams      = 32
	maxStreamsOfOne = maxStreams / 2
)

// The beat of a stream.
const (
	statusPause = 200 * time.Millisecond // between two looks at how things stand
	statusBeat  = time.Second            // between two looks when nothing tells of a change
	deviceBeat  = 10 * time.Second
	aliveBeat   = 15 * time.Second      // so that who stands between does not take the stream for dead
	linesPause  = 50 * time.Millisecond // between two events with lines, which gather meanwhile
)

// eventRoutes tell what happens while it does.
func (s *Server) eventRoutes() []route {
	return []route{{http.MethodGet, prefix + "/events", looking, 0, s.events}}
}

// events writes server-sent events (HTML Living Standard, 9.2) until the client
// goes or the server ends. Each has an id, by which a client that was cut off
// goes on where it was: the name of this start of ota, and the number of the
// last line of the log that the client has.
func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	query := asked{Values: r.URL.Query()}
	n := query.lines("log")
	if query.wrong != nil {
		return query.wrong
	}
	caller := CallerOf(r.Context())
	if others, ok := s.streams.begin(caller); !ok {
		w.Header().Set("Retry-After", "10")
		return newProblem(http.StatusServiceUnavailable, fmt.Sprintf("%d others watch already, which is as many as can", others))
	}
	defer s.streams.end(caller)
	takeTime(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // of a proxy
	if r.Method == http.MethodHead {
		return nil
	}
	one := &stream{
		w: w, control: http.NewResponseController(w), house: s.seenBy(caller),
		start: s.house.StartID(),
		seq:   s.goesOnAfter(r, n),
	}
	// A reader that has gone, or takes nothing, ends its own request only.
	_ = one.run(r.Context(), query.Has("log"))
	return nil
}

// goesOnAfter is the number of the line after which a stream begins: of the last
// one that the client has, or so that it gets the last n.
func (s *Server) goesOnAfter(r *http.Request, n int) uint64 {
	id := r.Header.Get("Last-Event-ID")
	if id == "" {
		id = r.URL.Query().Get("after")
	}
	last := s.house.Tail(max(n, 1))
	if len(last) == 0 {
		return 0
	}
	start, seq, ok := parseEventID(id)
	switch newest := last[len(last)-1].Seq; {
	case ok && start != s.house.StartID():
		return 0
	case ok && seq <= newest:
		return seq
	case n == 0:
		return newest
	default:
		return last[0].Seq - 1
	}
}

// parseEventID reads the id of an event. What is none is as good as no id.
func parseEventID(id string) (start string, seq uint64, ok bool) {
	start, digits, _ := strings.Cut(id, ".")
	seq, err := strconv.ParseUint(digits, 10, 64)
	isForeign := func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'z') }
	return start, seq, err == nil && start != "" && !strings.ContainsFunc(start, isForeign)
}

// stream is one client that watches.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	house   House
	start   string
	seq     uint64 // of the last line that was given
	shown   string // the last status that was given
}

// run returns when ctx has ended and all lines of the log until then are given,
// or when the client takes no more.
func (s *stream) run(ctx context.Context, withLog bool) error {
	changed := s.house.Changed()
	if err := s.begin(); err != nil {
		return err
	}
	var lines chan []logs.Line
	if withLog {
		var stop func()
		lines, stop = readLines(ctx, s.house.Follow(s.seq))
		defer stop()
	}
	look, device, alive := time.NewTimer(statusBeat), time.NewTicker(deviceBeat), time.NewTicker(aliveBeat)
	defer look.Stop()
	defer device.Stop()
	defer alive.Stop()
	looked := time.Now()
	for {
		var err error
		select {
		case some, more := <-lines:
			if !more {
				return ctx.Err()
			}
			err = s.log(some)
		case <-changed:
			changed = nil
			look.Reset(statusPause - time.Since(looked))
		case <-look.C:
			changed, looked = s.house.Changed(), time.Now()
			err = s.status()
			look.Reset(statusBeat)
		case <-device.C:
			err = s.give("device", s.house.Device())
		case <-alive.C:
			err = s.write(":\n\n")
		case <-ctx.Done():
			return s.rest(lines)
		}
		if err != nil {
			return err
		}
	}
}

// begin gives what every stream begins with.
func (s *stream) begin() error {
	if err := s.write("retry: 1000\n\n"); err != nil {
		return err
	}
	if err := s.give("started", Start{s.start, s.house.Status().Version}); err != nil {
		return err
	}
	if err := s.status(); err != nil {
		return err
	}
	return s.give("device", s.house.Device())
}

// rest gives the lines that are there when the server ends.
func (s *stream) rest(lines <-chan []logs.Line) error {
	if lines == nil {
		return nil
	}
	for some := range lines {
		if err := s.log(some); err != nil {
			return err
		}
	}
	return nil
}

// status gives how things stand, if that is not what was given last.
func (s *stream) status() error {
	status, err := encode(s.house.Status())
	if err != nil || string(status) == s.shown {
		return err
	}
	s.shown = string(status)
	return s.give("status", json.RawMessage(status))
}

func (s *stream) log(lines []logs.Line) error {
	if len(lines) == 0 {
		return nil
	}
	s.seq = lines[len(lines)-1].Seq
	return s.give("log", lines)
}

// give writes an event. Its data is JSON, in which no line ends.
func (s *stream) give(event string, data any) error {
	text, err := encode(data)
	if err != nil {
		return err
	}
	return s.write(fmt.Sprintf("id: %s.%d\nevent: %s\ndata: %s\n", s.start, s.seq, event, text))
}

func (s *stream) write(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}

// readLines reads beside the one who writes, no further than to have the next
// lines at hand. The channel is closed when ctx has ended and nothing is left;
// stop ends it before, and waits.
func readLines(ctx context.Context, from Follower) (lines chan []logs.Line, stop func()) {
	reading, leave := context.WithCancel(ctx)
	lines, gone, done := make(chan []logs.Line), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer close(lines)
		for {
			some, err := from.Next(reading)
			if err != nil {
				return
			}
			select {
			case lines <- some:
			case <-gone:
				return
			}
			gather(reading)
		}
	}()
	return lines, func() {
		close(gone)
		leave()
		<-done
	}
}

// gather waits a moment, so that a program that says much is sent in few events.
func gather(ctx context.Context) {
	pause := time.NewTimer(linesPause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
}
