// Package web is the face that browsers see: the page, the login before it, and
// the API over the network.
//
// In: requests of anybody who reaches the port: other users of the machine,
// every web site that a browser on it visits, and, where that was asked for, the
// network. Out: the login to everybody; all else to who has logged in or brings
// a token. Never: an answer to a request that a browser sends for another site;
// a port beyond the machine without TLS; a secret in a log.
//
// A request passes, in this order: the limits of connections (listener.go), the
// host and the origin (guard.go), who it is (doorkeeper, access), and what that
// one may do (api.Handler).
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ota/internal/api"
	"ota/internal/kit/serve"
	"ota/internal/web/page"
)

// Off is the setting of [Options.Listen] that serves no page.
const Off = "off"

const (
	requestTime = 10 * time.Second // for a request to arrive
	idleTime    = 2 * time.Minute  // of a connection that may be used again
	writeTime   = 10 * time.Second // for a reader to take a page
	graceTime   = time.Second      // for answers under way at the end
	headerBytes = 16 << 10
	// portsTried is how many ports are tried where the first ones are taken.
	portsTried = 20
)

// Options say where the page is and whom it shows.
type Options struct {
	Listen    string   // host:port
	Hosts     []string // further names of this machine
	Cert, Key string   // PEM files; empty: one of our own making
	Dir       string   // where that is kept
	House     api.House
	API       http.Handler // answers all of it, see [api.Server.Handler]
	Door      Doorkeeper
	Log       *slog.Logger
	// Ready is called when the page can be reached, unless it could all the time
	// ([Server.TakeOver]). May be nil.
	Ready func(address string)
	// Announce runs while the page can be reached from other machines. May be nil.
	Announce func(ctx context.Context, at netip.AddrPort)
	// Rest is called when nobody has been connected for a while. May be nil.
	Rest func()
}

// Doorkeeper knows who may come in. It is an [access.Keeper].
type Doorkeeper interface {
	// Login takes a code or a password and begins a session. Its error tells a
	// person why not.
	Login(from netip.Addr, secret string) (cookie string, err error)
	// Session gives a request the rights of a session; the context ends with it.
	Session(ctx context.Context, cookie string) (context.Context, bool)
	// Token is Session for a token.
	Token(ctx context.Context, from netip.Addr, secret string) (context.Context, error)
	// Logout ends a session, also where the error says that it can't be written
	// down.
	Logout(cookie string) error
}

// Server serves the page.
type Server struct {
	options Options
	guard   *guard
	at      atomic.Pointer[place] // nil: it is nowhere
	problem atomic.Pointer[string]
	lull    lull
	door    doorway
}

// New remembers the options.
func New(options Options) *Server {
	return &Server{options: options, lull: lull{rest: options.Rest}}
}

// Web says where the page is. Any number of goroutines may call it.
func (s *Server) Web() api.Web {
	web := api.Web{Problem: s.problem.Load()}
	if at := s.at.Load(); at != nil {
		web.Address = &at.address
		if at.certificate != nil { // which may be another one by now
			web.Fingerprint = new(at.certificate.fingerprint())
		}
	}
	return web
}

// Run serves until ctx ends; then it ends the streams, gives answers under way a
// second and returns nil. An error means that the port can't be opened, or has
// failed: nothing but the page is lost.
func (s *Server) Run(ctx context.Context) error {
	if s.options.Listen == Off {
		return nil
	}
	err := s.open(ctx)
	s.at.Store(nil)
	if err != nil {
		s.problem.Store(new(err.Error()))
	}
	return err
}

func (s *Server) open(ctx context.Context) error {
	listener, isNew, err := s.door.open(func() (net.Listener, error) { return s.listen(ctx) })
	if err != nil {
		return fmt.Errorf("cannot open the page's port: %w", err)
	}
	defer s.door.close()
	where, err := s.where(listener.Addr())
	if err != nil {
		listener.Close()
		return err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	s.guard = newGuard(s.options, port, where.certificate != nil)
	s.problem.Store(nil)
	s.at.Store(&where)
	if s.options.Ready != nil && isNew {
		s.options.Ready(where.address)
	}
	defer s.announce(ctx, where, listener.Addr())()
	return s.serve(ctx, serve.NewDoor(listener), where.certificate)
}

// announce tells others of the page, if they can reach it, until ctx ends or end
// is called.
func (s *Server) announce(ctx context.Context, where place, at net.Addr) (end func()) {
	if s.options.Announce == nil || where.certificate == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var announcing sync.WaitGroup
	announcing.Go(func() { s.options.Announce(ctx, at.(*net.TCPAddr).AddrPort()) })
	return func() { cancel(); announcing.Wait() }
}

// listen opens the port, or the next one that is free: programs for developers
// like the same numbers.
func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	host, text, err := net.SplitHostPort(s.options.Listen)
	if err != nil {
		return nil, err
	}
	first, err := strconv.Atoi(text)
	if err != nil {
		return nil, err
	}
	for port := first; ; port++ {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil && port != first {
			s.options.Log.Warn("the page's port is taken by another program, so it is on the next free one", "wanted", first, "port", port)
		}
		if !errors.Is(err, syscall.EADDRINUSE) || port == first+portsTried || port == 65535 {
			return listener, err
		}
	}
}

// place is where the page is.
type place struct {
	address     string
	certificate *certificate // nil: no TLS
}

// where is the address for people, and whether it needs a certificate: what is
// reached over a network does.
func (s *Server) where(at net.Addr) (place, error) {
	address := at.(*net.TCPAddr).AddrPort()
	ip := address.Addr().Unmap()
	if ip.IsLoopback() {
		return place{address: "http://" + netip.AddrPortFrom(ip, address.Port()).String()}, nil
	}
	certificate, err := openCertificate(s.options)
	if err != nil {
		return place{}, err
	}
	host := ip.String()
	if ip.IsUnspecified() {
		host = nameOfHost()
	}
	return place{
		address:     "https://" + net.JoinHostPort(host, strconv.Itoa(int(address.Port()))),
		certificate: certificate,
	}, nil
}

// serve returns when the last connection has ended: the house must not be asked
// any more when its rooms are being closed.
func (s *Server) serve(ctx context.Context, door *serve.Door, certificate *certificate) error {
	defer s.lull.end()
	listener := newListener(door)
	server := s.httpServer(ctx)
	accept := func() error { return server.Serve(listener) }
	if certificate != nil {
		accept = func() error { return server.Serve(listener.encrypted(certificate.config())) }
	}
	if err := serve.Until(ctx, server, graceTime, door, accept); err != nil {
		return fmt.Errorf("cannot serve the page: %w", err)
	}
	return nil
}

func (s *Server) httpServer(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:           s.handler(),
		ConnState:         s.lull.connection,
		ReadHeaderTimeout: requestTime,
		ReadTimeout:       requestTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    headerBytes,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withConnection,
		// "OPTIONS *" is answered by net/http itself otherwise, whoever asks.
		DisableGeneralOptionsHandler: true,
		// What strangers do to their own connections is no news: browsers break
		// off every handshake with a certificate that they do not know yet.
		ErrorLog: slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug),
	}
}

// handler is the way of a request through the house's door. Paths are compared as
// they are: nothing is cleaned into something else on the way.
func (s *Server) handler() http.Handler {
	inside := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, isAsset := strings.CutPrefix(r.URL.Path, "/page/")
		switch {
		case r.URL.Path == "/":
			only(w, r, http.MethodGet, s.home)
		case isAsset:
			only(w, r, http.MethodGet, func(w http.ResponseWriter, r *http.Request) { asset(w, r, name, page.Asset) })
		case r.URL.Path == "/logout":
			only(w, r, http.MethodPost, s.logout)
		default:
			s.options.API.ServeHTTP(w, r)
		}
	})
	login := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, isAsset := strings.CutPrefix(r.URL.Path, "/login/")
		switch {
		case isAsset:
			only(w, r, http.MethodGet, func(w http.ResponseWriter, r *http.Request) { asset(w, r, name, page.LoginAsset) })
		case r.Method == http.MethodPost:
			s.login(w, r)
		default:
			only(w, r, http.MethodGet, s.loginForm)
		}
	})
	return s.guard.around(login, inside)
}

// only answers one method, and HEAD where that is GET.
func only(w http.ResponseWriter, r *http.Request, method string, answer http.HandlerFunc) {
	if r.Method == method || method == http.MethodGet && r.Method == http.MethodHead {
		answer(w, r)
		return
	}
	w.Header().Set("Allow", method)
	w.Header().Set("Connection", "close")
	api.WriteProblem(w, api.NewProblem(http.StatusMethodNotAllowed, "use "+method, ""))
}
