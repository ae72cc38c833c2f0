package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
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

// Server answers on the control socket, and hands out its [Server.Handler] to
// other faces of the same house.
type Server struct {
	house    House
	socket   string
	log      *slog.Logger
	steering steering
	streams  streams

	comparing, packing turns // releases: both take memory and time
}

// New remembers whom to ask and the path of the socket, which may be longer
// than the system allows a socket's to be. What goes wrong with a connection is
// logged.
func New(house House, socket string, log *slog.Logger) *Server {
	return &Server{
		house: house, socket: socket, log: log,
		comparing: make(turns, maxComparing), packing: make(turns, maxPacking),
	}
}

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
		Handler:           ownersOnly(s.Handler()),
		ReadHeaderTimeout: requestTime,
		ReadTimeout:       requestTime,
		IdleTimeout:       requestTime,
		MaxHeaderBytes:    headerBytes,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withPeer,
		// "OPTIONS *" is answered by net/http itself otherwise, whoever asks.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
}

// owner is who may use the control socket.
var owner = Caller{Name: "the owner", Rights: append([]Right{Owner}, Rights...)}

// ownersOnly lets in whom the socket is for.
func ownersOnly(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := peerOf(r.Context()); err != nil {
			writeProblem(w, newProblem(http.StatusForbidden, err.Error()))
			return
		}
		handler.ServeHTTP(w, r.WithContext(WithCaller(r.Context(), owner)))
	})
}
