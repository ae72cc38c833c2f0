package agent

import (
	"crypto/rand"
	"strings"
	"sync"
)

// Changed returns a channel that is closed at the next change.
func (a *agent) Changed() <-chan struct{} { return a.bell.hear() }

// StartID names this start of ota.
func (a *agent) StartID() string { return a.start }

// changed wakes those who watch: what Status or History return may be another
// thing now. It costs nothing while nobody watches.
func (a *agent) changed() { a.bell.ring() }

// newStartID is short, and another one at each start, also on a device without
// a clock.
func newStartID() string { return strings.ToLower(rand.Text()[:10]) }

// bell wakes all who listen. Several goroutines may use it.
type bell struct {
	mutex sync.Mutex
	heard chan struct{} // closed at the next ring; nil while nobody listens
}

func (b *bell) hear() <-chan struct{} {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.heard == nil {
		b.heard = make(chan struct{})
	}
	return b.heard
}

func (b *bell) ring() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.heard != nil {
		close(b.heard)
		b.heard = nil
	}
}
