package push

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSaveIsOver: a save lasts as long as there is no quiet moment, and who writes
// without end is named.
func TestSaveIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var complaints []string
		s := &Saves{changes: make(chan mark, 1), Complain: func(err error) { complaints = append(complaints, err.Error()) }}
		write := func(times int, path string) {
			for range times {
				time.Sleep(quiet - time.Millisecond)
				s.changes <- mark{time.Now(), path}
			}
		}
		for times, want := range map[int]int{1: 0, 40: 0, 60: 1} {
			complaints = nil
			begun := time.Now()
			go write(times, "a.log")
			var last mark
			s.settle(context.Background(), &last)
			took, over := time.Since(begun), time.Duration(times)*(quiet-time.Millisecond)+quiet
			if took != over || last.time.Sub(begun) != over-quiet {
				t.Errorf("%d changes: over after %v, not %v; the last one after %v", times, took, over, last.time.Sub(begun))
			}
			if len(complaints) != want || want > 0 && !strings.Contains(complaints[0], "a.log") {
				t.Errorf("%d changes: %q", times, complaints)
			}
		}
	})
}

// TestCourierBringsTheNewest: of the saves that wait only the last one stays.
func TestCourierBringsTheNewest(t *testing.T) {
	c := NewCourier(Options{}, nil, nil)
	for i := range 3 {
		c.Bring(Save{Time: time.Unix(int64(i), 0)})
	}
	if save := <-c.saves; save.Time.Unix() != 2 || len(c.saves) != 0 {
		t.Errorf("%+v", save)
	}
}
