package program

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ota/internal/kit/hint"
)

// eater takes 512 MB, if it gets them.
const eater = `
kept = []
try:
    for _ in range(512):
        kept.append(b"1" * (1 << 20))
    print("all of it")
except MemoryError:
    kept.clear()
    print("no more")`

func TestMemoryIsLimited(t *testing.T) {
	for _, offers := range []string{"all", "bare"} {
		t.Run(offers, func(t *testing.T) {
			s := newStage(t, offers)
			spec := s.spec("")
			spec.Argv = []string{python3(t), "-c", eater}
			spec.MemoryMax = 200 << 20
			run, err := s.room.Start(spec)
			if err != nil {
				t.Fatal(err)
			}
			await(t, "end", run.Done())
			exit := run.Exit()
			byGroup := !strings.Contains(s.log.String(), "each of its processes is limited by itself")
			t.Logf("limited by a group: %v; %v", byGroup, exit)
			if byGroup && (exit.Cause != CauseMemory || exit.String() != "killed by SIGKILL: out of memory") {
				t.Errorf("exit = %+v", exit)
			}
			if !byGroup {
				s.out.await(t, "no more")
			}
			s.stop(t.Context())
		})
	}
}

// TestGroupIsLeft: as long as ota is in its own group, that can't hand on the
// memory controller.
func TestGroupIsLeft(t *testing.T) {
	path, err := cgroupPath("")
	if err != nil {
		t.Skip(err)
	}
	above := filepath.Dir(path)
	top := filepath.Join(above, "ota-test-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(top, 0o755); err != nil {
		t.Skip(err)
	}
	defer func() {
		if err := removeCgroup(top); err != nil {
			t.Error(err)
		}
	}()
	self := strconv.Itoa(os.Getpid())
	if err := writeControl(filepath.Join(top, "cgroup.procs"), self); err != nil {
		t.Skip(err)
	}
	defer func() {
		if err := writeControl(filepath.Join(above, "cgroup.procs"), self); err != nil {
			t.Error(err)
		}
	}()
	if isDelegated(top) {
		t.Error("a group that is another's")
	}
	if err := unix.Setxattr(top, "user.delegate", []byte("1"), 0); err != nil {
		t.Skip(err)
	}
	if !isDelegated(top) {
		t.Error("systemd's mark is not seen")
	}
	for range 2 {
		if err := leave(top); err != nil {
			t.Fatal(err)
		}
	}
	left, err := os.ReadFile(filepath.Join(top, "cgroup.procs"))
	if err != nil || len(left) > 0 {
		t.Errorf("left in the group: %q, %v", left, err)
	}
	if again, err := cgroupPath(""); err != nil || filepath.Dir(again) != top {
		t.Errorf("the program's group is at %s, %v", again, err)
	}
}

// TestGroupLimitsMemory has plain files for those of the kernel.
func TestGroupLimitsMemory(t *testing.T) {
	dir := t.TempDir()
	host := &host{group: &cgroup{path: filepath.Join(dir, "ota-1")}}
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) string {
		text, _ := os.ReadFile(filepath.Join(dir, name))
		return string(text)
	}
	write("cgroup.controllers", "cpu pids\n")
	write("cgroup.subtree_control", "")
	if err := host.limitMemory(0); err != nil {
		t.Errorf("no limit: %v", err)
	}
	if err := host.limitMemory(4096); err == nil || read("cgroup.subtree_control") != "" {
		t.Errorf("without the controller: %v", err)
	}
	write("cgroup.controllers", "cpu memory pids\n")
	if err := host.limitMemory(4096); !errors.Is(err, os.ErrNotExist) || read("cgroup.subtree_control") != "+memory" {
		t.Errorf("a controller that is handed on: %v, %q", err, read("cgroup.subtree_control"))
	}
	write("ota-1/memory.max", "max ")
	if err := host.limitMemory(4096); err != nil || read("ota-1/memory.max") != "4096" {
		t.Errorf("limit: %v, %q", err, read("ota-1/memory.max"))
	}
	write("ota-1/memory.max", "   ")
	if err := host.limitMemory(0); err != nil || read("ota-1/memory.max") != "max" {
		t.Errorf("no limit any more: %v, %q", err, read("ota-1/memory.max"))
	}
	killed := Exit{Code: 137, Signal: syscall.SIGKILL}
	write("ota-1/memory.events", "oom_kill 2\n")
	host.kills.Store(int64(host.countKills()))
	if host.outOfMemory(killed) {
		t.Error("what was killed before has counted")
	}
	write("ota-1/memory.events", "oom_kill 3\n")
	if !host.outOfMemory(killed) || host.outOfMemory(Exit{Code: 1}) {
		t.Error("who was killed is not told from who was not")
	}
}

func TestKillsIn(t *testing.T) {
	for text, want := range map[string]int{
		"low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n": 2,
		"": 0, "oom_kill x\n": 0,
	} {
		if got := killsIn([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestNice(t *testing.T) {
	s := newStage(t, "all")
	spec := s.spec("")
	spec.Argv = []string{"/bin/sh", "-c", "while [ $(nice) != 7 ]; do :; done; echo seven"}
	spec.Nice = 7
	run, err := s.room.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	s.out.await(t, "seven")
	await(t, "end", run.Done())
}

func TestProgramOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	credential, home, err := LookupCredential("nobody", "daemon")
	if err != nil {
		t.Skip(err)
	}
	t.Logf("%+v, home %s", credential, home)
	s := newNotified(t)
	spec := s.spec("")
	spec.Dir = "/"
	spec.Credential = credential
	spec.Sockets = []Socket{local(t)}
	spec.Argv = []string{python3(t), "-u", "-c", `
import os, socket, time
address = os.environ["NOTIFY_SOCKET"]
assert address[0] == "@", address
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1\nSTATUS=as another", "\0" + address[1:])
open("/dev/stdout", "w").write("out\n")
print(os.getuid(), os.getgid(), os.environ["LISTEN_PID"] == str(os.getpid()))
time.sleep(1000)`}
	run, err := s.room.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "READY=1", run.Ready())
	s.out.await(t, "out", fmt.Sprintf("%d %d True", credential.UID, credential.GID))
	if said := run.Said(); said.Text != "as another" {
		t.Errorf("said %+v", said)
	}
	s.stop(t.Context())
	// The next one is ours again, and is heard as well.
	next := s.start("notify", "0", "READY=1")
	await(t, "READY=1", next.Ready())
}

func TestLookupCredential(t *testing.T) {
	own, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	for _, name := range []string{own.Username, own.Uid, ""} {
		credential, home, err := LookupCredential(name, "")
		if err != nil || credential != nil || home != own.HomeDir {
			t.Errorf("%q: %+v, %q, %v", name, credential, home, err)
		}
	}
	if _, _, err := LookupCredential("no such user", ""); err == nil || hint.Of(err) == "" {
		t.Errorf("an unknown user: %v", err)
	}
	if _, _, err := LookupCredential("", "no such group"); err == nil || hint.Of(err) == "" {
		t.Errorf("an unknown group: %v", err)
	}
	credential, home, err := LookupCredential("4000000", "4000001")
	if os.Getuid() != 0 {
		if err == nil || hint.Of(err) == "" {
			t.Errorf("another user without being root: %v", err)
		}
		return
	}
	if err != nil || credential.UID != 4000000 || credential.GID != 4000001 || home != "" {
		t.Errorf("numbers: %+v, %q, %v", credential, home, err)
	}
}
