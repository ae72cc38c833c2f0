package web

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ota/internal/api"
	"ota/internal/kit/serve"
)

// TestOneTokenKeepsNobodyOut: however many connections a script holds, and also
// when its token has ended.
func TestOneTokenKeepsNobodyOut(t *testing.T) {
	s := start(t, nil)
	open := func(headers string) (net.Conn, *bufio.Reader) {
		conn := s.dial()
		t.Cleanup(func() { conn.Close() })
		fmt.Fprintf(conn, "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n", headers)
		reader := bufio.NewReader(conn)
		answer, err := http.ReadResponse(reader, nil)
		if err != nil || answer.StatusCode != 200 {
			t.Fatalf("%v, %v", answer, err)
		}
		io.Copy(io.Discard, answer.Body)
		return conn, reader
	}
	mine, from := open(s.cookie()) // the oldest of all
	for range maxConnections + 5 {
		open(bearer)
	}
	if answer := s.ask("GET", "/login"); answer.StatusCode != 200 {
		t.Errorf("who wants to log in: %s", answer.Status)
	}
	fmt.Fprintf(mine, "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n", s.cookie())
	if answer, err := http.ReadResponse(from, nil); err != nil || answer.StatusCode != 200 {
		t.Errorf("who was there before: %v, %v", answer, err)
	}
}

func TestWhoMakesRoom(t *testing.T) {
	l := newListener(nil)
	take := func(user string) *connection {
		near, far := net.Pipe()
		t.Cleanup(func() { near.Close(); far.Close() })
		one := &connection{Conn: near, from: l}
		one.user.Store(user)
		l.takeIn(one)
		return one
	}
	isOpen := func(one *connection) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, other := range l.open {
			if other == one {
				return true
			}
		}
		return false
	}
	page := take("the page")
	visitor := take(stranger)
	var greedy []*connection
	for range maxConnections - 2 {
		greedy = append(greedy, take("token greedy"))
	}
	take(stranger)
	if isOpen(visitor) || !isOpen(page) || !isOpen(greedy[0]) {
		t.Error("the oldest stranger goes first")
	}
	for _, one := range l.open {
		if one.user.Load() == stranger {
			one.user.Store("token greedy")
		}
	}
	take("the page")
	if !isOpen(page) || isOpen(greedy[0]) || !isOpen(greedy[1]) || len(l.open) != maxConnections {
		t.Error("then the oldest of who has the most")
	}
}

// TestWhoWasLetInIsAStrangerAgain when that has ended.
func TestWhoWasLetInIsAStrangerAgain(t *testing.T) {
	inside := &house{acts: make(chan string, 8)}
	quiet := slog.New(slog.DiscardHandler)
	door := newDoor()
	s := New(Options{House: inside, API: api.Handler(inside, quiet), Door: door, Log: quiet})
	s.guard = newGuard(s.options, 1, false)
	conn := &connection{from: newListener(nil)}
	conn.user.Store(stranger)
	ask := func(path string) string {
		request := httptest.NewRequest("GET", path, nil).WithContext(withConnection(t.Context(), conn))
		request.Host = "localhost"
		request.AddCookie(&http.Cookie{Name: "ota-1", Value: goodSession})
		s.handler().ServeHTTP(httptest.NewRecorder(), request)
		return conn.user.Load().(string)
	}
	if who := ask("/api/v1/status"); who != "the page" {
		t.Errorf("it is %q", who)
	}
	if who := ask("/login"); who != stranger {
		t.Errorf("at the login it is %q", who)
	}
	ask("/api/v1/status")
	door.Logout(goodSession)
	if who := ask("/api/v1/status"); who != stranger {
		t.Errorf("after the end of the session it is %q", who)
	}
}

// pipes are connections without the system, so that time can pass at once.
type pipes struct {
	conns chan net.Conn
	done  context.Context
	close context.CancelFunc
}

func newPipes() *pipes {
	p := &pipes{conns: make(chan net.Conn)}
	p.done, p.close = context.WithCancel(context.Background())
	return p
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done.Done():
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.close(); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	near, far := net.Pipe()
	p.conns <- far
	return near
}

// TestNobodyIsWaitedForWithoutEnd lets strangers, and one who has logged in, be
// as slow as they like.
func TestNobodyIsWaitedForWithoutEnd(t *testing.T) {
	form := "POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	tests := map[string]struct {
		sends string        // at once
		drip  string        // then, again and again
		pause time.Duration // between
		reads bool
		most  time.Duration
	}{
		"says nothing":             {"", "", 0, true, requestTime},
		"begins a header":          {"GET /login HTTP/1.1\r\nHost: localhost\r\n", "X-A: b\r\n", time.Second, true, requestTime},
		"sends a form by letters":  {form + "Content-Length: 1000\r\n\r\n", "a", time.Second, true, requestTime},
		"sends a form without end": {form + "Transfer-Encoding: chunked\r\n\r\n", "3e8\r\n" + strings.Repeat("a", 1000) + "\r\n", 0, true, requestTime},
		"sends a body with a GET":  {"GET /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n", "a", time.Second, true, requestTime},
		"takes no page":            {strings.Repeat("GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n", 3), "", 0, false, writeTime},
		"takes no style":           {"GET /login/base.css HTTP/1.1\r\nHost: localhost\r\n\r\n", "", 0, false, writeTime},
		"takes no answer":          {"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n" + bearer + "\r\n\r\n", "", 0, false, writeTime},
		"takes no page of its own": {"GET / HTTP/1.1\r\nHost: localhost\r\n" + bearer + "\r\n\r\n", "", 0, false, writeTime},
		"asks, and says no more":   {"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n", "", 0, true, idleTime},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				line, quiet, inside := newPipes(), slog.New(slog.DiscardHandler), &house{acts: make(chan string, 8)}
				s := New(Options{House: inside, API: api.Handler(inside, quiet), Door: newDoor(), Log: quiet})
				s.guard = newGuard(s.options, 1, false)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- s.serve(ctx, serve.NewDoor(line), nil) }()
				conn := line.dial()
				if test.reads {
					go io.Copy(io.Discard, conn)
				}
				go func() {
					_, err := io.WriteString(conn, test.sends)
					for err == nil && test.drip != "" {
						<-time.After(test.pause)
						_, err = io.WriteString(conn, test.drip)
					}
				}()
				<-time.After(test.most + time.Second)
				conn.SetWriteDeadline(time.Now().Add(time.Second))
				if _, err := io.WriteString(conn, "x"); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("the connection is still there: %v", err)
				}
				conn.Close()
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// stumbling is a listener that has no more files for a moment.
type stumbling struct {
	net.Listener
	errors chan error
}

func (s *stumbling) Accept() (net.Conn, error) {
	select {
	case err := <-s.errors:
		return nil, err
	default:
		return s.Listener.Accept()
	}
}

// passing is an error like that of too many open files.
type passing struct{}

func (passing) Error() string   { return "too many open files" }
func (passing) Timeout() bool   { return false }
func (passing) Temporary() bool { return true }

// TestTLSGoesOnWhenThereAreFilesAgain: an error that passes is not the end.
func TestTLSGoesOnWhenThereAreFilesAgain(t *testing.T) {
	under, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	failing := &stumbling{under, make(chan error, 1)}
	failing.errors <- passing{}
	own, err := openCertificate(Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(newListener(failing).encrypted(own.config())) }()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	answer, err := client.Get("https://" + under.Addr().String() + "/")
	if err != nil || answer.StatusCode != http.StatusNotFound {
		t.Errorf("%v, %v", answer, err)
	}
	server.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// TestTheServerEndsWithWhatItHasBegun: nobody who has said nothing yet is waited
// for, nothing goes on, and the same server can run again.
func TestTheServerEndsWithWhatItHasBegun(t *testing.T) {
	before := runtime.NumGoroutine()
	dir := t.TempDir()
	ready := make(chan string, 1)
	quiet, inside := slog.New(slog.DiscardHandler), &house{acts: make(chan string, 8)}
	s := New(Options{
		Listen: "0.0.0.0:0", Dir: dir, House: inside, API: api.Handler(inside, quiet), Door: newDoor(), Log: quiet,
		Ready: func(address string) { ready <- address },
	})
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		where, err := url.Parse(<-ready)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			conn, err := net.Dial("tcp", "127.0.0.1:"+where.Port())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		answer, err := client.Get("https://127.0.0.1:" + where.Port() + "/login")
		if err != nil || answer.StatusCode != 200 {
			t.Fatalf("%v, %v", answer, err)
		}
		answer.Body.Close()
		began := time.Now()
		cancel()
		if err := <-ended; err != nil || time.Since(began) > graceTime+2*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if s.Web().Address != nil {
			t.Error("it says that it is there")
		}
	}
	for deadline := time.Now().Add(requestTime / 2); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, and before there were %d:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
