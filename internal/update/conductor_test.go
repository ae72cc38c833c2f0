package update

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ota/internal/activate"
	"ota/internal/check"
	"ota/internal/deposit"
	"ota/internal/reason"
	"ota/internal/release"
	"ota/internal/trial"
)

// stage is the conductor among rooms of cardboard, in virtual time.
type stage struct {
	t         *testing.T
	conductor *Conductor
	deposit   *fakeDeposit
	main      *fakeMain
	program   *fakeProgram
	trial     *fakeTrial
	busy      *fakeBusy
	releases  *release.Room
	end       context.CancelFunc
	done      chan struct{}
	exit      *Exit
}

func newStage(t *testing.T, change func(*Options)) *stage {
	t.Helper()
	releases, _, err := release.Open(filepath.Join(t.TempDir(), ".ota"))
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{
		t: t, deposit: newFakeDeposit(), main: &fakeMain{}, done: make(chan struct{}),
		trial: &fakeTrial{}, busy: &fakeBusy{}, releases: releases,
	}
	s.program = &fakeProgram{t: t, main: s.main}
	options := Options{
		Deposit: s.deposit, Main: s.main, Releases: releases, Program: s.program,
		Space:     func(*deposit.Snapshot) error { return nil },
		Links:     func(map[string]string) ([]reason.Reason, error) { return nil, nil },
		Plausible: func([]check.Arrival) ([]reason.Reason, error) { return nil, nil },
		Bytecode:  func(string) (string, func(string) bool) { return ".", func(string) bool { return false } },
		Trial:     s.trial, Busy: s.busy, Reserve: noReserve{},
		Settings: always(2, time.Hour), Limits: release.Limits{Keep: 10},
		Check: func(context.Context, check.Candidate) (check.Verdict, error) { return check.Verdict{}, nil },
		Tidy:  func([]string) {},
		Log:   slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&options)
	}
	s.conductor = New(options)
	ctx, end := context.WithCancel(context.Background())
	s.end = end
	go func() {
		defer close(s.done)
		s.exit, _ = s.conductor.Run(ctx, context.Background())
	}()
	synctest.Wait()
	return s
}

// always are settings that never change.
func always(attempts int, maxDefer time.Duration) func() Settings {
	return func() Settings {
		return Settings{
			Attempts: attempts, MaxDefer: maxDefer, Restart: OnFailure,
			Window: func(time.Time) (bool, string) { return true, "" },
		}
	}
}

func (s *stage) close() {
	s.end()
	<-s.done
	if alive := s.program.running(); alive {
		s.t.Error("the program is left behind")
	}
}

func (s *stage) expect(program Program, attempt Attempt) {
	s.t.Helper()
	synctest.Wait()
	if got := s.conductor.Report().State; got.Attempt != attempt || got.Program != program {
		s.t.Fatalf("state is %v, not %v, %v", got, attempt, program)
	}
}

func (s *stage) stands(standing Standing, current int) {
	s.t.Helper()
	synctest.Wait()
	if got := s.conductor.Report().State.Standing; got != standing {
		s.t.Fatalf("the release is %v, not %v", got, standing)
	}
	if got := s.releases.Current(); got != current {
		s.t.Fatalf("release %d is current, not %d", got, current)
	}
}

// fakeDeposit shows the uploads that a test puts in.
type fakeDeposit struct {
	views    chan deposit.View
	mutex    sync.Mutex
	upload   []deposit.File // nil: nothing is there
	asked    uint64
	removed  int
	returned int
	left     *deposit.View // shown at once when an upload is taken out; nil: nothing
}

func newFakeDeposit() *fakeDeposit { return &fakeDeposit{views: make(chan deposit.View, 1)} }

func (d *fakeDeposit) Views() <-chan deposit.View { return d.views }
func (d *fakeDeposit) Look()                      { d.show(nil, true) }
func (d *fakeDeposit) Apply()                     { d.show(nil, true) }

// put is an upload that is complete at once. It consists of a link, which needs
// no content.
func (d *fakeDeposit) put(target string) {
	d.show([]deposit.File{{Path: "link", Kind: deposit.KindLink, Target: target}}, false)
}

func (d *fakeDeposit) show(upload []deposit.File, asked bool) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if asked {
		d.asked++
	}
	if upload != nil {
		d.upload = upload
	}
	view := deposit.View{State: deposit.Empty, Asked: d.asked}
	if d.upload != nil {
		view.State, view.Files, view.Upload = deposit.Complete, len(d.upload), new(deposit.Snapshot)
	}
	select {
	case <-d.views:
	default:
	}
	d.views <- view
}

func (d *fakeDeposit) Seal(ctx context.Context, _ *deposit.Snapshot) (*deposit.Sealed, error) {
	time.Sleep(20 * time.Millisecond)
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.upload == nil {
		return nil, deposit.ErrChanged
	}
	return &deposit.Sealed{Files: d.upload}, ctx.Err()
}

func (d *fakeDeposit) Remove(sealed *deposit.Sealed) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if len(d.upload) > 0 && &d.upload[0] == &sealed.Files[0] {
		d.upload = nil
	}
	d.removed++
	if d.left != nil {
		d.views <- *d.left
	}
	return nil
}

// Return puts the files back as one that nobody has touched since.
func (d *fakeDeposit) Return(_ context.Context, parcels []deposit.Parcel) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.upload != nil {
		return nil
	}
	for i := range parcels {
		parcels[i].Trace = "returned"
		d.upload = append(d.upload, parcels[i].File)
	}
	d.returned++
	return nil
}

func (d *fakeDeposit) Discard(context.Context, []deposit.Parcel) (deposit.Discarded, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	found := deposit.Discarded{Files: len(d.upload)}
	d.upload = nil
	return found, nil
}

func (d *fakeDeposit) Keep(context.Context, []deposit.Parcel) (deposit.Discarded, error) {
	return deposit.Discarded{}, nil
}

// fakeTrial watches for ten seconds.
type fakeTrial struct {
	mutex sync.Mutex
	fails string // why the next trial fails, at its end
	asked int
}

func (f *fakeTrial) Ask(context.Context) []trial.Result {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.asked++
	return nil
}

func (f *fakeTrial) Watch(ctx context.Context, run trial.Run, _ trial.Terms) trial.Verdict {
	period := time.NewTimer(10 * time.Second)
	defer period.Stop()
	select {
	case <-ctx.Done():
		return trial.Verdict{Outcome: trial.Left}
	case <-run.Done():
		return trial.Verdict{Outcome: trial.Left}
	case <-period.C:
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if why := f.fails; why != "" {
		f.fails = ""
		return trial.Verdict{Outcome: trial.Failed, Why: why}
	}
	return trial.Verdict{Outcome: trial.Proved}
}

func (f *fakeTrial) fail(why string) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.fails = why
}

// fakeBusy is a lock that a test takes.
type fakeBusy struct {
	mutex sync.Mutex
	busy  bool
	taken int
}

func (b *fakeBusy) Take() (func(), bool, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.busy {
		return nil, false, nil
	}
	b.taken++
	return func() {
		b.mutex.Lock()
		defer b.mutex.Unlock()
		b.taken--
	}, true, nil
}

func (b *fakeBusy) set(busy bool) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.busy = busy
}

type noReserve struct{}

func (noReserve) Fill() error { return nil }
func (noReserve) Spend() bool { return false }

// fakeMain is a main/ that takes its time.
type fakeMain struct {
	mutex     sync.Mutex
	switching bool
	switched  int
	fails     error // of Switch
	same      bool  // nothing that comes differs
}

func (m *fakeMain) Compare(wanted []activate.Wanted) ([]activate.Found, error) {
	found := make([]activate.Found, len(wanted))
	for i := range found {
		found[i] = activate.Missing
		if m.same {
			found[i] = activate.Equal
		}
	}
	return found, nil
}

func (m *fakeMain) Empty() bool { return true }

func (m *fakeMain) Scan(context.Context, func(string, release.Entry) error) error { return nil }

func (m *fakeMain) Inspect(context.Context, *release.Tree, *release.Store) (activate.Inspection, error) {
	return activate.Inspection{}, nil
}

func (m *fakeMain) Prepare(context.Context, activate.Plan) error { return nil }

func (m *fakeMain) Switch() error {
	m.set(true)
	defer m.set(false)
	time.Sleep(3 * time.Millisecond)
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.fails == nil {
		m.switched++
	}
	return m.fails
}

func (m *fakeMain) set(switching bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.switching = switching
}

func (m *fakeMain) inSwitch() bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.switching
}

func (m *fakeMain) Recover() (activate.Recovered, json.RawMessage, error) {
	return activate.Nothing, nil, nil
}
func (m *fakeMain) Finish(save func([]activate.Old) error) error { return save(nil) }
func (m *fakeMain) Record(write func() error) error              { return write() }
func (m *fakeMain) Discard() error                               { return nil }

// fakeProgram counts its processes.
type fakeProgram struct {
	t       *testing.T
	main    *fakeMain
	mutex   sync.Mutex
	last    *fakeRun
	starts  []time.Time
	refuses error
	unready time.Duration // how long Equip takes; 0: nothing is lacking
	warmed  []Which
	reloads int
}

type fakeRun struct {
	pid     int
	started time.Time
	done    chan struct{}
	exit    Exit
}

func (r *fakeRun) PID() int               { return r.pid }
func (r *fakeRun) Origin() Origin         { return PlainStart }
func (r *fakeRun) Started() time.Time     { return r.started }
func (r *fakeRun) Done() <-chan struct{}  { return r.done }
func (r *fakeRun) Exit() Exit             { return r.exit }
func (r *fakeRun) Ready() <-chan struct{} { return nil }

func (r *fakeRun) Environment() string { return "" }

func (r *fakeRun) Output() ([]string, *release.Traceback) { return []string{"said"}, nil }

func (p *fakeProgram) Start(int, check.Walk) (Run, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.last != nil && !isDone(p.last.done) {
		p.t.Error("two programs at once")
	}
	if p.main.inSwitch() {
		p.t.Error("a start inside a switch")
	}
	if p.unready > 0 {
		return nil, &Unready{"no environment"}
	}
	p.starts = append(p.starts, time.Now())
	if p.refuses != nil {
		return nil, p.refuses
	}
	p.last = &fakeRun{pid: 100 + len(p.starts), started: time.Now(), done: make(chan struct{})}
	return p.last, nil
}

func (p *fakeProgram) Equip(ctx context.Context) {
	made := time.NewTimer(p.unready)
	defer made.Stop()
	select {
	case <-made.C:
		p.mutex.Lock()
		defer p.mutex.Unlock()
		p.unready = 0
	case <-ctx.Done():
	}
}

func (p *fakeProgram) Warm(_ context.Context, which Which) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.warmed = append(p.warmed, which)
}

func (p *fakeProgram) Cool() {}

func (p *fakeProgram) Reload() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.reloads++
}

func (p *fakeProgram) Stop(context.Context) error {
	time.Sleep(time.Millisecond)
	p.exit(130)
	return nil
}

func (p *fakeProgram) exit(code int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.last == nil || isDone(p.last.done) {
		return
	}
	p.last.exit = Exit{Code: code, At: time.Now()}
	close(p.last.done)
}

func (p *fakeProgram) running() bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.last != nil && !isDone(p.last.done)
}

func (p *fakeProgram) count() int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return len(p.starts)
}

func TestUploadIsSwitchedIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		time.Sleep(time.Second)
		s.expect(Running, Idle)
		s.deposit.put("v1")
		time.Sleep(time.Second)
		s.expect(Running, Idle)
		if s.main.switched != 1 || s.program.count() != 2 || s.deposit.removed != 1 {
			t.Errorf("%d switches, %d starts, %d removed", s.main.switched, s.program.count(), s.deposit.removed)
		}
		if current := s.conductor.options.Releases.Current(); current != 1 {
			t.Errorf("release %d is current", current)
		}
	})
}

// TestWhatLiesInDepositComesFirst: the program is started once, as it will be.
func TestWhatLiesInDepositComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(o *Options) { o.Deposit.(*fakeDeposit).put("v1") })
		defer s.close()
		time.Sleep(time.Second)
		s.expect(Running, Idle)
		if s.main.switched != 1 || s.program.count() != 1 {
			t.Errorf("%d switches, %d starts", s.main.switched, s.program.count())
		}
		if s.busy.taken != 0 {
			t.Error("the program can't become busy")
		}
	})
}

// TestOldLookDiscardsNothing: that deposit/ was empty before files were put back
// does not mean that somebody has deleted them.
func TestOldLookDiscardsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		returned := release.Returned{Step: release.Done, Release: 1, Files: []release.ReturnedFile{{Path: "link", Trace: "returned"}}}
		if err := s.releases.SetReturned(returned); err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			asked uint64
			want  release.Step
		}{{0, release.Done}, {s.deposit.asked, release.None}} {
			s.deposit.views <- deposit.View{State: deposit.Empty, Asked: test.asked}
			synctest.Wait()
			if found, err := s.releases.Returned(); found.Step != test.want || err != nil {
				t.Errorf("after a look that came after %d calls: %q, %v", test.asked, found.Step, err)
			}
		}
	})
}

func TestSameUploadDoesNotRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		s.main.same = true
		s.deposit.put("v1")
		time.Sleep(time.Second)
		s.expect(Running, Idle)
		if s.program.count() != 1 || s.deposit.removed != 1 || s.conductor.options.Releases.Current() != 0 {
			t.Errorf("%d starts, %d removed", s.program.count(), s.deposit.removed)
		}
	})
}

func TestStoppedProgramStaysStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		time.Sleep(time.Second)
		if err := s.conductor.Ask(t.Context(), AskStop); err != nil {
			t.Fatal(err)
		}
		s.deposit.put("v1")
		time.Sleep(time.Second)
		s.expect(Stopped, Idle)
		if s.main.switched != 1 || s.program.count() != 1 {
			t.Errorf("%d switches, %d starts", s.main.switched, s.program.count())
		}
		if err := s.conductor.Ask(t.Context(), AskStart); err != nil {
			t.Fatal(err)
		}
		s.expect(Running, Idle)
	})
}

func TestPausesGrowAndFallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		time.Sleep(time.Second)
		for _, pause := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			s.program.exit(1)
			s.expect(Backoff, Idle)
			time.Sleep(pause*time.Second - time.Millisecond)
			s.expect(Backoff, Idle)
			time.Sleep(100 * time.Millisecond)
			s.expect(Running, Idle)
		}
		if restarts := s.conductor.Report().Restarts; restarts != 8 {
			t.Errorf("%d restarts", restarts)
		}
		time.Sleep(time.Minute)
		s.program.exit(1)
		time.Sleep(1100 * time.Millisecond)
		s.expect(Running, Idle)
		s.deposit.put("v1")
		time.Sleep(time.Second)
		if restarts := s.conductor.Report().Restarts; restarts != 0 {
			t.Errorf("%d restarts of a new release", restarts)
		}
	})
}

func TestUploadEndsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		for range 6 {
			s.program.exit(1)
			time.Sleep(time.Minute)
		}
		s.program.exit(1)
		s.expect(Backoff, Idle)
		s.deposit.put("v1")
		time.Sleep(100 * time.Millisecond)
		s.expect(Running, Idle)
	})
}

func TestFinishedProgramWaitsForTheNextUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		time.Sleep(time.Second)
		s.program.exit(0)
		time.Sleep(time.Hour)
		s.expect(Finished, Idle)
		s.deposit.put("v1")
		time.Sleep(time.Second)
		s.expect(Running, Idle)
	})
}

func TestNothingToStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(o *Options) {
			o.Program.(*fakeProgram).refuses = &NothingToRun{"No main.py"}
		})
		defer s.close()
		time.Sleep(time.Second)
		s.expect(Waiting, Idle)
		var nothing *NothingToRun
		if err := s.conductor.Ask(t.Context(), AskStart); !errors.As(err, &nothing) {
			t.Errorf("start says %v", err)
		}
		s.program.refuses = nil
		s.deposit.put("v1")
		time.Sleep(time.Second)
		s.expect(Running, Idle)
	})
}

func TestHeldUploadIsTriedAgainWhenTheDeviceHinders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mutex sync.Mutex
		full := errors.New("no space")
		s := newStage(t, func(o *Options) {
			o.Space = func(*deposit.Snapshot) error { mutex.Lock(); defer mutex.Unlock(); return full }
		})
		defer s.close()
		s.deposit.put("v1")
		time.Sleep(time.Second)
		s.expect(Running, Held)
		if reasons := s.conductor.Report().Reasons; len(reasons) != 1 || reasons[0].Message != "no space" {
			t.Errorf("reasons: %v", reasons)
		}
		mutex.Lock()
		full = nil
		mutex.Unlock()
		time.Sleep(time.Minute)
		s.expect(Running, Idle)
		if s.main.switched != 1 {
			t.Errorf("%d switches", s.main.switched)
		}
	})
}

func TestFailedSwitchStartsTheOldProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		s.main.fails = errors.New("read-only")
		s.deposit.put("v1")
		time.Sleep(time.Second)
		s.expect(Running, Held)
		if s.program.count() != 2 || s.conductor.options.Releases.Current() != 0 {
			t.Errorf("%d starts", s.program.count())
		}
	})
}

func TestRefusedUploadIsHeldUntilItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(o *Options) {
			o.Deposit = refusing{o.Deposit.(*fakeDeposit)}
		})
		defer s.close()
		s.deposit.put("v1")
		time.Sleep(time.Hour)
		s.expect(Running, Held)
		applied, err := s.conductor.Apply(t.Context(), false)
		if err != nil || applied.Outcome != NotTaken || len(applied.Reasons) != 1 {
			t.Errorf("apply says %v, %v", applied, err)
		}
	})
}

// refusing is a deposit that takes nothing.
type refusing struct{ *fakeDeposit }

func (refusing) Seal(context.Context, *deposit.Snapshot) (*deposit.Sealed, error) {
	return nil, &reason.Refused{Reasons: []reason.Reason{{Path: "x", Message: "no"}}}
}

func TestApplyTellsWhatBecameOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		time.Sleep(time.Second)
		if applied, err := s.conductor.Apply(t.Context(), false); err != nil || applied.Outcome != NothingThere {
			t.Errorf("with nothing there: %v, %v", applied, err)
		}
		s.deposit.mutex.Lock()
		s.deposit.upload = []deposit.File{{Path: "link", Kind: deposit.KindLink, Target: "v1"}}
		s.deposit.mutex.Unlock()
		if applied, err := s.conductor.Apply(t.Context(), false); err != nil || applied.Outcome != Taken || applied.Release != 1 {
			t.Errorf("with an upload: %v, %v", applied, err)
		}
	})
}

// TestApplyIsNotAnsweredByWhatIsLeft: deposit/ may show what an upload leaves
// there before the act that took it has answered.
func TestApplyIsNotAnsweredByWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		time.Sleep(time.Second)
		s.main.same = true
		s.deposit.left = &deposit.View{State: deposit.Receiving, Asked: 1000, Waiting: []reason.Reason{{Path: ".hold"}}}
		s.deposit.mutex.Lock()
		s.deposit.upload = []deposit.File{{Path: "link", Kind: deposit.KindLink, Target: "v1"}}
		s.deposit.mutex.Unlock()
		if applied, err := s.conductor.Apply(t.Context(), false); err != nil || applied.Outcome != Same {
			t.Errorf("apply says %v, %v", applied, err)
		}
	})
}

func TestOnceEndsWithTheProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(o *Options) { o.Once = true })
		time.Sleep(time.Second)
		s.deposit.put("v1") // an update is no end
		time.Sleep(time.Second)
		s.expect(Running, Idle)
		s.program.exit(3)
		<-s.done
		if s.exit == nil || s.exit.Code != 3 {
			t.Errorf("exit %v", s.exit)
		}
		s.end()
	})
}

// TestAnyOrderInVirtualTime throws everything at the conductor at random times.
// The cardboard rooms notice two programs at once and a start inside a switch.
func TestAnyOrderInVirtualTime(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 3))
			s := newStage(t, nil)
			var asking sync.WaitGroup
			for range 300 {
				time.Sleep(time.Duration(random.IntN(1<<random.IntN(24))) * time.Microsecond / 8)
				switch random.IntN(8) {
				case 0, 1:
					s.deposit.put(string(rune('a' + random.IntN(5))))
				case 2:
					s.program.exit(random.IntN(2))
				case 3:
					asking.Go(func() { s.conductor.Ask(context.Background(), AskStop) })
				case 4, 5:
					asking.Go(func() { s.conductor.Ask(context.Background(), AskStart) })
				case 6:
					asking.Go(func() { s.conductor.Ask(context.Background(), AskRestart) })
				case 7:
					asking.Go(func() { s.conductor.Apply(context.Background(), false) })
				}
			}
			time.Sleep(time.Hour)
			asking.Wait() // everybody is answered
			synctest.Wait()
			state := s.conductor.Report().State
			if state.Attempt != Idle {
				t.Errorf("seed %d: it rests in %v", seed, state)
			}
			s.close()
		})
	}
}

// TestAnswer: a conductor answers while it runs, and neither before nor after.
func TestAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		soon, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := New(Options{}).Answer(soon); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one that does nothing answers %v", err)
		}
		s := newStage(t, nil)
		if err := s.conductor.Answer(t.Context()); err != nil {
			t.Errorf("one that waits answers %v", err)
		}
		s.close()
		if err := s.conductor.Answer(t.Context()); !errors.Is(err, ErrEnded) {
			t.Errorf("one that has ended answers %v", err)
		}
	})
}
