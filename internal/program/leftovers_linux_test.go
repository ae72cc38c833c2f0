package program

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/kit/proc"
)

// killedOta starts an ota that starts a program of the given role, and kills
// it when the program is ready.
func killedOta(t *testing.T, s *stage, offers, role string, args ...string) {
	t.Helper()
	ota := self(true, os.Environ(), "room", s.dir, append([]string{offers, role, s.dir}, args...)...)
	ota.Stdout, ota.Stderr = nil, os.Stderr
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ota.Stdout = writer
	if err := proc.Start(ota); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	go func() {
		io.Copy(s.out, reader)
		reader.Close()
	}()
	s.out.await(t, "ready", "started")
	if err := ota.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := proc.Wait(ota); err == nil {
		t.Fatal("the ota was to be killed and has ended by itself")
	}
}

func (s *stage) endLeftovers(ctx context.Context) int {
	s.t.Helper()
	count, err := s.room.EndLeftovers(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return count
}

func TestLeftoversOfAKilledOtaAreEnded(t *testing.T) {
	type scene struct {
		offers, role, arg string
		count             int
	}
	for _, test := range []scene{
		{"all", "daemons", "stay", 4},
		{"all", "daemons", "leave", 3},
		{"cgroup", "daemons", "leave", 3},
		{"bare", "deaf", "term", 1},
		{"bare", "parent", "", 1},
		{"bare", "parent", "cleared", 1},
	} {
		t.Run(test.offers+" "+test.role+" "+test.arg, func(t *testing.T) {
			if test.offers == "cgroup" || test.offers == "all" {
				needCgroup(t)
			}
			s := newStage(t, "all")
			killedOta(t, s, test.offers, test.role, test.arg)
			if count := s.endLeftovers(t.Context()); count < test.count {
				t.Errorf("%d leftovers, want %d", count, test.count)
			}
			s.mustBeEmpty(1)
			if count := s.endLeftovers(t.Context()); count != 0 {
				t.Errorf("%d leftovers after all were ended", count)
			}
			if path, err := cgroupPath(s.dir); err == nil {
				if _, err := os.Stat(path); err == nil {
					t.Error("the control group is left")
				}
			}
			s.start("obey")
			s.stop(t.Context())
		})
	}
}

func TestLeftoversWithoutARecord(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"removed":   os.Remove,
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"zeros":     func(path string) error { return os.WriteFile(path, make([]byte, 512), 0o600) },
		"truncated": func(path string) error { return os.Truncate(path, 20) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, "all")
			killedOta(t, s, "bare", "deaf", "term")
			if err := spoil(filepath.Join(s.dir, "child.json")); err != nil {
				t.Fatal(err)
			}
			if count := s.endLeftovers(t.Context()); count != 1 {
				t.Errorf("%d leftovers, want 1", count)
			}
			s.mustBeEmpty(1)
		})
	}
}

func TestLeftoversAreKilledAtOnceWhenTheContextEnds(t *testing.T) {
	s := newStage(t, "all")
	s.room.steps = unhurried
	killedOta(t, s, "all", "deaf", "term")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	begin := time.Now()
	s.endLeftovers(ctx)
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("took %v", took)
	}
	s.mustBeEmpty(1)
}

func TestStrangerWithARecordedNumberIsLeftAlone(t *testing.T) {
	s := newStage(t, "all")
	stranger := self(true, []string{}, "deaf", s.dir, "term")
	if err := proc.Start(stranger); err != nil {
		t.Fatal(err)
	}
	defer proc.Wait(stranger)
	defer stranger.Process.Kill()
	// Not of our children, or it would be left alone for that.
	for _, change := range []func(*record){
		func(r *record) { r.Start-- },
		func(r *record) { r.Boot = "another" },
		func(r *record) { r.PID, r.Start = os.Getpid(), 1 },
	} {
		stat, err := proc.Read(stranger.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		found := record{ID: stat.ID, Boot: proc.BootID(), Pipes: []string{"pipe:[1]"}, Cgroup: "/sys/fs/cgroup"}
		change(&found)
		data, err := json.Marshal(found)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.room.options.Record, data, 0o600); err != nil {
			t.Fatal(err)
		}
		pack := &leftovers{room: s.room, record: s.room.recorded()}
		pack.groups = pack.findGroups()
		all := []proc.Stat{stat}
		evident := pack.evident(all)
		pack.addSession(all, evident)
		if evident[stat.PID] {
			t.Errorf("a stranger was taken for a leftover by %+v", found)
		}
		if count := s.endLeftovers(t.Context()); count != 0 {
			t.Errorf("%d leftovers, want none", count)
		}
	}
}

func TestSessionIsOursWhileALeftoverIsInIt(t *testing.T) {
	all := []proc.Stat{
		{ID: proc.ID{PID: 11, Start: 5}, Session: 10},
		{ID: proc.ID{PID: 12, Start: 5}, Session: 10},
		{ID: proc.ID{PID: 13, Start: 5}, Session: 13, Parent: 12},
		{ID: proc.ID{PID: 14, Start: 5}, Session: 14, Parent: 1},
	}
	l := &leftovers{record: record{ID: proc.ID{PID: 10, Start: 4}}}
	for _, test := range []struct{ found, want map[int]bool }{
		{map[int]bool{}, map[int]bool{}},
		{map[int]bool{11: true}, map[int]bool{11: true, 12: true, 13: true}},
		{map[int]bool{14: true}, map[int]bool{14: true}},
	} {
		l.addSession(all, test.found)
		addDescendants(all, test.found)
		if diff := cmp.Diff(test.want, test.found); diff != "" {
			t.Error(diff)
		}
	}
}

func TestLeftoversAreNotLookedForBesideAProgram(t *testing.T) {
	s := newStage(t, "all")
	run := s.start("obey")
	s.out.await(t, "ready")
	if _, err := s.room.EndLeftovers(t.Context()); err == nil {
		t.Error("no error")
	}
	if err := syscall.Kill(run.PID(), 0); err != nil {
		t.Error(err)
	}
}

func TestRecordIsReadAsWritten(t *testing.T) {
	room := New(Options{Record: filepath.Join(t.TempDir(), "child.json"), Log: slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil))})
	long := bytes.Repeat([]byte("x"), 3000)
	if err := os.WriteFile(room.options.Record, long, 0o600); err != nil {
		t.Fatal(err)
	}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	defer in.Close()
	run := &Run{id: proc.ID{PID: 4711, Start: 12}, stdout: pipe{out, in}, stderr: pipe{out, in}}
	if err := room.record(run); err != nil {
		t.Fatal(err)
	}
	want := record{ID: run.id, Boot: proc.BootID(), Pipes: []string{run.stdout.name(), run.stderr.name()}}
	if diff := cmp.Diff(want, room.recorded()); diff != "" {
		t.Error(diff)
	}
	if err := room.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(record{}, room.recorded()); diff != "" {
		t.Error(diff)
	}
}
