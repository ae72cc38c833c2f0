package web

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// maxConnections is how many there may be at once. A page needs three or four.
const maxConnections = 64

// listener bounds the number of connections. Where there are too many, the
// oldest of a stranger makes room: five hundred slow ones take nothing from who
// has logged in, and each of them gets the shorter the more there are.
type listener struct {
	net.Listener
	mu   sync.Mutex
	open []*connection // oldest first
}

// connection is one that somebody has opened.
type connection struct {
	net.Conn
	from    *listener
	first   *bufio.Reader // what was looked at before it was known what it is; nil: nothing
	trusted atomic.Bool   // who uses it has been let in
	closed  sync.Once
}

func newListener(under net.Listener) *listener { return &listener{Listener: under} }

// Accept waits for the next connection.
func (l *listener) Accept() (net.Conn, error) { return l.accept() }

func (l *listener) accept() (*connection, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		one := &connection{Conn: conn, from: l}
		if l.takeIn(one) {
			return one, nil
		}
		conn.Close()
	}
}

// takeIn makes room for one more, and reports whether there is any.
func (l *listener) takeIn(one *connection) bool {
	l.mu.Lock()
	l.open = append(l.open, one)
	var last *connection
	if len(l.open) > maxConnections {
		for _, other := range l.open {
			if !other.trusted.Load() {
				last = other
				break
			}
		}
	}
	l.mu.Unlock()
	if last == nil {
		return true
	}
	last.Close()
	return last != one
}

func (l *listener) leave(one *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, other := range l.open {
		if other == one {
			l.open = append(l.open[:i], l.open[i+1:]...)
			return
		}
	}
}

// Close may be called more than once.
func (c *connection) Close() error {
	err := net.ErrClosed
	c.closed.Do(func() {
		c.from.leave(c)
		err = c.Conn.Close()
	})
	return err
}

// Read begins with what was looked at.
func (c *connection) Read(p []byte) (int, error) {
	if c.first != nil && c.first.Buffered() > 0 {
		return c.first.Read(p)
	}
	return c.Conn.Read(p)
}

// handshake is the first byte of a TLS connection (RFC 8446, 5.1).
const handshake = 0x16

// encrypted is the listener with TLS. A browser that speaks plain HTTP, as it
// does with an address that somebody has typed, is told where it is: that is all
// the server says to it ([Server.toTLS]).
func (l *listener) encrypted(config *tls.Config) net.Listener {
	e := &encrypted{listener: l, config: config, ready: make(chan net.Conn), ended: make(chan struct{})}
	go e.sort()
	return e
}

type encrypted struct {
	*listener
	config *tls.Config
	ready  chan net.Conn
	ended  chan struct{} // closed when err is set
	err    error
}

// sort looks at the beginning of each connection, one goroutine for each, as it
// may never come; the listener bounds their number.
func (e *encrypted) sort() {
	defer close(e.ended)
	for {
		conn, err := e.listener.accept()
		if err != nil {
			e.err = err
			return
		}
		go func() {
			select {
			case e.ready <- e.wrap(conn):
			case <-e.ended:
				conn.Close()
			}
		}()
	}
}

func (e *encrypted) wrap(conn *connection) net.Conn {
	conn.first = bufio.NewReaderSize(conn.Conn, 16)
	_ = conn.SetReadDeadline(time.Now().Add(requestTime))
	begin, err := conn.first.Peek(1)
	_ = conn.SetReadDeadline(time.Time{})
	if err == nil && begin[0] != handshake {
		return conn
	}
	return tls.Server(conn, e.config) // which finds out itself what is wrong
}

// Accept waits for the next connection of which it is known what it speaks.
func (e *encrypted) Accept() (net.Conn, error) {
	select {
	case conn := <-e.ready:
		return conn, nil
	case <-e.ended:
		return nil, e.err
	}
}

type connectionKey struct{}

// withConnection makes the connection of a request known to the guard.
func withConnection(ctx context.Context, conn net.Conn) context.Context {
	if over, ok := conn.(*tls.Conn); ok {
		conn = over.NetConn()
	}
	return context.WithValue(ctx, connectionKey{}, conn)
}

// trust remembers that who sends over this connection has been let in.
func trust(ctx context.Context) {
	if conn, ok := ctx.Value(connectionKey{}).(*connection); ok {
		conn.trusted.Store(true)
	}
}
