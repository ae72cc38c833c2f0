// Package serve ends an HTTP server in the right order.
//
// In: a server that is set up, and how it accepts. Out: its answers, until a
// context ends; then the connections that are still open have a moment, and none
// is left when the server has ended. Never: a listener opened, a request looked
// at.
package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Until runs accept, which is server.Serve of some listener, until ctx ends. Then
// it lets nobody in any more by the door, gives answers under way the time of
// grace and returns nil. It returns when the last connection has ended, and the
// last handler that has taken one for itself: what handlers ask must not be
// closed before. The error is accept's, if that ends by
// itself.
func Until(ctx context.Context, server *http.Server, grace time.Duration, door *Door, accept func() error) error {
	connections := &guests{fresh: map[net.Conn]struct{}{}}
	defer connections.all.Wait()
	server.ConnState = connections.counting(server.ConnState)
	server.ConnContext = connections.naming(server.ConnContext)
	server.Handler = connections.answering(server.Handler)
	accepted := make(chan error, 1)
	go func() { accepted <- accept() }()
	select {
	case err := <-accepted:
		return errors.Join(err, server.Close())
	case <-ctx.Done():
	}
	door.pause(grace / 2)
	connections.hear(grace / 2)
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if server.Shutdown(limit) != nil {
		server.Close()
	}
	<-accepted
	return nil
}

// counting counts the connections that are being served: net/http calls the hook
// first and last of all for each. That one is active says too little: between that
// and its handler the server looks once more whether it is being shut down, and
// drops the request then.
func (g *guests) counting(also func(net.Conn, http.ConnState)) func(net.Conn, http.ConnState) {
	return func(conn net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			g.came(conn)
		case http.StateIdle, http.StateHijacked, http.StateClosed:
			g.spoke(conn)
		}
		if also != nil {
			also(conn, state)
		}
		if state == http.StateClosed || state == http.StateHijacked {
			g.all.Done()
		}
	}
}

// guest is the key of a request's connection in its context.
type guest struct{}

func (g *guests) naming(also func(context.Context, net.Conn) context.Context) func(context.Context, net.Conn) context.Context {
	return func(ctx context.Context, conn net.Conn) context.Context {
		if also != nil {
			ctx = also(ctx, conn)
		}
		return context.WithValue(ctx, guest{}, conn)
	}
}

// answering counts the handlers, too: of a connection that one has taken for
// itself (http.Hijacker) the server hears nothing more.
func (g *guests) answering(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.all.Add(1)
		defer g.all.Done()
		if conn, ok := r.Context().Value(guest{}).(net.Conn); ok {
			g.spoke(conn)
		}
		handler.ServeHTTP(w, r)
	})
}
