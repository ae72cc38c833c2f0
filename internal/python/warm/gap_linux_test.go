package warm_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ota/internal/kit/proc"
	"ota/internal/program"
)

// talker says when it begins and when it ends. Its naps are short, for Python
// does not see a signal that comes just before one.
const talker = `
import sys, time
try:
    sys.stdout.write("first %d\n" % time.monotonic_ns())
    while True:
        time.sleep(0.01)
except KeyboardInterrupt:
    sys.stdout.write("last %d\n" % time.monotonic_ns())
`

// said gives the moments that a talker tells.
type said chan int64

func (s said) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		var word string
		var at int64
		if n, _ := fmt.Sscan(line, &word, &at); n == 2 {
			s <- at
		}
	}
	return len(p), nil
}

func (s said) next(b *testing.B) int64 {
	select {
	case at := <-s:
		return at
	case <-time.After(10 * time.Second):
		b.Fatal("the program says nothing")
		return 0
	}
}

// byHand returns what ends one program and starts the next.
func (s *stage) byHand(b *testing.B, told said) (next func()) {
	var running *exec.Cmd
	stop := func() {
		if running != nil {
			check(running.Process.Signal(syscall.SIGINT))
			_ = proc.Wait(running)
		}
	}
	b.Cleanup(stop)
	return func() {
		stop()
		running = exec.Command(s.argv[0], s.argv[1:]...)
		running.Dir, running.Env, running.Stdout = s.main, s.env, told
		check(proc.Start(running))
	}
}

// byRoom is byHand with a room, and with a process that waits.
func (s *stage) byRoom(b *testing.B, told said, way string) (next func()) {
	var w *program.Waiting
	return func() {
		b.StopTimer()
		if way == "warm" {
			w = s.waiting(b, s.hook.Learned()...)
		}
		b.StartTimer()
		check(s.room.Stop(b.Context()))
		spec := s.spec()
		spec.Stdout, spec.Waiting = told, w
		if w == nil {
			env, err := s.hook.Learn(s.argv, s.env)
			check(err)
			spec.Env = env
		}
		run, err := s.room.Start(spec)
		check(err)
		if way == "warm" && run.Origin() != program.FromWaiting {
			b.Fatal(s.log.String())
		}
	}
}

// BenchmarkGap is the time from the last line of one program to the first line
// of the next, beside that of somebody who stops and starts it by hand.
func BenchmarkGap(b *testing.B) {
	for _, test := range []struct{ name, main string }{
		{"bare", talker},
		{"library", "import json, logging, asyncio, http.client" + talker},
		{"slow", "import slow" + talker},
	} {
		for _, way := range []string{"floor", "plain", "warm"} {
			b.Run(test.name+"/"+way, func(b *testing.B) {
				s := newTestStage(b, onePython(b), test.main)
				s.write(b, "lib/slow.py", "import time; time.sleep(1)")
				s.env = append(s.env, "PYTHONPATH="+filepath.Join(s.dir, "lib"))
				gaps := measure(b, s, way)
				slices.Sort(gaps)
				b.ReportMetric(float64(gaps[len(gaps)/2])/1e6, "ms/gap")
				b.ReportMetric(float64(gaps[len(gaps)-1])/1e6, "ms/worst")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// measure goes from one program to the next, again and again.
func measure(b *testing.B, s *stage, way string) (gaps []int64) {
	told := make(said, 10)
	next := s.byHand(b, told)
	if way != "floor" {
		next = s.byRoom(b, told, way)
	}
	// What is compiled and learnt at first is not measured.
	next()
	told.next(b)
	next()
	for range 2 {
		told.next(b)
	}
	for b.Loop() {
		next()
		last := told.next(b)
		gaps = append(gaps, told.next(b)-last)
	}
	return gaps
}
