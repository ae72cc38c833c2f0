package access

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

const day = 24 * time.Hour

func TestSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := freshIn2026(t)
		idler, user := k.mustLogin(t, k.NewLink()), k.mustLogin(t, k.NewLink())
		for range 4 {
			time.Sleep(idle - time.Nanosecond)
			if !k.isIn(user) {
				t.Fatal("one that is used has ended")
			}
			synctest.Wait()
		}
		if k.isIn(idler) {
			t.Error("one that nobody used lives on")
		}
		time.Sleep(2*day - 1)
		if !k.isIn(user) {
			t.Error("it has ended too early")
		}
		time.Sleep(5) // the nanoseconds that were missing
		if k.isIn(user) {
			t.Error("one lives for ever")
		}
	})
}

// TestAnOpenPageIsUse: while somebody looks at the page the session lives; its
// idle time begins when the page is closed.
func TestAnOpenPageIsUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := freshIn2026(t)
		for _, test := range []struct {
			after time.Duration
			in    bool
		}{{idle - time.Nanosecond, true}, {idle, false}} {
			cookie := k.mustLogin(t, k.NewLink())
			request, leave := context.WithCancel(t.Context())
			open, _ := k.Session(request, cookie)
			time.Sleep(3 * idle)
			if open.Err() != nil {
				t.Error("it ended under who looks at it")
			}
			leave()
			synctest.Wait()
			time.Sleep(test.after)
			if k.isIn(cookie) != test.in {
				t.Errorf("%v after the page was closed it is in: %t", test.after, !test.in)
			}
		}
	})
}

// TestNoPageIsOpenForEver: a stream ends when its session is as old as any may
// get.
func TestNoPageIsOpenForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := freshIn2026(t)
		time.Sleep(day)
		cookie := k.mustLogin(t, k.NewLink())
		open, _ := k.Session(t.Context(), cookie)
		time.Sleep(longest - time.Nanosecond)
		synctest.Wait()
		if open.Err() != nil {
			t.Error("it has ended too early")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if !errors.Is(context.Cause(open), ErrEnded) || k.isIn(cookie) {
			t.Errorf("it lives for ever: %v", context.Cause(open))
		}
	})
}

func TestLogout(t *testing.T) {
	k := fresh(t)
	first, second := k.mustLogin(t, k.NewLink()), k.mustLogin(t, k.NewLink())
	open, _ := k.Session(t.Context(), first)
	other, _ := k.Session(t.Context(), second)
	if err := k.Logout(first); err != nil {
		t.Fatal(err)
	}
	<-open.Done()
	if other.Err() != nil || !k.isIn(second) {
		t.Error("somebody else was logged out, too")
	}
	if k.isIn(first) || opened(k.path, 0).isIn(first) {
		t.Error("the cookie lets in")
	}
	if err := k.Logout(first); err != nil {
		t.Error(err)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := freshIn2026(t)
		var cookies []string
		for range maxSessions {
			cookies = append(cookies, k.mustLogin(t, k.NewLink()))
			time.Sleep(time.Second)
		}
		k.isIn(cookies[0]) // so that the second is the one that nobody has used for longest
		synctest.Wait()
		open, _ := k.Session(t.Context(), cookies[1])
		k.sessions[1].expires = k.sessions[1].created + idle
		cookies = append(cookies, k.mustLogin(t, k.NewLink()))
		<-open.Done()
		for i, cookie := range cookies {
			if k.isIn(cookie) != (i != 1) {
				t.Errorf("session %d is in: %t", i, i == 1)
			}
		}
	})
}

// TestOtaStartsAnew: sessions outlive a restart, whatever the clock says then,
// and none does for ever.
func TestOtaStartsAnew(t *testing.T) {
	tests := []struct {
		name         string
		used, down   time.Duration // before the restart, and until it
		clock, later time.Duration // by how much the wall clock is wrong, before and after
		lives        time.Duration // from the restart on, unused; 0: not at all
	}{
		{"at once", 0, 0, in2026, in2026, idle},
		{"a day later", 0, day, in2026, in2026, idle - day},
		{"after the idle time", 0, idle, in2026, in2026, 0},
		{"old, in use", 28 * day, 0, in2026, in2026, 2 * day},
		{"old, in use, and off for long", 28 * day, 2 * day, in2026, in2026, 0},
		{"a clock that begins in 1970", day, time.Hour, in2026, -30 * 365 * day, idle},
		{"a login before the clock was set", 0, time.Hour, -30 * 365 * day, in2026, idle},
		{"a clock that was never set", 0, time.Hour, -30 * 365 * day, -30 * 365 * day, idle},
		{"a clock that was set back by a week", 10 * day, 0, in2026, in2026 - 7*day, idle},
		{"a clock that was set back by an hour", 0, 0, in2026, in2026 - time.Hour, idle},
		{"a clock far in the future", 0, 0, in2026, in2026 + 12*365*day, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := t.TempDir() + "/access.json"
			synctest.Test(t, func(t *testing.T) {
				k := opened(path, test.clock)
				cookie := k.mustLogin(t, k.NewLink())
				for passed := time.Duration(0); passed < test.used; passed += day {
					time.Sleep(day)
					if !k.isIn(cookie) {
						t.Fatal("it has ended")
					}
				}
				time.Sleep(test.down)
				k = opened(path, test.later)
				if test.lives == 0 {
					if k.isIn(cookie) {
						t.Error("it has not ended")
					}
					return
				}
				if len(k.sessions) != 1 {
					t.Fatalf("%d sessions", len(k.sessions))
				}
				if left := k.sessions[0].expires - k.now(); left.Round(time.Minute) != test.lives {
					t.Errorf("it lives for %v, want %v", left, test.lives)
				}
				if most := k.sessions[0].created + longest - k.now(); most > longest {
					t.Errorf("it may live for %v", most)
				}
				if !k.isIn(cookie) {
					t.Error("it lets nobody in")
				}
			})
		})
	}
}

// TestTheClockIsSet: what the file says is made right by the first use an hour
// later, so that the next start knows how old the session is.
func TestTheClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := opened(t.TempDir()+"/access.json", -30*365*day)
		cookie := k.mustLogin(t, k.NewLink())
		began := k.now()
		k.clock = in2026
		time.Sleep(2 * time.Hour)
		k.isIn(cookie)
		file, err := decodeFile(k.path)
		if err != nil {
			t.Fatal(err)
		}
		if want := k.wall().Add(began - k.now()); file.Sessions[0].Created.Sub(want).Abs() > time.Second {
			t.Errorf("created %v, want %v", file.Sessions[0].Created, want)
		}
	})
}

// TestTheWallClock has no monotonic part, by which Go would tell how far apart
// two times are, however the clock was set between them.
func TestTheWallClock(t *testing.T) {
	if now := wallClock(); now != now.Round(0) {
		t.Error(now)
	}
}

// TestACardIsSpared: a session in use is written down once a day.
func TestACardIsSpared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := freshIn2026(t)
		cookie := k.mustLogin(t, k.NewLink())
		writes := 0
		for range 24 * 4 * 6 {
			if err := os.Remove(k.path); err == nil {
				writes++
			}
			time.Sleep(15 * time.Minute)
			k.isIn(cookie)
			k.Login(street, "wrong")
			synctest.Wait()
		}
		if writes != 6 { // the login, and five days
			t.Errorf("written %d times in 6 days", writes)
		}
	})
}
