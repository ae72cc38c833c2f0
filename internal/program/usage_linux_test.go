package program

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/kit/proc"
)

const (
	burned = 150 * time.Millisecond // of processor time, by each that burns
	held   = 24 << 20               // bytes, by each that stays
)

// roleBurn has a child that burns and ends, and then burns itself; so many
// generations below do the same, and all hold memory and stay.
func roleBurn(dir string, args []string) {
	if args[0] == "once" {
		burn()
		return
	}
	depth, err := strconv.Atoi(args[0])
	check(err)
	if depth > 0 {
		start(true, []string{}, "burn", dir, strconv.Itoa(depth-1))
	}
	check(self(false, os.Environ(), "burn", dir, "once").Run())
	memory := make([]byte, held)
	for i := 0; i < len(memory); i += 1 << 10 {
		memory[i] = 1
	}
	burn()
	appear(dir, "burn")
	awaitFiles(dir, depth+1)
	fmt.Println("ready")
	forever()
	memory[0]++
}

// burn returns when this process has used that much time.
func burn() {
	for {
		var used syscall.Rusage
		check(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
		if time.Duration(used.Utime.Nano()+used.Stime.Nano()) > burned {
			return
		}
	}
}

func TestUsageIsOfTheWholeTree(t *testing.T) {
	everywhere(t, func(t *testing.T, offers string) {
		s := newStage(t, offers)
		if used, ok := s.room.Usage(); ok || used != (Usage{}) {
			t.Errorf("before the first start: %+v, %v", used, ok)
		}
		var last time.Duration
		for round := range 2 {
			s.start("burn", "1")
			s.out.await(t, "ready")
			used, ok := s.room.Usage()
			t.Logf("round %d: %d MB, %v", round, used.Memory>>20, used.CPU)
			// The kernel may round down what each of the four has used.
			if !ok || used.CPU-last < 3*burned {
				t.Errorf("%v of processor time, %v", used.CPU-last, ok)
			}
			if used.Memory < 2*held || used.Memory > 20*held {
				t.Errorf("%d bytes", used.Memory)
			}
			last = used.CPU
			s.stop(t.Context())
			for _, one := range appeared(s.dir) {
				if err := os.Remove(filepath.Join(s.dir, fmt.Sprintf("burn.%d.%d", one.PID, one.Start))); err != nil {
					t.Error(err)
				}
			}
			if used, ok := s.room.Usage(); ok || used.CPU < last || used.Memory != 0 {
				t.Errorf("when nothing runs: %+v, %v; before: %v", used, ok, last)
			}
		}
	})
}

// Whoever looks waits for nobody, while programs come and go.
func TestUsageBesideStarts(t *testing.T) {
	s := newStage(t, "all")
	done := make(chan time.Duration)
	stop := make(chan struct{})
	go func() {
		var last time.Duration
		for {
			select {
			case <-stop:
				done <- last
				return
			default:
			}
			used, _ := s.room.Usage()
			if used.CPU < last {
				t.Errorf("from %v back to %v", last, used.CPU)
			}
			last = used.CPU
		}
	}()
	for range 5 {
		await(t, "end", s.start("exit", "0").Done())
		s.stop(t.Context())
	}
	close(stop)
	<-done
}

func TestMeterGathers(t *testing.T) {
	process := func(pid, parent int, ticks, gathered uint64) proc.Stat {
		return proc.Stat{ID: proc.ID{PID: pid, Start: 1}, Parent: parent, Ticks: ticks, Gathered: gathered}
	}
	for _, test := range []struct {
		name  string
		looks [][]proc.Stat
		want  []time.Duration
	}{
		{"it goes on", [][]proc.Stat{{process(5, 1, 10, 0)}, {process(5, 1, 25, 0)}}, []time.Duration{10 * tick, 25 * tick}},
		{
			"a child's time is its parent's at last",
			[][]proc.Stat{{process(5, 1, 10, 0), process(6, 5, 100, 0)}, {process(5, 1, 10, 120)}},
			[]time.Duration{110 * tick, 130 * tick},
		},
		{
			"nobody has an orphan's",
			[][]proc.Stat{{process(5, 1, 10, 0), process(6, 1, 100, 0)}, {process(5, 1, 15, 0)}},
			[]time.Duration{110 * tick, 115 * tick},
		},
		{
			"another program with the same number",
			[][]proc.Stat{{process(5, 1, 1000, 0)}, {{ID: proc.ID{PID: 5, Start: 2}, Parent: 1, Ticks: 3}}, {{ID: proc.ID{PID: 5, Start: 2}, Parent: 1, Ticks: 7}}},
			[]time.Duration{1000 * tick, 1003 * tick, 1007 * tick},
		},
		{"never back", [][]proc.Stat{{process(5, 1, 10, 90)}, {process(5, 1, 10, 0)}}, []time.Duration{100 * tick, 100 * tick}},
		{"nobody is left", [][]proc.Stat{{process(5, 1, 10, 0)}, {}, {process(7, 1, 1, 0)}}, []time.Duration{10 * tick, 10 * tick, 11 * tick}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var m meter
			var got []time.Duration
			for _, look := range test.looks {
				m.gather(look)
				got = append(got, m.total)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A group that an earlier ota has left counts from now, one that is made anew
// from nothing.
func TestMeterAdvances(t *testing.T) {
	var m meter
	for _, look := range []struct {
		made              int
		before, now, want time.Duration
	}{
		{1, 50, 60, 10}, {1, 50, 65, 15}, {1, 50, 65, 15}, {1, 50, 4, 19}, {1, 50, 9, 24}, {2, 0, 11, 35}, {2, 0, 12, 36},
	} {
		m.advance(grouping{"/a", look.made, look.before}, look.now)
		if m.total != look.want {
			t.Errorf("at %d: %d, want %d", look.now, m.total, look.want)
		}
	}
}

func TestControlGroupTells(t *testing.T) {
	group := t.TempDir()
	if _, ok := cgroupCPU(group); ok {
		t.Error("time of a group that is not there")
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(group, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("cpu.stat", "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n")
	write("memory.stat", "anon 4096\nfile 100000\nkernel 7\nfile_mapped 8192\n")
	if got, ok := cgroupCPU(group); !ok || got != 1500*time.Microsecond {
		t.Errorf("%v, %v", got, ok)
	}
	if got, ok := cgroupMemory(group); !ok || got != 12288 {
		t.Errorf("%v, %v", got, ok)
	}
	write("cpu.stat", "usage_usec -1\n")
	write("memory.stat", "")
	if _, ok := cgroupCPU(group); ok {
		t.Error("time below zero")
	}
	if _, ok := cgroupMemory(group); ok {
		t.Error("memory out of nothing")
	}
}

func FuzzKeyed(f *testing.F) {
	f.Add([]byte("a 1\nb 2\n"), "b")
	f.Fuzz(func(t *testing.T, text []byte, key string) {
		if number, ok := keyed(text, key); number < 0 || ok && len(text) < len(key)+2 {
			t.Errorf("%d, %v", number, ok)
		}
	})
}

func BenchmarkUsage(b *testing.B) {
	for _, offers := range []string{"cgroup", "adopt"} {
		b.Run(offers, func(b *testing.B) {
			room := newRoom(b.TempDir(), nil, offers)
			run, err := room.Start(Spec{Argv: []string{"/bin/sleep", "1000"}})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, ok := room.Usage(); !ok {
					b.Fatal("not known")
				}
			}
			if err := room.Stop(b.Context()); err != nil {
				b.Fatal(err)
			}
			<-run.Drained()
			if err := room.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
