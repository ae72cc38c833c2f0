package update

import (
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

// TestEachReportIsTold: who looks when he is told, and only then, has the last
// report.
func TestEachReportIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *stage
		var told Report
		rings := make(chan struct{}, 10_000)
		s = newStage(t, func(o *Options) { o.Changed = func() { rings <- struct{}{} } })
		defer s.close()
		listen := func() {
			t.Helper()
			synctest.Wait()
			for len(rings) > 0 {
				<-rings
				told = s.conductor.Report()
			}
			if now := s.conductor.Report(); !reflect.DeepEqual(told, now) {
				t.Errorf("told %+v, and it is %+v", told, now)
			}
		}
		listen()
		s.deposit.put("v1")
		listen()
		time.Sleep(time.Hour)
		listen()
		if err := s.conductor.Ask(t.Context(), AskStop); err != nil {
			t.Fatal(err)
		}
		listen()
		if told.State.Program != Stopped {
			t.Errorf("told %v", told.State)
		}
	})
}
