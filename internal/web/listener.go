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
// has logged in, and each of them gets the shorter the more there are. Where
// there are none but the newest, which is anybody's, the oldest of who has the
// most does: a token keeps out neither another one nor the page.
type listener struct {
	net.Listener
	mu   sync.Mutex
	open []*connection // oldest first
}

// connection is one that somebody has opened.
type connection struct {
	net.Conn
	from   *listener
	first  *bufio.Reader // what was looked at before it was known what it is; nil: nothing
	user   atomic.Value  // a string: who asked last and was let in; "": a stranger
	closed sync.Once
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
		one.user.Store(stranger)
		l.takeIn(one)
		return one, nil
	}
}

// takeIn makes room for one more.
func (l *listener) takeIn(one *connection) {
	l.mu.Lock()
	var last *connection
	if len(l.open) >= maxConnections {
		last = l.dearest()
	}
	l.open = append(l.open, one)
	l.mu.Unlock()
	if last != nil {
		last.Close()
	}
}

// stranger is the user of a connection over which nobody was let in.
const stranger = ""

// dearest is the connection that is to make room.
func (l *listener) dearest() *connection {
	oldest, number := map[string]*connection{}, map[string]int{}
	most := stranger
	for _, one := range l.open {
		user := one.user.Load().(string)
		if number[user]++; number[user] == 1 {
			oldest[user] = one
		}
		if number[user] > number[most] {
			most = user
		}
	}
	if one := oldest[stranger]; one != nil {
		return one
	}
	return oldest[most]
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
	e := &encrypted{listener: l, config: config, ready: make(chan net.Conn), failed: make(chan error)}
	e.open, e.end = context.WithCancel(context.Background())
	e.sorting.Go(e.sort)
	return e
}

type encrypted struct {
	*listener
	config  *tls.Config
	ready   chan net.Conn
	failed  chan error
	open    context.Context // ends when it is closed
	end     context.CancelFunc
	sorting sync.WaitGroup
}

// sort looks at the beginning of each connection, one goroutine for each, as it
// may never come; the listener bounds their number. Which errors pass, such as
// that of too many open files, who serves knows.
func (e *encrypted) sort() {
	for e.open.Err() == nil {
		conn, err := e.listener.accept()
		if err == nil {
			e.sorting.Go(func() { e.hand(conn) })
			continue
		}
		select {
		case e.failed <- err:
		case <-e.open.Done():
		}
	}
}

// hand hands a connection to who serves, when it is known what it speaks.
func (e *encrypted) hand(conn *connection) {
	forget := context.AfterFunc(e.open, func() { conn.Close() })
	speaks := e.wrap(conn)
	forget()
	select {
	case e.ready <- speaks:
	case <-e.open.Done():
		conn.Close()
	}
}

// Close ends the connections of which it is not known yet what they speak. It
// may be called more than once.
func (e *encrypted) Close() error {
	e.end()
	err := e.listener.Close()
	e.sorting.Wait()
	return err
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
	case err := <-e.failed:
		return nil, err
	case <-e.open.Done():
		return nil, net.ErrClosed
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

// usedBy remembers who sends over this connection.
func usedBy(ctx context.Context, user string) {
	if conn, ok := ctx.Value(connectionKey{}).(*connection); ok {
		conn.user.Store(user)
	}
}
