package program

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newNotified is a stage whose room has a socket for its programs.
func newNotified(t *testing.T) *stage {
	t.Helper()
	s := newStage(t, "all")
	s.room.options.Notify = filepath.Join(s.dir, "notify.sock")
	return s
}

func isReady(run *Run) bool {
	select {
	case <-run.Ready():
		return true
	default:
		return false
	}
}

func TestAnybodyOfTheTreeSaysThatItIsReady(t *testing.T) {
	for name, depth := range map[string]string{"main process": "0", "grandchild": "2"} {
		t.Run(name, func(t *testing.T) {
			s := newNotified(t)
			run := s.start("notify", depth, "STATUS=up\nREADY=1\nMAINPID=7")
			await(t, "READY=1", run.Ready())
			s.stop(t.Context())
			s.mustBeEmpty(1)
		})
	}
}

func TestPythonSaysThatItIsReady(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	for name, folder := range map[string]string{"path": "", "abstract address": strings.Repeat("long/", 30)} {
		t.Run(name, func(t *testing.T) {
			s := newNotified(t)
			s.room.options.Notify = filepath.Join(s.dir, folder, "notify.sock")
			spec := s.spec("")
			spec.Stderr = nil // its end by SIGINT
			spec.Argv = []string{python, "-c", `
import os, socket, time
address = os.environ["NOTIFY_SOCKET"]
if address[0] == "@":
    address = "\0" + address[1:]
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", address)
time.sleep(1000)`}
			run, err := s.room.Start(spec)
			if err != nil {
				t.Fatal(err)
			}
			await(t, "READY=1", run.Ready())
		})
	}
}

// TestReadinessIsOfOneRun: neither does a run get ready by what was said before
// it, nor the one before by what is said now.
func TestReadinessIsOfOneRun(t *testing.T) {
	var n notifier
	if err := n.listen(filepath.Join(t.TempDir(), "notify.sock")); err != nil {
		t.Fatal(err)
	}
	defer n.shut()
	say := func() {
		t.Helper()
		if err := notify(n.address(), "READY=1"); err != nil {
			t.Fatal(err)
		}
	}
	take := func() { _ = n.raw.Control(func(fd uintptr) { n.take(int(fd)) }) }
	first, second := newRun(nil, pipe{}, pipe{}), newRun(nil, pipe{}, pipe{})
	n.expect(first)
	say()
	say()
	n.expect(second)
	take()
	if isReady(first) || isReady(second) {
		t.Error("what was said before a start has counted")
	}
	say()
	take()
	say() // again, after a reload
	take()
	if isReady(first) || !isReady(second) {
		t.Errorf("ready: first %v, second %v", isReady(first), isReady(second))
	}
}

func TestHostileDatagramsDoNoHarm(t *testing.T) {
	s := newNotified(t)
	run := s.start("obey")
	s.out.await(t, "ready")
	before := openFiles(t)
	address := s.room.notify.address()
	for _, message := range []string{
		"", "\n", "READY", "READY=0", "READY=1\x00", "XREADY=1", "READY=11", "ready=1", " READY=1",
		"READY=1\n" + strings.Repeat("x", longestDatagram), strings.Repeat("\n", longestDatagram), "\xff\xfe=\n=",
	} {
		if err := notify(address, message); err != nil {
			t.Fatal(err)
		}
	}
	sendFiles(t, address, "FDSTORE=1", 250)
	sendFiles(t, address, "STATUS=one", 1)
	mustBeTaken(t, &s.room.notify)
	if isReady(run) {
		t.Error("ready without READY=1")
	}
	sendFiles(t, address, "READY=1", 3)
	await(t, "READY=1", run.Ready())
	if after := openFiles(t); after > before {
		t.Errorf("%d files open, before %d", after, before)
	}
}

// sendFiles sends a message with this many open files.
func sendFiles(t *testing.T, path, message string, count int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	rights := unix.UnixRights(slices.Repeat([]int{0}, count)...)
	if err := unix.Sendmsg(fd, []byte(message), rights, &unix.SockaddrUnix{Name: path}, 0); err != nil {
		t.Fatal(err)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestAnotherUserCannotSayReady sends from a thread that is another user's: an
// abstract address has no permissions.
func TestAnotherUserCannotSayReady(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	s := newNotified(t)
	s.room.options.Notify = filepath.Join(s.dir, strings.Repeat("long/", 30))
	run := s.start("obey")
	s.out.await(t, "ready")
	sent := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock it: the thread ends with us
		const nobody = 65534
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			sent <- errno
			return
		}
		sent <- notify(s.room.notify.address(), "READY=1")
	}()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if err := notify(s.room.notify.address(), "STATUS=after it in the queue"); err != nil {
		t.Fatal(err)
	}
	mustBeTaken(t, &s.room.notify)
	if isReady(run) {
		t.Error("another user's READY=1 has counted")
	}
}

// mustBeTaken returns when nothing waits in the socket. Linux tells of what
// waits in bytes of the next datagram.
func mustBeTaken(t *testing.T, n *notifier) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); runtime.Gosched() {
		size := 0
		_ = n.raw.Control(func(fd uintptr) { size, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
		if size == 0 {
			n.mu.Lock() // who took it may be about to tell
			defer n.mu.Unlock()
			return
		}
	}
	t.Fatal("datagrams are not taken")
}

func TestCredentialsDecide(t *testing.T) {
	own := uint32(os.Getuid())
	for _, test := range []struct {
		beside []byte
		want   bool
	}{
		{unix.UnixCredentials(&unix.Ucred{Uid: own}), true},
		{unix.UnixCredentials(&unix.Ucred{Uid: 0}), true},
		{unix.UnixCredentials(&unix.Ucred{Uid: own + 1}), false},
		{unix.UnixCredentials(&unix.Ucred{Uid: own + 2}), true}, // the program's
		{unix.UnixRights(0), false},
		{nil, false},
		{[]byte{1, 2, 3}, false},
	} {
		if got := mayNotify(test.beside, own+2); got != test.want {
			t.Errorf("mayNotify(%v) = %v", test.beside, got)
		}
	}
}

func TestSocketComesAndGoes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "notify.sock")
	if err := os.WriteFile(path, []byte("left by a killed ota"), 0o600); err != nil {
		t.Fatal(err)
	}
	room := newRoom(dir, slog.New(slog.DiscardHandler), "all")
	room.options.Notify = path
	for range 2 { // a closed room has no socket, but works
		run, err := room.Start(Spec{Argv: []string{binary(), "role", "exit", dir, "0"}, Dir: dir, Env: os.Environ()})
		if err != nil {
			t.Fatal(err)
		}
		await(t, "end", run.Done())
		if err := room.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		done := room.notify.done
		if err := room.Close(); err != nil {
			t.Fatal(err)
		}
		await(t, "end of the listener", done)
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("the socket is still there: %v", err)
		}
	}
}

func TestProgramRunsWithoutSocket(t *testing.T) {
	s := newNotified(t)
	s.room.options.Notify = filepath.Join(s.dir, "no such folder", "notify.sock")
	run := s.start("exit", "7")
	await(t, "end", run.Done())
	if run.Exit().Code != 7 || !strings.Contains(s.log.String(), "no socket for it") {
		t.Errorf("exit %v, log %s", run.Exit(), s.log)
	}
}

func TestEnvironmentIsOurs(t *testing.T) {
	inherited := []string{
		"PATH=/bin", "NOTIFY_SOCKET=/run/systemd/notify", "WATCHDOG_USEC=1", "WATCHDOG_PID=1",
		"LISTEN_FDS=1", "LISTEN_PID=1", "LISTEN_FDNAMES=ota.socket", "LISTEN_PIDFDID=1",
		"OTA_MARK=another", "NOTIFY_SOCKETS=kept", "TZ=UTC", "NOTIFY_SOCKET=@twice",
	}
	want := []string{"PATH=/bin", "NOTIFY_SOCKETS=kept", "TZ=UTC", "OTA_MARK=mark"}
	if got := environment(inherited, "mark", ""); !slices.Equal(got, want) {
		t.Errorf("environment without socket: %q", got)
	}
	want = append(want, "NOTIFY_SOCKET=@00042")
	if got := environment(inherited, "mark", "@00042"); !slices.Equal(got, want) {
		t.Errorf("environment with socket: %q", got)
	}
}
