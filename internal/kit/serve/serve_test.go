package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
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
	came := make(chan struct{}, 8)
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			came <- struct{}{}
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
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	inside, left := make(chan struct{}), make(chan struct{})
	server := &http.Server{}
	ctx, cancel := context.WithCancel(t.Context())
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
		}
		close(inside)
		<-ctx.Done()
		conn.Close()
		close(left)
	})
	ended := make(chan error, 1)
	go func() {
		door := NewDoor(listener)
		ended <- Until(ctx, server, 10*time.Millisecond, door, func() error { return server.Serve(door) })
	}()
	conn := dial(t, listener.Addr())
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
