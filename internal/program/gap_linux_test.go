package program

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// BenchmarkGap is the time from the end of one program to the start of the
// next, beside that of the least that anybody has to do.
func BenchmarkGap(b *testing.B) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		b.Skip(err)
	}
	spec := Spec{Argv: []string{sleep, "1000"}, Dir: b.TempDir(), Env: os.Environ()}
	b.Run("floor", func(b *testing.B) {
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			b.Fatal(err)
		}
		defer null.Close()
		attr := &syscall.ProcAttr{Dir: spec.Dir, Env: spec.Env, Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}}
		for b.Loop() {
			pid, _, err := syscall.StartProcess(sleep, spec.Argv, attr)
			if err != nil {
				b.Fatal(err)
			}
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
				b.Fatal(err)
			}
			if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, offers := range []string{"all", "adopt", "cgroup", "bare"} {
		b.Run(offers, func(b *testing.B) {
			room := newRoom(b.TempDir(), nil, offers)
			room.options.Record = filepath.Join(b.TempDir(), "child.json")
			room.steps = []Step{{Signal: syscall.SIGTERM}, {Signal: syscall.SIGKILL, After: time.Minute}}
			for b.Loop() {
				if _, err := room.Start(spec); err != nil {
					b.Fatal(err)
				}
				if err := room.Stop(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			if err := room.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
