package source

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// shop is a place, and a house that takes from it.
type shop struct {
	*testing.T
	mutex   sync.Mutex // of what follows
	dir     string
	offers  string // the content; empty: nothing
	tag     string
	err     error
	refused string // by the house
	waits   bool
	full    error         // deposit/ can't be written
	lasts   time.Duration // of a fetch, and of looking at what came
	looks   []time.Time
	asked   []Seen
	placed  []string // contents that came into deposit/
}

func (s *shop) String() string { return "shop" }

func (s *shop) Fetch(ctx context.Context, before Seen) (*Fetched, error) {
	if err := s.last(ctx); err != nil {
		return nil, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.looks, s.asked = append(s.looks, time.Now()), append(s.asked, before)
	if s.err != nil {
		return nil, s.err
	}
	if s.offers == "" || before.ETag == s.tag {
		return nil, nil
	}
	path := filepath.Join(s.dir, "release.ota")
	if err := os.WriteFile(path, []byte(s.offers), 0o600); err != nil {
		s.Fatal(err)
	}
	return &Fetched{Path: path, Name: "a.ota", Seen: Seen{ETag: s.tag}}, nil
}

// last takes its time.
func (s *shop) last(ctx context.Context) error {
	select {
	case <-time.After(s.lasts):
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (s *shop) Judge(ctx context.Context, fetched *Fetched) (Judged, error) {
	if err := s.last(ctx); err != nil {
		return Judged{}, err
	}
	content, err := os.ReadFile(fetched.Path)
	return Judged{Name: string(content), Sum: "sum " + string(content), Content: string(content), Refused: s.refused}, err
}

func (s *shop) Waits(Placed) (bool, error) { return s.waits, nil }

func (s *shop) Deliver(_ context.Context, path, name string) (Placed, error) {
	if s.full != nil {
		return Placed{}, s.full
	}
	content, err := os.ReadFile(path)
	s.placed = append(s.placed, string(content))
	return Placed{Name: name}, errors.Join(err, os.Remove(path))
}

func newShop(t *testing.T) *shop { return &shop{T: t, dir: t.TempDir()} }

// source is one that has just been started.
func (s *shop) source(poll time.Duration) *Source {
	return New(Options{Place: s, Record: filepath.Join(s.dir, "source.json"), Poll: poll, House: s, Log: slog.New(slog.DiscardHandler)})
}

func (s *shop) look(want Outcome, insists bool) {
	s.Helper()
	if got, err := s.source(0).look(s.Context(), insists); err != nil || got.Outcome != want {
		s.Errorf("%+v, %v; want %s", got, err, want)
	}
}

// change changes what the shop is while a source looks at it.
func (s *shop) change(change func()) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	change()
}

func (s *shop) has(want ...string) {
	s.Helper()
	if len(s.placed) != len(want) || len(want) > 0 && s.placed[len(want)-1] != want[len(want)-1] {
		s.Errorf("came: %q, want %q", s.placed, want)
	}
}

func TestEachReleaseComesOnce(t *testing.T) {
	s := newShop(t)
	s.look(Unchanged, false)
	s.offers, s.tag = "v1", "1"
	s.look(Brought, false)
	s.look(Unchanged, false)
	s.look(Unchanged, true)
	s.tag = "1 again" // as a server says that was copied to another machine
	s.look(Unchanged, false)
	s.has("v1")
	s.offers, s.tag = "v2", "2"
	s.look(Brought, false)
	s.offers, s.tag = "v1", "1" // its owner goes back
	s.look(Brought, false)
	s.has("v1", "v2", "v1")
}

// TestUploadGoesFirst: nobody is even asked.
func TestUploadGoesFirst(t *testing.T) {
	s := newShop(t)
	s.offers, s.tag, s.waits = "v1", "1", true
	s.look(Waits, true)
	s.has()
	if len(s.looks) > 0 {
		t.Error("the place was asked")
	}
	s.waits = false
	s.look(Brought, false)
	s.has("v1")
}

// TestRefused: what is not taken is not fetched again by itself, and is when
// somebody asks, as the device may have other keys by then.
func TestRefused(t *testing.T) {
	s := newShop(t)
	s.offers, s.tag, s.refused = "v1", "1", "not signed"
	s.look(Refused, false)
	s.look(Refused, false)
	if s.asked[1].ETag != "1" {
		t.Error("it was fetched again by itself")
	}
	if names, _ := os.ReadDir(s.dir); len(names) != 1 {
		t.Errorf("left: %v", names)
	}
	s.refused = ""
	s.look(Refused, false)
	s.look(Brought, true)
	s.has("v1")
}

// TestPowerCut: between the record and the file in deposit/, and after it.
func TestPowerCut(t *testing.T) {
	s := newShop(t)
	s.offers, s.tag, s.full = "v1", "1", errors.New("power cut")
	if _, err := s.source(0).look(t.Context(), false); err == nil {
		t.Fatal("delivered")
	}
	s.full = nil
	s.look(Brought, false)
	s.has("v1")
	// The file went into deposit/, and the record does not know.
	before := s.source(0)
	known, err := before.read()
	if err != nil {
		t.Fatal(err)
	}
	known.Step, known.Path = delivering, filepath.Join(s.dir, "release.ota")
	if err := before.write(known); err != nil {
		t.Fatal(err)
	}
	s.look(Unchanged, false)
	s.has("v1")
}

// TestPauses: looks are about as far apart as asked for, failures further and
// further, and never all at once.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		ctx, cancel := context.WithCancel(t.Context())
		running := s.source(15 * time.Minute)
		ended := make(chan error)
		go func() { ended <- running.Run(ctx) }()
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		if n := len(s.looks); n < 33 || n > 51 {
			t.Errorf("%d looks in ten hours", n)
		}
		gaps := map[time.Duration]bool{}
		for i := 1; i < len(s.looks); i++ {
			gap := s.looks[i].Sub(s.looks[i-1])
			if gaps[gap] = true; gap < 12*time.Minute || gap > 18*time.Minute {
				t.Errorf("a pause of %s", gap)
			}
		}
		if len(gaps) < 10 {
			t.Errorf("only %d different pauses", len(gaps))
		}
		s.change(func() { s.looks, s.err = nil, errors.New("no network") })
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		first, last := s.looks[1].Sub(s.looks[0]), s.looks[len(s.looks)-1].Sub(s.looks[len(s.looks)-2])
		if first > 2*time.Minute || last < 4*time.Hour || last > 8*time.Hour || len(s.looks) > 25 {
			t.Errorf("%d looks in two days, from %s to %s", len(s.looks), first, last)
		}
		if state := running.State(); state.Problem != "no network" || !state.IsAway {
			t.Errorf("%+v", state)
		}
		s.change(func() { s.err = nil })
		if _, err := running.Poll(ctx); err != nil || running.State().IsAway {
			t.Errorf("%v, %+v", err, running.State())
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if _, err := running.Poll(t.Context()); !errors.Is(err, errEnded) { // and waits for nobody
			t.Error(err)
		}
	})
}

// TestLeftAlone: a place that says when it can be asked again is not asked before,
// unless it wants more than six hours.
func TestLeftAlone(t *testing.T) {
	for wanted, want := range map[time.Duration]time.Duration{time.Hour: time.Hour, 2 * time.Hour: 2 * time.Hour, 1000 * time.Hour: longestAgain} {
		synctest.Test(t, func(t *testing.T) {
			s := newShop(t)
			s.err = &laterError{errors.New("busy"), wanted}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			running := s.source(15 * time.Minute)
			go func() { ended <- running.Run(ctx) }()
			time.Sleep(100 * time.Hour)
			synctest.Wait()
			for i := 1; i < len(s.looks) && i < 5; i++ { // the pauses grow by themselves
				if gap := s.looks[i].Sub(s.looks[i-1]); gap < want || gap > want*3/2 {
					t.Errorf("%s were asked for: a pause of %s", wanted, gap)
				}
			}
			cancel()
			<-ended
		})
	}
}

// TestSlowLine: a fetch is given up after an hour; what has come before that is
// looked at as long as that takes, unless ota ends.
func TestSlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.offers, s.tag, s.lasts = "v1", "1", longestFetch-time.Second
		s.look(Brought, false)
		s.has("v1")
		s.lasts = longestFetch + time.Second
		if _, err := s.source(0).look(t.Context(), false); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		s.offers, s.tag, s.lasts = "v2", "2", longestFetch-time.Second
		ctx, cancel := context.WithTimeout(t.Context(), longestFetch)
		defer cancel()
		if _, err := s.source(0).look(ctx, false); err == nil {
			t.Error("it did not end")
		}
		s.has("v1")
	})
}

// TestOnlyWhenAsked: with a poll of nothing there is no look by itself.
func TestOnlyWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.offers, s.tag = "v1", "1"
		ctx, cancel := context.WithCancel(t.Context())
		running := s.source(0)
		ended := make(chan error)
		go func() { ended <- running.Run(ctx) }()
		time.Sleep(100 * time.Hour)
		synctest.Wait()
		s.has()
		if result, err := running.Poll(ctx); err != nil || result.Outcome != Brought {
			t.Errorf("%+v, %v", result, err)
		}
		cancel()
		<-ended
	})
}

// TestVouched: who has signed is known of this very manifest.
func TestVouched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "source.json")
	if err := writeJSON(path, record{Sum: "abc", Signers: []string{"anna"}}); err != nil {
		t.Fatal(err)
	}
	if got := Vouched(path, "abc"); len(got) != 1 || got[0] != "anna" {
		t.Errorf("%q", got)
	}
	if got := Vouched(path, "abd"); got != nil {
		t.Errorf("%q", got)
	}
}
