package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Who waits for less than a second wants to hear nothing.
const (
	progressAfter = time.Second
	progressEvery = 200 * time.Millisecond
)

// progress is one line on a terminal that says how far something has come. It
// is for several goroutines.
type progress struct {
	to    io.Writer // nil: nobody looks
	every time.Duration

	mutex sync.Mutex // over what follows, and the line
	next  time.Time
	shown bool
}

// progress is for what is counted. It goes where a person sees it, while the
// result may go elsewhere.
func (a *app) progress() *progress {
	p := a.steps()
	p.every, p.next = progressEvery, time.Now().Add(progressAfter)
	return p
}

// steps is for what is said once, when it begins.
func (a *app) steps() *progress {
	p := &progress{}
	if file, ok := a.stderr.(*os.File); ok && canRedraw(file) {
		p.to = file
	}
	return p
}

// say shows a text in place of the one before, if it is time for one.
func (p *progress) say(text string, now time.Time) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.to == nil || now.Before(p.next) {
		return
	}
	p.next, p.shown = now.Add(p.every), true
	fmt.Fprint(p.to, "\r"+cut(harmless(text), 78)+clearLine)
}

// begin begins anew, for who counts several times.
func (p *progress) begin(now time.Time) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.next = now.Add(progressAfter)
}

// end leaves nothing of it.
func (p *progress) end() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.shown {
		p.shown = false
		fmt.Fprint(p.to, "\r"+clearLine)
	}
}
