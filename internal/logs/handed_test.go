package logs

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// passed is what is handed over, as the other program reads it.
func passed(t *testing.T, l *Log) *Handed {
	t.Helper()
	text, err := json.Marshal(l.Handed())
	if err != nil {
		t.Fatal(err)
	}
	handed := new(Handed)
	if err := json.Unmarshal(text, handed); err != nil {
		t.Fatal(err)
	}
	return handed
}

// running runs a log until the returned function is called.
func running(l *Log) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	return func() { cancel(); <-done }
}

// TestAnotherLogGoesOn: in the same file, with the next number, for a follower
// who knows nothing of it, and in the middle of a line.
func TestAnotherLogGoesOn(t *testing.T) {
	dir := t.TempDir()
	first := New(Options{Dir: dir})
	end := running(first)
	out := first.Stream(Main)
	out.Write([]byte("one\ntwo\nthr"))
	first.Leave()
	end()
	state := out.Leave()

	second := New(Options{Dir: dir, Handed: passed(t, first)})
	end = running(second)
	second.logger().Info("held")
	again := second.Resume(Main, state)
	if lines := second.Tail(9); len(lines) != 2 {
		t.Errorf("before there is no way back somebody sees %v", lines)
	}
	follower := second.Follow(1)
	second.Release()
	again.Write([]byte("ee\nfour\n"))
	end()
	var seen []string
	for len(seen) < 4 {
		lines, err := follower.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			if line.Seq != uint64(len(seen)+2) {
				t.Errorf("line %d is %q", line.Seq, line.Text)
			}
			seen = append(seen, line.Text)
		}
	}
	if got := strings.Join(seen, " "); got != "two held three four" {
		t.Errorf("the follower has seen %q", got)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	if len(files) != 1 || second.Path() != files[0] {
		t.Fatalf("the files are %v, and it writes %s", files, second.Path())
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var written []string
	for line := range strings.Lines(string(text)) {
		_, said, _ := strings.Cut(strings.TrimSpace(line), " : ")
		written = append(written, said)
	}
	if got := strings.Join(written, " "); got != "one two held three four" {
		t.Errorf("the file has %q", got)
	}
}

// TestAFileThatIsGone is begun anew.
func TestAFileThatIsGone(t *testing.T) {
	dir := t.TempDir()
	first := New(Options{Dir: dir})
	end := running(first)
	first.logger().Info("one")
	first.Leave()
	end()
	if err := os.Remove(first.Path()); err != nil {
		t.Fatal(err)
	}
	second := New(Options{Dir: dir, Handed: passed(t, first)})
	end = running(second)
	second.Release()
	second.logger().Info("two")
	end()
	if text, err := os.ReadFile(second.Path()); err != nil || !strings.HasSuffix(string(text), "INFO : two\n") {
		t.Errorf("%q %v", text, err)
	}
}

// TestAGateStaysShut, and what it has kept back is told once, by the second.
func TestAGateStaysShut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := New(Options{})
		end := running(first)
		out := first.Stream(Main)
		line := []byte(strings.Repeat("x", 1000) + "\n")
		for range 2 * gateBurst / len(line) {
			out.Write(line)
		}
		first.Leave()
		end()
		handed, state := passed(t, first), out.Leave()
		if !handed.Gates[Main].Shut || handed.Gates[Main].Lines == 0 {
			t.Fatalf("%+v", handed.Gates[Main])
		}
		second := New(Options{Handed: handed})
		end = running(second)
		defer end()
		second.Release()
		again := second.Resume(Main, state)
		again.Write(line)
		time.Sleep(10 * time.Second)
		told := 0
		for _, one := range second.Tail(10_000) {
			if strings.Contains(one.Text, "of the program's output left out") {
				told++
			}
		}
		if told != 1 {
			t.Errorf("it is told %d times", told)
		}
		time.Sleep(time.Hour)
	})
}
