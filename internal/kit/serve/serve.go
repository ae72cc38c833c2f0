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
// first and last of all for each, and when the first byte has come.
func (g *guests) counting(also func(net.Conn, http.ConnState)) func(net.Conn, http.ConnState) {
	return func(conn net.Conn, state http.ConnState) {
		if state == http.StateNew {
			g.came(conn)
		} else {
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

// answering counts the handlers, too: of a connection that one has taken for
// itself (http.Hijacker) the server hears nothing more.
func (g *guests) answering(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.all.Add(1)
		defer g.all.Done()
		handler.ServeHTTP(w, r)
	})
}
