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
	"sync"
	"time"
)

// Until runs accept, which is server.Serve of some listener, until ctx ends. Then
// it gives answers under way the time of grace and returns nil. It returns when
// the last connection has ended: what handlers ask must not be closed before. The
// error is accept's, if that ends by itself.
func Until(ctx context.Context, server *http.Server, grace time.Duration, accept func() error) error {
	var connections sync.WaitGroup
	defer connections.Wait()
	server.ConnState = counting(&connections, server.ConnState)
	accepted := make(chan error, 1)
	go func() { accepted <- accept() }()
	select {
	case err := <-accepted:
		return errors.Join(err, server.Close())
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if server.Shutdown(limit) != nil {
		server.Close()
	}
	<-accepted
	return nil
}

// counting counts the connections that are being served: net/http calls the hook
// first and last of all for each.
func counting(connections *sync.WaitGroup, also func(net.Conn, http.ConnState)) func(net.Conn, http.ConnState) {
	return func(conn net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
		if also != nil {
			also(conn, state)
		}
		if state == http.StateClosed {
			connections.Done()
		}
	}
}
