package api

import (
	"context"
	"net/http"
	"sync"
)

// What many could ask for at once, and a small device can't do at once.
const (
	maxComparing = 2
	maxPacking   = 4
	// maxReceiving leaves room for a push that was lost, and has come again, beside
	// one that waits.
	maxReceiving = 4
)

// turns are how many may do something at once; the others wait.
type turns chan struct{}

func (t turns) begin(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// try does not wait: it may take as long as somebody else's network. Else it is
// told what the others do.
func (t turns) try(others string) error {
	select {
	case t <- struct{}{}:
		return nil
	default:
		problem := newProblem(http.StatusServiceUnavailable, others+"; try again in a while")
		problem.Wait = 10
		return problem
	}
}

func (t turns) end() { <-t }

// streams are those of events that are under way. Several goroutines use it.
type streams struct {
	mutex sync.Mutex
	all   int
	of    map[string]int // by the name of the caller
}

// begin counts one more, or says how many there are already.
func (s *streams) begin(caller Caller) (others int, ok bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.all >= maxStreams {
		return s.all, false
	}
	if own := s.of[caller.Name]; own >= maxStreamsOfOne && !caller.May(Owner) {
		return own, false
	}
	if s.of == nil {
		s.of = map[string]int{}
	}
	s.all++
	s.of[caller.Name]++
	return 0, true
}

func (s *streams) end(caller Caller) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.all--
	if s.of[caller.Name]--; s.of[caller.Name] == 0 {
		delete(s.of, caller.Name)
	}
}
