package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
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
		ended <- Until(ctx, server, 10*time.Millisecond, func() error { return server.Serve(listener) })
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
	if err := Until(t.Context(), &http.Server{}, time.Second, func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
}
