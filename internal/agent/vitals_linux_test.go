package agent

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"ota/internal/program"
)

// A program and what it starts are seen to work, and the machine is there.
func TestVitals(t *testing.T) {
	dir := t.TempDir()
	room := program.New(program.Options{Record: filepath.Join(dir, "child.json"), Mark: dir})
	t.Cleanup(func() {
		if err := room.Close(); err != nil {
			t.Error(err)
		}
	})
	v := newVitals(dir, room)
	before := v.device()
	if before.Usage.Memory != nil || before.Usage.CPU != nil || before.CPUSeconds != nil {
		t.Errorf("before the start: %+v, %v", before.Usage, before.CPUSeconds)
	}
	if before.Processors < 1 || before.DiskTotal == nil || before.MemoryTotal == nil || before.Name == "" {
		t.Errorf("%+v", before)
	}
	_, err := room.Start(program.Spec{Argv: []string{"/bin/sh", "-c", "(while :; do :; done) & wait"}, Dir: dir, Env: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if err := room.Stop(ended); err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		got := v.device()
		if got.Usage.Memory != nil && got.Usage.CPU != nil && *got.Usage.CPU > 1 && *got.CPUSeconds > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", got)
		}
	}
}

// Without a page nobody is woken to look.
func TestSamplesAreForThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for page, want := range map[bool]int{true: 3, false: 0} {
			v := newVitals(t.TempDir(), program.New(program.Options{}))
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute+time.Second)
			v.run(ctx, page)
			cancel()
			if got := len(v.device().Samples); got != want {
				t.Errorf("with a page, %v: %d samples", page, got)
			}
		}
	})
}
