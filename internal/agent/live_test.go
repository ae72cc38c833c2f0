package agent

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// TestBell wakes all who listen, once, and nobody is needed for it to ring.
func TestBell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := new(agent)
		a.changed()
		var woken atomic.Int32
		first := a.Changed()
		for range 3 {
			go func() {
				<-a.Changed()
				woken.Add(1)
			}()
			synctest.Wait()
		}
		select {
		case <-first:
			t.Error("it rang by itself")
		default:
		}
		a.tell("installing numpy")
		synctest.Wait()
		if _, more := <-first; more || woken.Load() != 3 {
			t.Errorf("%d of 3 were woken", woken.Load())
		}
		if a.Changed() == first {
			t.Error("who listens now is woken at once")
		}
	})
}

func TestStartsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := newStartID()
		if seen[id] || len(id) != 10 || strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
			t.Fatalf("the name %q", id)
		}
		seen[id] = true
	}
}
