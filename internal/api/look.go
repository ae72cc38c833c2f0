package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"ota/internal/kit/escape"
	"ota/internal/logs"
)

// lookRoutes tell how things stand and what was.
func (s *Server) lookRoutes() []route {
	return []route{
		{http.MethodGet, prefix + "/status", looking, 0, s.status},
		{http.MethodGet, prefix + "/history", looking, 0, s.history},
		{http.MethodGet, prefix + "/why", looking, 0, s.why},
		{http.MethodGet, prefix + "/diff", looking, 0, s.diff},
		{http.MethodGet, prefix + "/logs", looking, 0, s.logs},
		{http.MethodGet, prefix + "/device", looking, 0, s.device},
	}
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) error {
	return writeJSON(w, s.seenBy(CallerOf(r.Context())).Status())
}

func (s *Server) history(w http.ResponseWriter, _ *http.Request) error {
	entries, err := s.house.History()
	if err != nil && len(entries) == 0 {
		return err
	}
	if err != nil {
		w.Header().Set(incompleteHeader, escape.Name(err.Error()))
	}
	return writeJSON(w, List[HistoryEntry](entries))
}

func (s *Server) why(w http.ResponseWriter, r *http.Request) error {
	query := asked{Values: r.URL.Query()}
	number := query.release("release")
	if query.wrong != nil {
		return query.wrong
	}
	house := s.seenBy(CallerOf(r.Context()))
	return tell(func(context.Context) (Why, error) { return house.Why(number) })(w, r)
}

func (s *Server) diff(w http.ResponseWriter, r *http.Request) error {
	query := asked{Values: r.URL.Query()}
	request := DiffRequest{
		From: query.release("from"), To: query.release("to"), Patch: query.is("patch", false),
		Hide: !CallerOf(r.Context()).May(Owner),
	}
	if query.wrong != nil {
		return query.wrong
	}
	return tell(func(ctx context.Context) (Diff, error) {
		if err := s.comparing.begin(ctx); err != nil {
			return Diff{}, err
		}
		defer s.comparing.end()
		return s.house.Diff(request)
	})(w, r)
}

func (s *Server) device(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, s.house.Device())
}

// logs writes a JSON object a line. A follower's answer ends, well-formed, when
// the server does.
func (s *Server) logs(w http.ResponseWriter, r *http.Request) error {
	query := asked{Values: r.URL.Query()}
	n, follow := query.lines("n"), query.is("follow", false) && r.Method != http.MethodHead
	if query.wrong != nil {
		return query.wrong
	}
	last, lines, err := s.logsFrom(query.Get("after"), n)
	if err != nil {
		return err
	}
	n = min(n, len(lines))
	takeTime(w)
	w.Header().Set("Content-Type", "application/jsonl")
	w.Header().Set(positionHeader, fmt.Sprintf("%s.%d", s.house.StartID(), last))
	// A reader that has gone, or takes nothing, ends its own request only.
	if writeLines(w, lines[len(lines)-n:]) != nil || !follow {
		return nil
	}
	follower := s.house.Follow(last)
	for {
		lines, err := follower.Next(r.Context())
		if err != nil || writeLines(w, lines) != nil {
			return nil
		}
	}
}

// positionHeader tells after which line a follower goes on: the name of this start
// of ota, and the number of the line.
const positionHeader = "Ota-Position"

// errAnew is for who goes on after a line of another start.
var errAnew = errors.New("the log is that of another start by now")

// logsFrom is where an answer begins: with the last n lines, or after a position
// that a follower had before.
func (s *Server) logsFrom(after string, n int) (last uint64, lines []logs.Line, err error) {
	if start, seq, ok := parseEventID(after); ok {
		if start != s.house.StartID() {
			return 0, nil, errAnew
		}
		return seq, nil, nil
	}
	lines = s.house.Tail(max(n, 1))
	if len(lines) > 0 {
		last = lines[len(lines)-1].Seq
	}
	return last, lines, nil
}

func writeLines(w http.ResponseWriter, lines []logs.Line) error {
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	for _, line := range lines {
		text, err := encode(line)
		if err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return control.Flush()
}
