package program

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ota/internal/kit/proc"
)

// stage is a room with a folder, and the means to see who is alive.
type stage struct {
	t    *testing.T
	dir  string
	room *Room
	out  *lines
	log  *bytes.Buffer
}

func newStage(t *testing.T, offers string) *stage {
	t.Helper()
	dir := t.TempDir()
	log := &bytes.Buffer{}
	s := &stage{t: t, dir: dir, out: newLines(t), log: log,
		room: newRoom(dir, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), offers)}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.room.Stop(ended); err != nil {
			t.Error(err)
		}
		if _, err := s.room.EndLeftovers(ended); err != nil {
			t.Error(err)
		}
		if err := s.room.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return s
}

func (s *stage) spec(role string, args ...string) Spec {
	s.t.Helper()
	return Spec{
		Argv: append([]string{binary(), "role", role, s.dir}, args...),
		Dir:  s.dir, Env: os.Environ(), Stdout: s.out, Stderr: os.Stderr,
	}
}

func (s *stage) start(role string, args ...string) *Run {
	s.t.Helper()
	run, err := s.room.Start(s.spec(role, args...))
	if err != nil {
		s.t.Fatal(err)
	}
	return run
}

// stop stops, and says how long it took.
func (s *stage) stop(ctx context.Context) time.Duration {
	s.t.Helper()
	begin := time.Now()
	if err := s.room.Stop(ctx); err != nil {
		s.t.Fatal(err)
	}
	return time.Since(begin)
}

// mustBeEmpty fails if anybody who appeared is alive.
func (s *stage) mustBeEmpty(atLeast int) {
	s.t.Helper()
	ids := appeared(s.dir)
	if len(ids) < atLeast {
		s.t.Errorf("%d processes appeared, want at least %d", len(ids), atLeast)
	}
	for _, id := range ids {
		if isAlive(id) {
			s.t.Errorf("process %d is alive", id.PID)
		}
	}
	if left := s.room.Left(); left != 0 {
		s.t.Errorf("Left() = %d after Stop", left)
	}
}

func isAlive(id proc.ID) bool {
	stat, err := proc.Read(id.PID)
	return err == nil && stat.ID == id && stat.Alive()
}

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("no %s after a minute", what)
	}
}

// everywhere runs a test with each part of what the system offers alone.
func everywhere(t *testing.T, test func(t *testing.T, offers string)) {
	for _, offers := range []string{"all", "adopt", "cgroup", "bare"} {
		t.Run(offers, func(t *testing.T) { test(t, offers) })
	}
}

// unhurried leaves every signal the time to act on the most loaded machine.
var unhurried = ladder([]Step{
	{Signal: syscall.SIGINT},
	{Signal: syscall.SIGTERM, After: 5 * time.Minute},
	{Signal: syscall.SIGKILL, After: 10 * time.Minute},
})

func TestObedientProgramEndsAtTheFirstSignal(t *testing.T) {
	everywhere(t, func(t *testing.T, offers string) {
		s := newStage(t, offers)
		s.room.steps = unhurried
		run := s.start("obey")
		s.out.await(t, "ready")
		s.stop(t.Context())
		await(t, "end", run.Done())
		if exit := run.Exit(); !exit.Success() || exit.String() != "exit code 0" || exit.At.Before(run.Started()) {
			t.Errorf("exit = %+v", exit)
		}
		s.out.await(t, "bye")
		s.mustBeEmpty(1)
		await(t, "end of output", run.Drained())
	})
}

func TestEachSignalHasItsTime(t *testing.T) {
	for _, test := range []struct {
		ignores   string
		signal    syscall.Signal
		term, end time.Duration // when SIGTERM and SIGKILL are due
		after     time.Duration
	}{
		{"", syscall.SIGTERM, 100 * time.Millisecond, time.Minute, 100 * time.Millisecond},
		{"term", syscall.SIGKILL, 100 * time.Millisecond, 200 * time.Millisecond, 200 * time.Millisecond},
	} {
		t.Run(test.signal.String(), func(t *testing.T) {
			s := newStage(t, "all")
			s.room.steps = ladder([]Step{
				{Signal: syscall.SIGKILL, After: test.end},
				{Signal: syscall.SIGTERM, After: test.term},
				{Signal: syscall.SIGINT},
			})
			run := s.start("deaf", test.ignores)
			s.out.await(t, "ready")
			if took := s.stop(t.Context()); took < test.after {
				t.Errorf("stop took %v, signal was due after %v", took, test.after)
			}
			if got := run.Exit(); got.Signal != test.signal || got.Code != 128+int(test.signal) {
				t.Errorf("exit = %v, want signal %v", got, test.signal)
			}
			s.mustBeEmpty(1)
		})
	}
}

func TestEndOfContextKillsAtOnce(t *testing.T) {
	s := newStage(t, "all")
	s.room.steps = unhurried
	run := s.start("deaf", "term")
	s.out.await(t, "ready")
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan time.Duration)
	go func() { stopped <- s.stop(ctx) }()
	select {
	case <-stopped:
		t.Fatal("a deaf program was stopped by SIGINT")
	case <-run.Done():
		t.Fatal("a deaf program has ended by SIGINT")
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	if took := <-stopped; took > time.Minute {
		t.Errorf("stop took %v", took)
	}
	if got := run.Exit().String(); got != "killed by SIGKILL" {
		t.Errorf("exit = %s", got)
	}
	s.mustBeEmpty(1)
}

func TestDaemonsThatLeftEverythingAreEnded(t *testing.T) {
	everywhere(t, func(t *testing.T, offers string) {
		for _, stays := range []string{"stay", "leave"} {
			t.Run(stays, func(t *testing.T) {
				s := newStage(t, offers)
				await(t, "end", s.start("exit", "0").Done()) // shows what there is
				if s.stop(t.Context()); !s.room.host.adopted && s.room.host.group == nil {
					t.Skip("who clears its environment is found by a control group or adoption only")
				}
				run := s.start("daemons", stays)
				s.out.await(t, "ready")
				if stays == "leave" {
					await(t, "end", run.Done())
				}
				if left := s.room.Left(); left != 3 {
					t.Errorf("Left() = %d, want 3", left)
				}
				if _, err := s.room.Start(s.spec("obey")); !errors.Is(err, ErrAlive) {
					t.Errorf("a second start: %v, want ErrAlive", err)
				}
				s.stop(t.Context())
				s.mustBeEmpty(3)
			})
		}
	})
}

func TestMarkAloneFindsDaemons(t *testing.T) {
	s := newStage(t, "bare")
	run := s.start("parent")
	s.out.await(t, "ready")
	await(t, "end", run.Done())
	s.stop(t.Context())
	s.mustBeEmpty(1)
}

func TestGrandchildKeepingTheOutputHangsNothing(t *testing.T) {
	s := newStage(t, "all")
	run := s.start("parent")
	s.out.await(t, "ready")
	await(t, "end", run.Done())
	select {
	case <-run.Drained():
		t.Error("output ended while a grandchild holds it")
	default:
	}
	s.stop(t.Context())
	await(t, "end of output", run.Drained())
	s.mustBeEmpty(1)
}

func TestStrangerKeepingTheOutputHangsNothing(t *testing.T) {
	s := newStage(t, "all")
	run := s.start("obey")
	s.out.await(t, "ready")
	// Our own descriptor stands for one that was passed out of the tree.
	path := filepath.Join("/proc", strconv.Itoa(run.PID()), "fd/1")
	kept, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	s.stop(t.Context())
	await(t, "end of output", run.Drained())
}

func TestStoppedProgramEnds(t *testing.T) {
	everywhere(t, func(t *testing.T, offers string) {
		s := newStage(t, offers)
		s.room.steps = unhurried
		run := s.start("obey")
		s.out.await(t, "ready")
		if err := syscall.Kill(run.PID(), syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		s.stop(t.Context())
		if exit := run.Exit(); !exit.Success() {
			t.Errorf("exit = %v: SIGINT was not heard", exit)
		}
	})
}

func TestFloodGoesThrough(t *testing.T) {
	s := newStage(t, "all")
	var got counter
	spec := s.spec("flood", strconv.Itoa(200<<20))
	spec.Stdout = &got
	run, err := s.room.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "end", run.Done())
	await(t, "end of output", run.Drained())
	if got.n.Load() != 200<<20 {
		t.Errorf("%d bytes, want %d", got.n.Load(), 200<<20)
	}
}

type counter struct{ n atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

func TestExits(t *testing.T) {
	s := newStage(t, "all")
	for _, test := range []struct {
		role, arg, want string
		code            int
	}{
		{"exit", "0", "exit code 0", 0},
		{"exit", "3", "exit code 3", 3},
		{"crash", "", "killed by SIGKILL", 137},
	} {
		run := s.start(test.role, test.arg)
		await(t, "end", run.Done())
		if exit := run.Exit(); exit.String() != test.want || exit.Code != test.code {
			t.Errorf("%s %s: %+v, want %s", test.role, test.arg, exit, test.want)
		}
		s.stop(t.Context())
	}
}

func TestOutputKeepsItsOrderFromOneProgramToTheNext(t *testing.T) {
	s := newStage(t, "all")
	first := &gate{open: make(chan struct{})}
	var second counter
	start := func(out io.Writer) *Run {
		spec := s.spec("flood", "1")
		spec.Stdout = out
		run, err := s.room.Start(spec)
		if err != nil {
			t.Fatal(err)
		}
		await(t, "end", run.Done())
		s.stop(t.Context())
		return run
	}
	before := start(first)
	after := start(&second)
	if n := second.n.Load(); n != 0 {
		t.Errorf("%d bytes of the second before the first's", n)
	}
	close(first.open)
	await(t, "end of output", before.Drained())
	await(t, "end of output", after.Drained())
	if first.n.Load() != second.n.Load() || second.n.Load() == 0 {
		t.Errorf("%d bytes, then %d", first.n.Load(), second.n.Load())
	}
}

// TestComplaintsComeAfterWhatWasPrintedBefore: what a program writes on stdout
// before it writes on stderr is handed over before that.
func TestComplaintsComeAfterWhatWasPrintedBefore(t *testing.T) {
	const turns = 3000
	s := newStage(t, "all")
	var got transcript
	spec := s.spec("")
	spec.Argv = []string{"/bin/sh", "-c", "i=0; while [ $i -lt $0 ]; do echo said; echo complained >&2; i=$((i+1)); done", strconv.Itoa(turns)}
	spec.Stdout, spec.Stderr = &got, &got
	run, err := s.room.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "end of output", run.Drained())
	said, complained := 0, 0
	for line := range strings.Lines(got.String()) {
		switch line {
		case "said\n":
			said++
		case "complained\n":
			if complained++; complained > said {
				t.Fatalf("complaint %d is handed over when %d lines have been said", complained, said)
			}
		}
	}
	if said != turns || complained != turns {
		t.Errorf("%d lines said, %d complained", said, complained)
	}
}

// transcript is all output in the order in which it was handed over.
type transcript struct {
	mu sync.Mutex
	bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Buffer.Write(p)
}

// TestLastWordsOutliveTheirReader: what a program says last is handed over,
// although who takes it is at work on something before, longer than is waited for.
func TestLastWordsOutliveTheirReader(t *testing.T) {
	s := newStage(t, "all")
	slow := &gate{open: make(chan struct{}), entered: make(chan struct{}, 9)}
	spec := s.spec("")
	spec.Argv = []string{"/bin/sh", "-c", "echo first; until [ -e go ]; do sleep 0.01; done; echo second"}
	spec.Stdout = slow
	run, err := s.room.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the first line", slow.entered)
	if err := os.WriteFile(filepath.Join(s.dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "end", run.gone)
	<-time.After(2 * drainLimit) // this is what is to be outlived
	close(slow.open)
	await(t, "end of output", run.Drained())
	if n := slow.n.Load(); n != int64(len("first\nsecond\n")) {
		t.Errorf("%d bytes were handed over", n)
	}
}

// gate is a writer that waits until it is opened.
type gate struct {
	counter
	open    chan struct{}
	entered chan struct{} // hears of each piece; nil: nobody does
}

func (g *gate) Write(p []byte) (int, error) {
	select {
	case g.entered <- struct{}{}:
	default:
	}
	<-g.open
	return g.counter.Write(p)
}

func TestWhatCannotBeStarted(t *testing.T) {
	s := newStage(t, "all")
	for _, argv := range [][]string{nil, {"python3"}, {"/nonexistent/python3"}, {s.dir}} {
		_, err := s.room.Start(Spec{Argv: argv, Dir: s.dir})
		if err == nil || !strings.HasPrefix(err.Error(), "cannot start program: ") {
			t.Errorf("Start(%q) = %v", argv, err)
		}
	}
	// And nothing of that stands in the way of what can.
	run := s.start("exit", "0")
	await(t, "end", run.Done())
}

func TestEnvironment(t *testing.T) {
	s := newStage(t, "all")
	spec := s.spec("")
	spec.Argv = []string{"/bin/sh", "-c", "echo $A $OTA_MARK; cat"} // stdin is empty
	spec.Env = []string{"A=1", "OTA_MARK=another", "A=2"}
	run, err := s.room.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	s.out.await(t, "2 "+s.dir)
	await(t, "end", run.Done())
	s.stop(t.Context())
}

// A shell starts its jobs in the background deaf to SIGINT.
func TestProgramHearsWhatOtaWasToldToIgnore(t *testing.T) {
	signal.Ignore(syscall.SIGINT)
	defer signal.Reset(syscall.SIGINT)
	s := newStage(t, "all")
	spec := s.spec("")
	spec.Argv = []string{"/bin/sh", "-c", "kill -INT $$; sleep 1; exit 1"}
	run, err := s.room.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "end", run.Done())
	if got := run.Exit().String(); got != "killed by SIGINT" {
		t.Errorf("exit = %s", got)
	}
	s.stop(t.Context())
}

func TestOrphansAreReaped(t *testing.T) {
	s := newStage(t, "adopt")
	if !s.room.host.adopted {
		t.Skip("orphans are not given to us here")
	}
	spec := s.spec("")
	spec.Argv = []string{"/bin/sh", "-c", `
		for i in 1 2 3 4 5 6 7 8; do (sh -c 'echo $$; exit 0' & ); done
		echo ready; exec sleep 1000`}
	run, err := s.room.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	s.out.await(t, "ready")
	deadline := time.Now().Add(20 * time.Second)
	for zombies(t) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d zombies are left", zombies(t))
		}
		time.Sleep(time.Millisecond)
	}
	select {
	case <-run.Done():
		t.Error("the main process was reaped with them")
	default:
	}
	s.stop(t.Context())
}

func zombies(t *testing.T) int {
	t.Helper()
	all, err := proc.All()
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, one := range all {
		if one.Parent == os.Getpid() && !one.Alive() {
			count++
		}
	}
	return count
}

func TestOthersChildrenAreLeftAlone(t *testing.T) {
	everywhere(t, func(t *testing.T, offers string) {
		helper := self(false, os.Environ(), "deaf", t.TempDir(), "term")
		if err := proc.Start(helper); err != nil {
			t.Fatal(err)
		}
		s := newStage(t, offers)
		s.start("obey")
		s.out.await(t, "ready")
		s.stop(t.Context())
		s.mustBeEmpty(1)
		if err := helper.Process.Signal(syscall.Signal(0)); err != nil {
			t.Errorf("a child that is not the program's: %v", err)
		}
		if err := helper.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := proc.Wait(helper); err == nil || helper.ProcessState == nil {
			t.Errorf("its end was taken from who waited for it: %v", err)
		}
	})
}

// A shell that replaces itself by ota leaves its jobs to it.
func TestChildrenFromBeforeAreLeftAlone(t *testing.T) {
	inherited := self(true, os.Environ(), "deaf", t.TempDir(), "term")
	if err := inherited.Start(); err != nil {
		t.Fatal(err)
	}
	defer inherited.Process.Kill()
	s := newStage(t, "all")
	s.room.steps = unhurried
	s.start("obey")
	s.out.await(t, "ready")
	s.stop(t.Context())
	s.mustBeEmpty(1)
	if err := inherited.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("a child from before the first program: %v", err)
	}
}

func TestWhoForksWhileBeingKilledIsEnded(t *testing.T) {
	for _, offers := range []string{"all", "adopt"} {
		t.Run(offers, func(t *testing.T) {
			s := newStage(t, offers)
			spec := s.spec("spawner", "2")
			spec.Stderr = io.Discard
			run, err := s.room.Start(spec)
			if err != nil {
				t.Fatal(err)
			}
			s.out.await(t, "ready")
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // while they fork
			took := s.stop(ctx)
			await(t, "end", run.Done())
			s.mustBeEmpty(1)
			t.Logf("stopped after %v; %d spawners had appeared", took, len(appeared(s.dir)))
		})
	}
}

func needCgroup(t *testing.T) {
	t.Helper()
	group, err := newCgroup(t.Name())
	if err != nil {
		t.Skipf("no control group can be made: %v", err)
	}
	if err := group.remove(); err != nil {
		t.Fatal(err)
	}
}
