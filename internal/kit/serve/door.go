package serve

import (
	"net"
	"sync"
	"time"
)

// Door is a listener that can be closed to who has not come in yet, without
// being closed: who comes then waits in its queue, for whoever listens there
// next. Several goroutines may use it.
type Door struct {
	net.Listener
	shut   chan struct{} // closed by pause
	quiet  chan struct{} // closed when nobody comes in any more
	closed chan struct{}
	first  struct{ shut, quiet, closed sync.Once }
}

// NewDoor returns one that is open. Where the listener knows no deadline, who
// waits in its queue comes in until it is closed.
func NewDoor(under net.Listener) *Door {
	return &Door{Listener: under, shut: make(chan struct{}), quiet: make(chan struct{}), closed: make(chan struct{})}
}

// Accept waits for the next one who comes in.
func (d *Door) Accept() (net.Conn, error) {
	select {
	case <-d.shut:
		return d.refuse()
	default:
	}
	conn, err := d.Listener.Accept()
	select {
	case <-d.shut:
		if err != nil {
			return d.refuse()
		}
	default:
	}
	return conn, err
}

func (d *Door) refuse() (net.Conn, error) {
	d.first.quiet.Do(func() { close(d.quiet) })
	<-d.closed
	return nil, net.ErrClosed
}

// pause lets nobody in any more and waits, for so long at most, until who is at
// the door has come in.
func (d *Door) pause(limit time.Duration) {
	d.first.shut.Do(func() { close(d.shut) })
	if under, ok := d.Listener.(interface{ SetDeadline(time.Time) error }); !ok || under.SetDeadline(time.Now()) != nil {
		return
	}
	wait := time.NewTimer(limit)
	defer wait.Stop()
	select {
	case <-d.quiet:
	case <-d.closed:
	case <-wait.C:
	}
}

// Close may be called more than once.
func (d *Door) Close() error {
	err := net.ErrClosed
	d.first.closed.Do(func() {
		close(d.closed)
		err = d.Listener.Close()
	})
	return err
}

// guests are the connections of a server.
type guests struct {
	all   sync.WaitGroup
	mu    sync.Mutex
	fresh map[net.Conn]struct{} // have not asked for anything
	none  chan struct{}         // closed when none is fresh any more; nil: nobody waits
}

func (g *guests) came(conn net.Conn) {
	g.all.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fresh[conn] = struct{}{}
}

func (g *guests) spoke(conn net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.fresh, conn)
	if len(g.fresh) == 0 && g.none != nil {
		close(g.none)
		g.none = nil
	}
}

// hear waits until everybody has asked for something, for so long at most: a server
// that is being shut down drops what it reads then.
func (g *guests) hear(limit time.Duration) {
	g.mu.Lock()
	none := make(chan struct{})
	if len(g.fresh) == 0 {
		close(none)
	} else {
		g.none = none
	}
	g.mu.Unlock()
	wait := time.NewTimer(limit)
	defer wait.Stop()
	select {
	case <-none:
	case <-wait.C:
	}
}
