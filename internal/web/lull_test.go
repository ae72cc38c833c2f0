package web

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestLull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rests := 0
		l := &lull{rest: func() { rests++ }}
		is := func(want int, what string) {
			t.Helper()
			synctest.Wait()
			if rests != want {
				t.Errorf("%s: %d rests, not %d", what, rests, want)
			}
		}
		l.come()
		l.come()
		l.leave()
		time.Sleep(2 * lullAfter)
		is(0, "one is still there")
		l.leave()
		time.Sleep(lullAfter - time.Second)
		is(0, "not long ago")
		l.come()
		time.Sleep(2 * lullAfter)
		is(0, "somebody has come back")
		l.leave()
		time.Sleep(lullAfter + time.Second)
		is(1, "all have gone")
		time.Sleep(time.Hour)
		is(1, "nobody has come since")
		l.come()
		l.leave()
		l.end()
		time.Sleep(time.Hour)
		is(1, "the server has ended")
	})
}
