package api

import (
	"errors"
	"io"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// trickle gives a number of bytes after each pause.
type trickle struct {
	pause time.Duration
	bytes int
}

func (s trickle) Read(p []byte) (int, error) {
	time.Sleep(s.pause)
	return min(s.bytes, len(p)), nil
}

func TestASlowBodyIsNotWaitedForWithoutEnd(t *testing.T) {
	for name, test := range map[string]struct {
		from trickle
		ends bool
	}{
		"a byte now and then": {trickle{20 * time.Second, 1}, true},
		"slow, but it comes":  {trickle{10 * time.Second, 20 << 10}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBody(httptest.NewRecorder(), httptest.NewRequest("PATCH", "/", io.NopCloser(test.from)))
				var err error
				for began := time.Now(); err == nil && time.Since(began) < time.Hour; {
					_, err = b.Read(make([]byte, 32<<10))
				}
				problem, ended := errors.AsType[*Problem](err)
				if ended != test.ends || ended && problem.Status != 408 {
					t.Errorf("%v", err)
				}
			})
		})
	}
}
