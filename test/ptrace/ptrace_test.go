//go:build linux && amd64

package ptrace_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ota/test/ptrace"
)

func TestMain(m *testing.M) {
	ptrace.Main()
	if os.Getenv("PTRACE_TEST_CHILD") != "" {
		child()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is the program under test: threads that write at the same time.
func child() {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 10 {
				os.WriteFile(fmt.Sprintf("%d-%d", i, j), []byte("x"), 0o600)
			}
		})
	}
	all.Wait()
}

func run(t *testing.T, cmd *exec.Cmd, decide func(ptrace.Call) ptrace.Action) ptrace.Result {
	t.Helper()
	result, err := ptrace.Run(t.Context(), cmd, decide)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func shell(dir, script string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", "-ec", script)
	cmd.Dir = dir
	return cmd
}

// names lists what is in dir.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return strings.Join(all, " ")
}

func TestCallsAreNamedInOrder(t *testing.T) {
	dir := t.TempDir()
	cmd := shell(dir, `
		cd .
		echo one >a; read x <a
		mkdir d; mv a d/b; ln -s there l; ln d/b c
		chmod 600 c; touch -d 2001-01-01 c; truncate -s 1 c; rm l; rmdir e || :
		echo not to a file | cat`)
	var seen []string
	result := run(t, cmd, func(call ptrace.Call) ptrace.Action {
		seen = append(seen, strings.ReplaceAll(call.String(), dir+"/", ""))
		return ptrace.Continue
	})
	want := []string{
		"1: openat a", "2: write a", "3: mkdir d", "4: renameat2 a → d/b",
		"5: symlinkat l", "6: linkat d/b → c", "7: fchmodat c",
		"8: openat c", "9: utimensat c", "10: openat c", "11: ftruncate c",
		"12: unlinkat l", "13: rmdir e",
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if result.Calls != len(want) || result.Status.ExitStatus() != 0 {
		t.Errorf("result: %+v", result)
	}
}

func TestKillLeavesExactlyWhatWasDoneBefore(t *testing.T) {
	// Each step by another process.
	const script = `/bin/mkdir a; (/bin/mkdir b; /bin/mkdir c) & wait; exec /bin/mkdir d`
	for n, want := range []string{"", "a", "a b", "a b c", "a b c d"} {
		dir := t.TempDir()
		result := run(t, shell(dir, script), func(call ptrace.Call) ptrace.Action {
			if call.N == n+1 {
				return ptrace.Kill
			}
			return ptrace.Continue
		})
		if got := names(t, dir); got != want {
			t.Errorf("killed before call %d: there is %q, want %q", n+1, got, want)
		}
		if killed := result.Status.Signaled() && result.Status.Signal() == unix.SIGKILL; killed != (n < 4) {
			t.Errorf("killed before call %d: status %v", n+1, result.Status)
		}
	}
}

func TestErrnoAnswersTheCall(t *testing.T) {
	dir := t.TempDir()
	cmd := shell(dir, `mkdir a 2>/dev/null && exit 1; mkdir b; echo text 2>/dev/null >f && exit 2; exit 0`)
	result := run(t, cmd, func(call ptrace.Call) ptrace.Action {
		switch {
		case filepath.Base(call.Path) == "a":
			return ptrace.Errno(syscall.ENOSPC)
		case call.Name == "write":
			return ptrace.Errno(syscall.EIO)
		}
		return ptrace.Continue
	})
	if got := names(t, dir); got != "b f" || result.Status.ExitStatus() != 0 {
		t.Errorf("there is %q, status %d", got, result.Status.ExitStatus())
	}
	if content, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || len(content) > 0 {
		t.Errorf("f holds %q, %v", content, err)
	}
}

func TestDescriptorsAreAskedAboutOnRequest(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("text\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const script = `read x <a; echo $x | { read y; echo $y >b; }; read z 2>/dev/null <a || : >c`
	seen := map[string]int{}
	_, err := ptrace.Run(t.Context(), shell(dir, script), func(call ptrace.Call) ptrace.Action {
		name := strings.ReplaceAll(strings.TrimLeft(call.String(), "0123456789: "), dir+"/", "")
		if seen[name]++; name == "openat a" && seen[name] == 2 {
			return ptrace.Errno(syscall.EMFILE)
		}
		return ptrace.Continue
	}, ptrace.Descriptors)
	if err != nil {
		t.Fatal(err)
	}
	pipes := seen["pipe2 "] + seen["pipe "]
	if seen["openat a"] != 2 || seen["openat b"] != 1 || seen["write b"] != 1 || pipes != 1 {
		t.Errorf("asked about %v", seen)
	}
	if got := names(t, dir); got != "a b c" {
		t.Errorf("there is %q", got)
	}
}

func TestThreadsCountTogetherAndOneAtATime(t *testing.T) {
	const all = 8 * 10 * 2 // each file is opened and written
	dir := t.TempDir()
	last := 0
	child := func() *exec.Cmd {
		cmd := exec.Command("/proc/self/exe")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PTRACE_TEST_CHILD=1")
		return cmd
	}
	result := run(t, child(), func(call ptrace.Call) ptrace.Action {
		if call.N != last+1 {
			t.Errorf("call %d came after %d", call.N, last)
		}
		last = call.N
		return ptrace.Continue
	})
	if result.Calls != all || len(strings.Fields(names(t, dir))) != all/2 {
		t.Errorf("%d calls made %s", result.Calls, names(t, dir))
	}
	dir = t.TempDir()
	opened := 0
	run(t, child(), func(call ptrace.Call) ptrace.Action {
		if here := len(strings.Fields(names(t, dir))); here != opened {
			t.Errorf("before call %d: %d files where %d were made", call.N, here, opened)
		}
		if call.N == all/2 {
			return ptrace.Kill
		}
		if call.Name == "openat" {
			opened++
		}
		return ptrace.Continue
	})
}

func TestEndOfContextKillsDescendantsToo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dir := t.TempDir()
	cmd := shell(dir, `setsid sh -c 'echo $$ >pid; exec sleep 1000' & exit 0`)
	result, err := ptrace.Run(ctx, cmd, func(call ptrace.Call) ptrace.Action {
		if call.Name == "write" {
			cancel()
		}
		return ptrace.Continue
	})
	if err != nil || result.Status.ExitStatus() != 0 && !result.Status.Signaled() {
		t.Errorf("result %+v, %v", result, err)
	}
	if content, err := os.ReadFile(filepath.Join(dir, "pid")); err == nil && len(content) > 0 {
		// A zombie, until its new parent looks after it, has no executable.
		if name, err := os.Readlink(filepath.Join("/proc", strings.TrimSpace(string(content)), "exe")); err == nil {
			t.Errorf("process %s still lives as %s", content, name)
		}
	}
}

func TestOtherChildrenAreLeftAlone(t *testing.T) {
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := exec.Command("/bin/true").Run(); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			dir := t.TempDir()
			result := run(t, shell(dir, "mkdir a"), func(ptrace.Call) ptrace.Action { return ptrace.Continue })
			if result.Calls != 1 || names(t, dir) != "a" {
				t.Errorf("%+v, %q", result, names(t, dir))
			}
		})
	}
	all.Wait()
}

func BenchmarkRun(b *testing.B) {
	for b.Loop() {
		ptrace.Run(b.Context(), exec.Command("/bin/true"), func(ptrace.Call) ptrace.Action { return ptrace.Continue })
	}
}

func BenchmarkRunGo(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		cmd := exec.Command("/proc/self/exe")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PTRACE_TEST_CHILD=1")
		ptrace.Run(b.Context(), cmd, func(ptrace.Call) ptrace.Action { return ptrace.Continue })
	}
}
