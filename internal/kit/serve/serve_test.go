package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestItEndsWhenTheLastConnectionHas: a handler that outlasts the grace is cut
// off, and waited for.
func TestItEndsWhenTheLastConnectionHas(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	inside, left := make(chan struct{}), make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(inside)
		<-r.Context().Done()
		close(left)
	})}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		door := NewDoor(listener)
		ended <- Until(ctx, server, 10*time.Millisecond, door, func() error { return server.Serve(door) })
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-inside
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	select {
	case <-left:
	default:
		t.Error("the handler was left behind")
	}
}

func TestItEndsWithItsListener(t *testing.T) {
	broken := errors.New("broken")
	if err := Until(t.Context(), &http.Server{}, time.Second, nil, func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
}

// TestWhoHasComeIsAnswered: a connection that was taken before the end and asks
// after it is answered, and one that comes later is for who listens there next.
func TestWhoHasComeIsAnswered(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := listener.(*net.TCPListener).File() // it is open for somebody else, too
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "here") })}
	came, down := make(chan struct{}, 8), make(chan struct{})
	server.RegisterOnShutdown(func() { close(down) })
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			came <- struct{}{}
		case http.StateActive: // it has asked; there is time to forget it until its handler is called
			select {
			case <-down:
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	door := NewDoor(listener)
	go func() { ended <- Until(ctx, server, time.Minute, door, func() error { return server.Serve(door) }) }()
	first := dial(t, listener.Addr())
	<-came
	cancel()
	<-door.quiet
	second := dial(t, listener.Addr())
	ask(t, first, "here")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	next, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	go http.Serve(next, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "there") }))
	ask(t, second, "there")
}

func dial(t *testing.T, at net.Addr) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func ask(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasSuffix(string(answer), want) {
		t.Errorf("%q %v, want %q", answer, err, want)
	}
}

// TestWhoHasTakenAConnectionIsWaitedFor: the server hears nothing more of it, and
// its handler asks the house all the same.
func TestWhoHasTakenAConnectionIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		listener := &single{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
		listener.conn <- theirs
		leave := make(chan struct{})
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			<-leave
			conn.Close()
		})}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			door := NewDoor(listener)
			ended <- Until(ctx, server, time.Second, door, func() error { return server.Serve(door) })
		}()
		io.WriteString(ours, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		synctest.Wait()
		cancel()
		time.Sleep(time.Minute)
		select {
		case err := <-ended:
			t.Errorf("it has left the handler behind: %v", err)
		default:
		}
		close(leave)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// single is a listener to which one connection comes.
type single struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (s *single) Accept() (net.Conn, error) {
	select {
	case conn := <-s.conn:
		return conn, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s *single) Close() error   { close(s.closed); return nil }
func (s *single) Addr() net.Addr { return &net.TCPAddr{} }
