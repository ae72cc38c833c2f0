package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// How fast a body has to come. A slow connection is not a stuck one, but one that
// gives a byte now and then holds a file and a connection for nothing.
const (
	byteTime  = 30 * time.Second // for the next byte
	paceTime  = time.Minute
	paceBytes = 60 << 10 // in that time
)

// body reads a request for as long as it comes. One goroutine reads it; others
// may cut it.
type body struct {
	from    io.Reader
	control *http.ResponseController
	ended   chan struct{} // closed when it is not read any more

	began time.Time // of the minute
	bytes int64     // in it

	mutex sync.Mutex // guards what follows
	last  time.Time  // a byte came
	way   way
}

// way is how a body goes.
type way string

const (
	coming way = "coming"
	cutOff way = "cut off" // nothing more is read, by its end or as another goes on in its place
	over   way = "over"
)

func newBody(w http.ResponseWriter, r *http.Request) *body {
	now := time.Now()
	return &body{
		from: r.Body, control: http.NewResponseController(w), ended: make(chan struct{}),
		began: now, last: now, way: coming,
	}
}

// Read reads what has come. Its error is a *Problem where nothing comes.
func (b *body) Read(p []byte) (int, error) {
	if !b.expect() {
		return 0, slow("another connection goes on with this file")
	}
	n, err := b.from.Read(p)
	now := time.Now()
	b.note(n, err, now)
	b.bytes += int64(n)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, slow("nothing came for a while; what has come is kept")
	case err != nil:
		return n, err
	case now.Sub(b.began) < paceTime:
		return n, nil
	case b.bytes < paceBytes:
		return n, slow("the connection is too slow; what has come is kept")
	}
	b.began, b.bytes = now, 0
	return n, nil
}

// expect sets the time for the next byte, unless the body is cut off.
func (b *body) expect() bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.way != coming {
		return false
	}
	// Only a writer that knows no deadline fails here, and it sets no limit.
	_ = b.control.SetReadDeadline(time.Now().Add(byteTime))
	return true
}

// note remembers that something came, or that nothing more will: who goes on with
// the file needs to wait only for what was read to be written.
func (b *body) note(n int, err error, now time.Time) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if n > 0 {
		b.last = now
	}
	if err != nil && b.way == coming {
		b.way = cutOff
	}
}

// cut ends the reading of a body that has stalled. It reports whether it is
// about to end.
func (b *body) cut() bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.way == coming && time.Since(b.last) >= stalled {
		b.way = cutOff
		_ = b.control.SetReadDeadline(time.Now())
	}
	return b.way != coming
}

// end is called when it is not read any more: after that, its connection is no
// business of anybody who knows it.
func (b *body) end() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.way = over
	close(b.ended)
}

func slow(why string) error { return newProblem(http.StatusRequestTimeout, why) }
