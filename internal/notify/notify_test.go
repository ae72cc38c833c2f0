package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// paper is a log that is read while it is written.
type paper struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (p *paper) Write(line []byte) (int, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.text.Write(line)
}

func (p *paper) String() string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.text.String()
}

// world is a device, and who is told of it.
type world struct {
	t     *testing.T
	dir   string
	log   paper
	mutex sync.Mutex
	now   Stand
	rung  chan struct{}
	got   []Message // all tries
	when  []time.Duration
	begun time.Time
	// answer says what becomes of a try; nil: it is delivered.
	answer func(n int, message Message) Result
}

func newWorld(t *testing.T) *world {
	return &world{t: t, dir: t.TempDir(), now: sixRuns, rung: make(chan struct{}), begun: time.Now()}
}

func (w *world) file() string { return filepath.Join(w.dir, "notify.json") }

func (w *world) Name() string { return "webhook" }

func (w *world) Send(_ context.Context, message Message) Result {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.got, w.when = append(w.got, message), append(w.when, time.Since(w.begun))
	if w.answer == nil {
		return Result{Outcome: Delivered}
	}
	return w.answer(len(w.got), message)
}

// run begins to tell; stop ends it like a power cut that loses no file.
func (w *world) run(on ...Kind) (stop func()) {
	if len(on) == 0 {
		on = []Kind{Failed, RolledBack, CrashLooping, Recovered, Held, Confirmed}
	}
	room := New(Options{
		File: w.file(), On: on, Ways: []Way{w},
		Stand: func() Stand { w.mutex.Lock(); defer w.mutex.Unlock(); return w.now },
		Changed: func() <-chan struct{} {
			w.mutex.Lock()
			defer w.mutex.Unlock()
			return w.rung
		},
		Here: func() Here { return Here{Device: "greenhouse", Folder: "/home/pi/garden", ClockSet: new(true)} },
		Log:  slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = room.Run(ctx) })
	synctest.Wait()
	return func() { cancel(); running.Wait() }
}

// recovers lets the receiver take what comes, and forgets what came.
func (w *world) recovers() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.answer, w.got = nil, nil
}

// becomes lets things stand otherwise, and be looked at.
func (w *world) becomes(now Stand) {
	w.mutex.Lock()
	w.now = now
	close(w.rung)
	w.rung = make(chan struct{})
	w.mutex.Unlock()
	time.Sleep(time.Second)
	synctest.Wait()
}

// confirm lets one release after the other prove itself.
func (w *world) confirm(first, last int) {
	for n := first; n <= last; n++ {
		w.becomes(current(n, n, n-1, n, true))
	}
}

// told are the events of all tries with the release that they are about.
func (w *world) told() string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var words []string
	for _, one := range w.got {
		words = append(words, fmt.Sprintf("%s %d", one.Event, *one.Release))
	}
	return strings.Join(words, ", ")
}

func (w *world) expect(want string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.told()); diff != "" {
		w.t.Errorf("(-want +got)\n%s\n%s", diff, w.log.String())
	}
}

var failedAndBack = current(6, 8, 5, 7, true).failing(7, 7, 6)

func TestToldInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.run()()
		w.expect("")
		w.becomes(failedAndBack)
		w.expect("failed 7, rolled-back 6")
		if a, b := w.got[0], w.got[1]; a.ID == b.ID || a.ID == "" || a.Device != "greenhouse" || *a.From != 6 ||
			b.Message != "greenhouse: release 6 is in main/ again, instead of release 7: boom" {
			t.Errorf("%+v\n%+v", a, b)
		}
	})
}

func TestOnlyWhatIsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.run(RolledBack)()
		w.becomes(failedAndBack)
		w.expect("rolled-back 6")
	})
}

// TestReceiverIsDown: each pause is longer than the one before, up to six hours,
// and what happens meanwhile is told after it, in order.
func TestReceiverIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = func(int, Message) Result { return Result{Outcome: Again, Why: "no route to host"} }
		defer w.run()()
		w.becomes(current(7, 7, 6, 7, true))
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		pause, tries := firstPause, len(w.when)
		for i := 1; i < tries; i++ {
			if got := w.when[i] - w.when[i-1]; got < pause*3/4 || got > pause*5/4 && pause < lastPause || got > lastPause {
				t.Errorf("pause %d: %v, and %v is due", i, got, pause)
			}
			pause = min(2*pause, lastPause)
		}
		if tries < 18 || tries > 25 {
			t.Errorf("%d tries in two days", tries)
		}
		if n := strings.Count(w.log.String(), "no route to host"); n != 1 {
			t.Errorf("it was logged %d times", n)
		}
		w.recovers()
		// Something new is a reason to try at once.
		w.becomes(current(8, 8, 7, 8, true))
		w.expect("confirmed 7, confirmed 8")
	})
}

// TestGivenUp: after seven days in which ota ran; the next message says so.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = func(int, Message) Result { return Result{Outcome: Again, Why: "down"} }
		stop := w.run()
		w.becomes(current(7, 7, 6, 7, true))
		time.Sleep(4 * 24 * time.Hour)
		stop()
		time.Sleep(100 * 24 * time.Hour) // it lies in a drawer
		stop = w.run()
		time.Sleep(2 * 24 * time.Hour)
		synctest.Wait()
		if strings.Contains(w.log.String(), "given up") {
			t.Errorf("too early: %s", w.log.String())
		}
		time.Sleep(2 * 24 * time.Hour)
		synctest.Wait()
		if !strings.Contains(w.log.String(), "given up") {
			t.Errorf("not given up: %s", w.log.String())
		}
		w.recovers()
		w.becomes(current(8, 8, 7, 8, true))
		stop()
		if len(w.got) != 1 || w.got[0].Missed != 1 || !strings.HasSuffix(w.got[0].Message, "(and 1 more message before it)") {
			t.Errorf("%+v", w.got)
		}
	})
}

// TestRefused is not tried again.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = func(int, Message) Result { return Result{Outcome: Refused, Why: "the webhook answered 404 Not Found"} }
		defer w.run()()
		w.becomes(current(7, 7, 6, 7, true))
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		w.expect("confirmed 7")
		if !strings.Contains(w.log.String(), "404") {
			t.Error(w.log.String())
		}
	})
}

// TestTriedThreeTimes is what a command is.
func TestTriedThreeTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = func(int, Message) Result { return Result{Outcome: Again, Most: 3, Why: "exit code 1"} }
		defer w.run()()
		w.becomes(current(7, 7, 6, 7, true))
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		w.expect("confirmed 7, confirmed 7, confirmed 7")
	})
}

// TestAskedToWait: the receiver says for how long.
func TestAskedToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = func(n int, _ Message) Result {
			if n > 1 {
				return Result{Outcome: Delivered}
			}
			return Result{Outcome: Again, After: time.Hour, Why: "429"}
		}
		defer w.run()()
		w.becomes(current(7, 7, 6, 7, true))
		time.Sleep(59 * time.Minute)
		w.expect("confirmed 7")
		time.Sleep(2 * time.Minute)
		w.expect("confirmed 7, confirmed 7")
	})
}

// TestTooMany: a device that flaps tells of twelve at once and then of one each
// five minutes, which says how many there were before it. The last is not lost.
func TestTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := w.run()
		w.confirm(7, 30)
		if len(w.got) != atOnce {
			t.Errorf("%d at once", len(w.got))
		}
		stop() // what waits is in the file
		stop = w.run()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		stop()
		last := w.got[len(w.got)-1]
		if len(w.got) != atOnce+1 || *last.Release != 30 || last.Missed != 24-atOnce-1 ||
			!strings.Contains(last.Message, "and 11 more messages before it") {
			t.Errorf("%d: %+v", len(w.got), last)
		}
	})
}

// TestTooLong: of those that can't be told the newest are kept, and the first of
// them says how many are lost.
func TestTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = func(int, Message) Result { return Result{Outcome: Again, Why: "down"} }
		defer w.run()()
		for n := 7; n < 7+most+8; n++ {
			w.confirm(n, n)
			time.Sleep(refill)
		}
		w.recovers()
		time.Sleep(lastPause)
		synctest.Wait()
		if len(w.got) != most || w.got[0].Missed != 8 || *w.got[0].Release != 15 || w.got[1].Missed != 0 {
			t.Errorf("%d: %+v", len(w.got), w.got[:min(2, len(w.got))])
		}
	})
}

// TestPowerCut at each state of the file: nothing is lost, and what is told twice
// has the same id.
func TestPowerCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := w.run()
		before := read(t, w.file())
		w.answer = func(int, Message) Result { return Result{Outcome: Again, Why: "down"} }
		w.becomes(failedAndBack)
		stop()
		written := read(t, w.file())
		first := w.got[0]
		w.answer = nil
		for name, file := range map[string][]byte{"before it was written": before, "before it was sent": written, "before its arrival was noted": written} {
			w.got = nil
			write(t, w.file(), file)
			stop := w.run()
			time.Sleep(time.Second)
			synctest.Wait()
			stop()
			w.expect("failed 7, rolled-back 6")
			if same := w.got[0].ID == first.ID; !same {
				t.Errorf("%s: %s became %s", name, first.ID, w.got[0].ID)
			}
		}
		w.got = nil
		w.run()()
		w.expect("") // it is over
	})
}

// TestDamagedFile: what happens later is told all the same, under other ids.
func TestDamagedFile(t *testing.T) {
	for name, text := range map[string]string{"torn": `{"name": "x`, "empty": "", "nothing in it": "{}", "null": `{"name":"x","messages":[null,{"ways":{"webhook":null}}]}`, "another": "[]"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				write(t, w.file(), []byte(text))
				defer w.run()()
				w.becomes(current(7, 7, 6, 7, true))
				w.expect("confirmed 7")
			})
		})
	}
}

// TestFullDisk: somebody is told although nothing can be written.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.dir = filepath.Join(w.dir, "gone")
		defer w.run()()
		w.becomes(current(7, 7, 6, 7, true))
		w.expect("confirmed 7")
		if !strings.Contains(w.log.String(), "can't be kept") {
			t.Error(w.log.String())
		}
	})
}

// TestIdle: while nothing happens nobody looks, and nothing is written.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		looks := 0
		room := New(Options{
			File: w.file(), Ways: []Way{w}, Log: slog.New(slog.DiscardHandler),
			Stand:   func() Stand { looks++; return sixRuns },
			Changed: func() <-chan struct{} { return nil },
		})
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		_ = room.Run(ctx)
		if looks != 1 {
			t.Errorf("%d looks", looks)
		}
	})
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(data) {
		t.Fatalf("%s", data)
	}
	return data
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
