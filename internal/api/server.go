package api

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"ota/internal/kit/serve"
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
	door     door

	comparing, packing, receiving turns // releases: all take memory and time
}

// New remembers whom to ask and the path of the socket, which may be longer
// than the system allows a socket's to be. What goes wrong with a connection is
// logged.
func New(house House, socket string, log *slog.Logger) *Server {
	return &Server{
		house: house, socket: socket, log: log,
		comparing: make(turns, maxComparing), packing: make(turns, maxPacking), receiving: make(turns, maxReceiving),
	}
}

// Run opens the socket, replacing one that a killed ota left (whoever calls
// makes sure that no other ota is running here), and answers until ctx ends.
// Then it ends the followers, gives answers under way a second and returns nil.
// An error means that the socket can't be opened or has failed: nothing but the
// steering is lost.
func (s *Server) Run(ctx context.Context) error {
	listener, err := s.door.open(func() (net.Listener, error) { return listen(ctx, s.socket) })
	if err != nil {
		return fmt.Errorf("cannot open the control socket: %w", err)
	}
	defer s.door.close(func() { os.Remove(s.socket) })
	return s.serve(ctx, listener)
}

func (s *Server) serve(ctx context.Context, listener net.Listener) error {
	server := s.httpServer(ctx)
	door := serve.NewDoor(listener)
	if err := serve.Until(ctx, server, graceTime, door, func() error { return server.Serve(door) }); err != nil {
		return fmt.Errorf("cannot answer on the control socket: %w", err)
	}
	return nil
}

// httpServer makes the requests end with ctx.
func (s *Server) httpServer(ctx context.Context) *http.Server {
	return &http.Server{
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
		caller := owner
		caller.Veiled = r.Header.Get(veilHeader) != ""
		handler.ServeHTTP(w, r.WithContext(WithCaller(r.Context(), caller)))
	})
}
