package program

import (
	"io"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ota/internal/kit/handover"
	"ota/internal/kit/proc"
)

// TestLeave: what a program says after it was left is in its pipe, and its end is
// for who comes next to wait for. Whoever stops the room would wait for ever, so
// the test clears away itself.
func TestLeave(t *testing.T) {
	dir := t.TempDir()
	room := newRoom(dir, slog.New(slog.DiscardHandler), "bare")
	out := newLines(t)
	spec := Spec{Argv: []string{binary(), "role", "obey", dir}, Dir: dir, Env: os.Environ(), Stdout: out, Stderr: io.Discard}
	run, err := room.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	out.await(t, "ready")
	room.Leave()
	if err := syscall.Kill(run.PID(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		stat, err := proc.Read(run.PID())
		if err != nil {
			t.Fatal("somebody has waited for it: ", err)
		}
		if stat.State == 'Z' {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is %c", stat.State)
		}
	}
	select {
	case <-run.Done():
		t.Error("its end was taken in")
	case <-time.After(50 * time.Millisecond): // in which it would be
	}
	var bag handover.Bag
	defer bag.Close()
	handed, err := room.Handed(&bag)
	if err != nil || handed.Run == nil || handed.Run.Exit != nil || handed.Run.ID != run.id {
		t.Fatalf("%+v %v", handed.Run, err)
	}
	said := make([]byte, 64)
	n, err := unix.Read(fdOf(t, run.stdout.out), said)
	if got := string(said[:max(n, 0)]); got != "bye\n" {
		t.Errorf("its pipe has %q, %v", got, err)
	}
	_, _ = unix.Wait4(run.PID(), nil, 0, nil)
}

func fdOf(t *testing.T, file *os.File) (fd int) {
	t.Helper()
	raw, err := file.SyscallConn()
	if err == nil {
		err = raw.Control(func(of uintptr) { fd = int(of) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}
