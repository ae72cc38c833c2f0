//go:build linux

// Package harness lets the tests beside it drive the real ota, built from this
// tree, in a real folder, and look at what it does from outside.
//
// In: a folder's first content and a user's acts. Out: what stands on the disk,
// what `ota` says, which processes live. Never: anything inside ota; a wait for
// a length of time (all waits are for a condition, with a deadline).
package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"testing"
	"time"

	"ota/shipped"
)

// Deadline is how long a condition is waited for: long enough for the slowest
// machine, as it is only reached by a fault.
const Deadline = 60 * time.Second

// binary is ota, and built where the other programs are, once Main has made
// them.
var binary, built string

// Main is what a TestMain calls: it builds ota, and other packages that the
// tests need, runs the tests and removes all that again. OTA_TEST_BINARY names
// an ota to be tested instead. It does not return.
func Main(m *testing.M, others ...string) { os.Exit(buildAndRun(m, others)) }

func buildAndRun(m *testing.M, others []string) int {
	dir, err := os.MkdirTemp("", "ota-built-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot build ota:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = dir
	if binary = os.Getenv("OTA_TEST_BINARY"); binary == "" {
		binary, others = filepath.Join(dir, "ota"), append(others, product)
	}
	for _, one := range others {
		if err := build(context.Background(), one, filepath.Join(dir, path.Base(one)), nil); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// Built is the path of another package that Main has built.
func Built(other string) string { return filepath.Join(built, path.Base(other)) }

// Binary is the path of ota, once Main has built it.
func Binary() string { return binary }

// Build builds ota as it is shipped: static and stripped. Assignments such as
// "GOARCH=arm" choose for which machine.
func Build(ctx context.Context, output string, assignments ...string) error {
	return build(ctx, product, output, nil, assignments...)
}

// BuildTagged is Build with one more build tag.
func BuildTagged(ctx context.Context, output, tag string) error {
	return build(ctx, product, output, []string{tag})
}

const product = "ota/cmd/ota"

func build(ctx context.Context, what, output string, tags []string, assignments ...string) error {
	args := append([]string{"build"}, shipped.Flags(tags...)...)
	cmd := exec.CommandContext(ctx, "go", append(args, "-o", output, what)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Env = append(cmd.Env, assignments...)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build %s %v: %w\n%s", what, assignments, err, said)
	}
	return nil
}

// Need ends the test if one of the programs is not installed: skipped on a
// person's machine, failed where CI=true, as there all of them have to be.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			Lack(t, program+" is not installed")
		}
	}
}

// NeedRoot ends the test as Need does if it is not run by root.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Lack(t, "only root may do this")
	}
}

// Lack ends the test as Need does, with the reason.
func Lack(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// Run runs a program that has to come through, and returns what it prints.
func Run(t testing.TB, argv ...string) string {
	t.Helper()
	said, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, said)
	}
	return string(said)
}

// Await asks until done says true, or fails the test after [Deadline] with
// what was waited for and what state() says. It returns at once if the test's
// context has ended.
func Await(t testing.TB, what string, done func() bool, state func() string) {
	t.Helper()
	deadline := time.NewTimer(Deadline)
	defer deadline.Stop()
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for !done() {
		select {
		case <-again.C:
		case <-t.Context().Done():
			t.Fatalf("waited for: %s: %v", what, context.Cause(t.Context()))
		case <-deadline.C:
			t.Fatalf("waited in vain for: %s\n%s", what, state())
		}
	}
}

// FastDir is a folder for the test in memory, if the machine has a file system
// there: nothing that tests of this kind look for depends on a disk.
func FastDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "ota-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
