package proc

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func sleeper(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "1000")
	cmd.Env = env
	if err := Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			Wait(cmd)
		}
	})
	return cmd
}

func identify(t *testing.T, pid int) Stat {
	t.Helper()
	stat, err := Read(pid)
	if err != nil {
		t.Fatal(err)
	}
	return stat
}

func TestReadAndAllAgree(t *testing.T) {
	cmd := sleeper(t)
	want := identify(t, cmd.Process.Pid)
	if want.Parent != os.Getpid() || want.Name != "sleep" || !want.Alive() {
		t.Errorf("%+v", want)
	}
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		if one.ID == want.ID {
			return
		}
	}
	t.Errorf("process %d is not among all", want.PID)
}

func TestReadOfNobody(t *testing.T) {
	if _, err := Read(1 << 30); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestSignalReachesOnlyWhoIsMeant(t *testing.T) {
	cmd := sleeper(t)
	id := identify(t, cmd.Process.Pid).ID
	earlier := ID{PID: id.PID, Start: id.Start - 1}
	if err := earlier.Signal(syscall.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal to an earlier process of that number: %v", err)
	}
	if err := earlier.Await(t.Context()); err != nil {
		t.Errorf("await of an earlier process of that number: %v", err)
	}
	if err := id.Signal(0); err != nil {
		t.Errorf("it is gone: %v", err)
	}
	for _, pid := range []int{-1, 0, 1} {
		if err := (ID{PID: pid}).Signal(0); err == nil {
			t.Errorf("process %d was signalled", pid)
		}
	}
	if err := id.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := id.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := Wait(cmd); err == nil {
		t.Error("the signal had no effect")
	}
	if err := id.Signal(0); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal to a process that is gone: %v", err)
	}
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	id := identify(t, sleeper(t).Process.Pid).ID
	for name, wait := range map[string]func(context.Context) error{"await": id.Await, "looking": id.awaitLooking} {
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() { result <- wait(ctx) }()
		cancel()
		select {
		case err := <-result:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s does not return", name)
		}
	}
}

func TestAwaitByLooking(t *testing.T) {
	cmd := sleeper(t)
	id := identify(t, cmd.Process.Pid).ID
	result := make(chan error)
	go func() { result <- id.awaitLooking(t.Context()) }()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestEnvironment(t *testing.T) {
	cmd := sleeper(t, "A=1", "OTA_MARK=here", "B=2")
	// Until its exec a child shows our own environment; the name tells.
	awaitName(t, cmd.Process.Pid, "sleep")
	for entry, want := range map[string]bool{
		"OTA_MARK=here": true, "A=1": true, "B=2": true, "B=": false, "OTA_MARK=her": false, "MARK=here": false, "OTA_MARK": false,
	} {
		if got := HasEnviron(cmd.Process.Pid, entry); got != want {
			t.Errorf("%s: %v", entry, got)
		}
	}
}

func awaitName(t *testing.T, pid int, name string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); identify(t, pid).Name != name; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d is not %s", pid, name)
		}
	}
}

func FuzzHasEntry(f *testing.F) {
	f.Add([]byte("A=1\x00B=2\x00"), "B=2")
	f.Fuzz(func(t *testing.T, environ []byte, entry string) {
		if hasEntry(environ, entry) && len(environ) < len(entry) {
			t.Error("found what is longer than the whole")
		}
		if !hasEntry(append([]byte(entry+"\x00"), environ...), entry) && !hasNUL(entry) {
			t.Error("the first entry is not found")
		}
	})
}

func hasNUL(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return true
		}
	}
	return false
}

func TestHoldsPipe(t *testing.T) {
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	defer in.Close()
	name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(in.Fd())))
	if err != nil {
		t.Fatal(err)
	}
	if !HoldsPipe(os.Getpid(), []string{"pipe:[0]", name}) {
		t.Error("our own pipe is not found")
	}
	if HoldsPipe(sleeper(t).Process.Pid, []string{name}) {
		t.Error("found at a process that does not have it")
	}
}

// Orphans come to a process that adopts; only they may be reaped.
func TestReapTakesOrphansOnly(t *testing.T) {
	if !Adopt() {
		t.Skip("orphans are not given to us here")
	}
	ends, stop := Watch()
	defer stop()
	ours := sleeper(t)
	parent := exec.Command("/bin/sh", "-c", "sleep 1000 & echo $!")
	parent.Env = os.Environ()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	parent.Stdout = in
	if err := Start(parent); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := Wait(parent); err != nil {
		t.Fatal(err)
	}
	var text [32]byte
	n, err := out.Read(text[:])
	if err != nil {
		t.Fatal(err)
	}
	orphan, err := strconv.Atoi(string(text[:n-1]))
	if err != nil {
		t.Fatal(err)
	}
	id := identify(t, orphan).ID
	if err := id.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitReaped(t, id, ends)
	if Reap() != Some {
		t.Error("our own child is not counted")
	}

	if err := ours.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	AwaitEnd(ours.Process.Pid)
	if Reap() != Some {
		t.Error("a child that is not yet waited for is not counted")
	}
	var exit *exec.ExitError
	if err := Wait(ours); !errors.As(err, &exit) {
		t.Errorf("its end was taken from who waited: %v", err)
	}
	if len(Known()) != 0 || Reap() != None {
		t.Error("somebody is left")
	}
}

// A child on the list does not hide whether anybody else is left.
func TestStrangersAreThoseNotOnTheList(t *testing.T) {
	if !Adopt() {
		t.Skip("orphans are not given to us here")
	}
	if Strangers() == Unknown {
		t.Skip("the kernel does not list children")
	}
	ends, stop := Watch()
	defer stop()
	sleeper(t)
	if got := Strangers(); got != None {
		t.Errorf("beside a child on the list: %s", got)
	}
	// The orphans' parent is none of the list: many, and one below another.
	parent := exec.Command("/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sh -c 'sleep 1000 & wait' & done; sleep 1000 & echo $!")
	var out strings.Builder
	parent.Stdout = &out
	parent.WaitDelay = time.Millisecond
	if err := Run(parent); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatal(err)
	}
	if got := Strangers(); got != Some {
		t.Errorf("beside orphans: %s", got)
	}
	deadline := time.After(20 * time.Second)
	for Strangers() != None {
		all, err := All()
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			if _, known := Known()[one.PID]; one.Parent == os.Getpid() && !known {
				_ = one.Signal(syscall.SIGKILL) // it may have ended
			}
		}
		select {
		case <-ends:
		case <-deadline:
			t.Fatal("strangers are left")
		}
	}
	if Reap() != Some {
		t.Error("the child on the list is gone")
	}
}

func BenchmarkStrangers(b *testing.B) {
	if !Adopt() || Strangers() == Unknown {
		b.Skip("strangers are not told here")
	}
	cmd := exec.Command("/bin/sleep", "1000")
	if err := Start(cmd); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if Strangers() != None {
			b.Fatal("somebody is left")
		}
	}
	_ = cmd.Process.Kill()
	_ = Wait(cmd)
}

func awaitReaped(t *testing.T, id ID, ends <-chan os.Signal) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		Reap()
		if stat, err := Read(id.PID); err != nil || stat.ID != id {
			return
		}
		select {
		case <-ends:
		case <-deadline:
			t.Fatal("the orphan is not reaped")
		}
	}
}

func TestWaitWakesWatchers(t *testing.T) {
	cmd := exec.Command("/bin/true")
	if err := Start(cmd); err != nil {
		t.Fatal(err)
	}
	AwaitEnd(cmd.Process.Pid)
	ends, stop := Watch()
	defer stop()
	if err := Wait(cmd); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ends:
	case <-time.After(20 * time.Second):
		t.Error("nobody was told")
	}
}

func TestStartReportsItsError(t *testing.T) {
	if err := Run(exec.Command("/nonexistent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if known := Known(); len(known) != 0 {
		t.Errorf("%v is on the list", known)
	}
}
