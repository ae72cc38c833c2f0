package web

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// lullAfter is how long nobody must have been there before ota makes itself
// small again: who looks twice a minute is not gone in between.
const lullAfter = time.Minute

// lull tells when everybody has gone. Several goroutines may use it.
type lull struct {
	rest func() // may be nil

	mu    sync.Mutex
	there int         // connections
	timer *time.Timer // nil until somebody has gone
}

// connection is the hook of an http.Server.
func (l *lull) connection(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		l.come()
	case http.StateClosed, http.StateHijacked: // what has it then is no viewer
		l.leave()
	}
}

// come is called when a connection begins.
func (l *lull) come() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.there++
	l.stop()
}

// leave is called when one has ended.
func (l *lull) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.there--
	if l.there > 0 || l.rest == nil {
		return
	}
	if l.timer == nil {
		l.timer = time.AfterFunc(lullAfter, l.rest)
	} else {
		l.timer.Reset(lullAfter)
	}
}

// end is called when the server ends.
func (l *lull) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop()
}

func (l *lull) stop() {
	if l.timer != nil {
		l.timer.Stop()
	}
}
