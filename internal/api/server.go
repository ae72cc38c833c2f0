package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"ota/internal/kit/escape"
	"ota/internal/logs"
)

// SocketName is the name of the control socket in .ota.
const SocketName = "control.sock"

// prefix is where this version of the API is.
const prefix = "/api/v1"

// incompleteHeader says why an answer is not all that was asked for.
const incompleteHeader = "Ota-Incomplete"

const (
	requestTime = 10 * time.Second // for a request to arrive
	writeTime   = 10 * time.Second // for a reader to take what was written
	graceTime   = time.Second      // for answers under way when the server ends
	headerBytes = 16 << 10
)

// defaultLines is how many lines of the log are shown to who does not say.
const defaultLines = 100

// Server answers on the control socket.
type Server struct {
	house  House
	socket string
	log    *slog.Logger
}

// New remembers whom to ask and the path of the socket, which may be longer
// than the system allows a socket's to be. What goes wrong with a connection is
// logged.
func New(house House, socket string, log *slog.Logger) *Server { return &Server{house, socket, log} }

// Run opens the socket, replacing one that a killed ota left (whoever calls
// makes sure that no other ota is running here), and answers until ctx ends.
// Then it ends the followers, gives answers under way a second and returns nil.
// An error means that the socket can't be opened or has failed: nothing but the
// steering is lost.
func (s *Server) Run(ctx context.Context) error {
	listener, err := listen(ctx, s.socket)
	if err != nil {
		return fmt.Errorf("cannot open the control socket: %w", err)
	}
	defer os.Remove(s.socket)
	return s.serve(ctx, listener)
}

// serve returns when the last connection has ended: the house must not be
// asked any more when its rooms are being closed.
func (s *Server) serve(ctx context.Context, listener net.Listener) error {
	var connections sync.WaitGroup
	defer connections.Wait()
	server := s.httpServer(ctx, &connections)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("cannot answer on the control socket: %w", err), server.Close())
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceTime)
	defer cancel()
	if server.Shutdown(grace) != nil {
		server.Close()
	}
	<-served
	return nil
}

// httpServer makes the requests end with ctx, and counts the connections that
// are being served: net/http calls the hook first and last of all for each.
func (s *Server) httpServer(ctx context.Context, connections *sync.WaitGroup) *http.Server {
	count := func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			connections.Add(1)
		case http.StateClosed:
			connections.Done()
		}
	}
	return &http.Server{
		ConnState:         count,
		Handler:           s.handler(),
		ReadHeaderTimeout: requestTime,
		ReadTimeout:       requestTime,
		IdleTimeout:       requestTime,
		MaxHeaderBytes:    headerBytes,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withPeer,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
}

// route is one thing to ask for. It answers by itself or returns why not.
type route struct {
	method string
	answer func(http.ResponseWriter, *http.Request) error
}

func (s *Server) handler() http.Handler {
	routes := map[string]route{
		prefix + "/status":   {http.MethodGet, s.status},
		prefix + "/history":  {http.MethodGet, s.history},
		prefix + "/why":      {http.MethodGet, s.why},
		prefix + "/diff":     {http.MethodGet, s.diff},
		prefix + "/logs":     {http.MethodGet, s.logs},
		prefix + "/start":    {http.MethodPost, steer(s.house.Start)},
		prefix + "/stop":     {http.MethodPost, steer(s.house.Stop)},
		prefix + "/restart":  {http.MethodPost, steer(s.house.Restart)},
		prefix + "/apply":    {http.MethodPost, s.apply},
		prefix + "/retry":    {http.MethodPost, tell(s.house.Retry)},
		prefix + "/discard":  {http.MethodPost, tell(s.house.Discard)},
		prefix + "/rollback": {http.MethodPost, s.rollback},
		prefix + "/pin":      {http.MethodPost, s.pin(true)},
		prefix + "/unpin":    {http.MethodPost, s.pin(false)},
		"/metrics":           {http.MethodGet, s.metrics},
		"/healthz":           {http.MethodGet, s.healthz},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := answer(routes, w, r); err != nil {
			writeProblem(w, problemOf(r.Context(), err))
		}
	})
}

func answer(routes map[string]route, w http.ResponseWriter, r *http.Request) error {
	if err := peerOf(r.Context()); err != nil {
		return newProblem(http.StatusForbidden, err.Error())
	}
	route, known := routes[r.URL.Path]
	if !known {
		return newProblem(http.StatusNotFound, fmt.Sprintf("there is no %q here", r.URL.Path))
	}
	if r.Method != route.method {
		w.Header().Set("Allow", route.method)
		return newProblem(http.StatusMethodNotAllowed, "use "+route.method)
	}
	if r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
		return newProblem(http.StatusRequestEntityTooLarge, "a request has no body here")
	}
	return route.answer(w, r)
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, s.house.Status())
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

// steer answers when it is done, with no content.
func steer(act func(context.Context) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		takeTime(w)
		if err := act(r.Context()); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

// tell answers when it is done, with what became of it.
func tell[T any](act func(context.Context) (T, error)) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		takeTime(w)
		result, err := act(r.Context())
		if err != nil {
			return err
		}
		return writeJSON(w, result)
	}
}

// logs writes a JSON object a line. A follower's answer ends, well-formed, when
// the server does.
func (s *Server) logs(w http.ResponseWriter, r *http.Request) error {
	query := asked{Values: r.URL.Query()}
	n, follow := query.lines(), query.is("follow", false)
	if query.wrong != nil {
		return query.wrong
	}
	takeTime(w)
	w.Header().Set("Content-Type", "application/jsonl")
	lines := s.house.Tail(max(n, 1))
	var last uint64
	if len(lines) > 0 {
		last = lines[len(lines)-1].Seq
	}
	// A reader that has gone, or takes nothing, ends its own request only.
	if writeLines(w, lines[len(lines)-min(n, len(lines)):]) != nil || !follow {
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

// takeTime lifts the limit on reading: the request has been read, and where the
// limit ends an answer under way, net/http takes the client for gone.
func takeTime(w http.ResponseWriter) {
	// Only a writer that knows no deadline fails here, and it sets no limit.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
}

func writeJSON(w http.ResponseWriter, v any) error {
	text, err := encode(v)
	if err != nil {
		return newProblem(http.StatusInternalServerError, err.Error())
	}
	write(w, "application/json", http.StatusOK, text)
	return nil
}

func writeProblem(w http.ResponseWriter, problem *Problem) {
	text, err := json.Marshal(problem)
	if err != nil {
		text = []byte("{}")
	}
	write(w, "application/problem+json", problem.Status, text)
}

// write does not tell whether the client still listened: nothing hangs on it.
func write(w http.ResponseWriter, kind string, status int, text []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
	_, _ = w.Write(text)
}
