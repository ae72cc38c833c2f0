package logs

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// start runs the log until the returned function is called, which returns what
// Run returned.
func start(t *testing.T, l *Log) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	return func() error {
		cancel()
		return <-ended
	}
}

func fileText(t *testing.T, dir string) string {
	t.Helper()
	var all []byte
	for _, name := range names(t, dir) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	return string(all)
}

func TestFileAndConsoleAreTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, console := t.TempDir(), &bytes.Buffer{}
		l := New(Options{Dir: dir, Console: console, Now: func() time.Time { return tenOClock }})
		l.logger().Info("before the start")
		stop := start(t, l)
		w := l.Stream(Main)
		write(t, w, "hello\n")
		synctest.Wait()
		if want := filepath.Join(dir, "logfile_23-11-26_10.00.00.log"); l.Path() != want {
			t.Errorf("Path is %q, want %q", l.Path(), want)
		}
		write(t, l.Stream(MainErr), "oh\x1b[2J\n")
		write(t, w, "the last")
		w.Close()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		want := "[23/11/26 10:00:00] INFO : before the start\n" +
			"[23/11/26 10:00:00] MAIN : hello\n" +
			"[23/11/26 10:00:00] MAIN! : oh\\x1b[2J\n" +
			"[23/11/26 10:00:00] MAIN : the last\n"
		if diff := cmp.Diff(want, console.String()); diff != "" {
			t.Errorf("console (-want +got)\n%s", diff)
		}
		if diff := cmp.Diff(want, fileText(t, dir)); diff != "" {
			t.Errorf("file (-want +got)\n%s", diff)
		}
	})
}

func TestColors(t *testing.T) {
	console := &bytes.Buffer{}
	l := New(Options{Console: console, Color: true, Now: func() time.Time { return tenOClock }})
	l.logger().Warn("disk is nearly full")
	write(t, l.Stream(Main), "\x1b[31mred\n")
	if err := start(t, l)(); err != nil {
		t.Fatal(err)
	}
	colors := regexp.MustCompile("\x1b\\[[0-9;]*m")
	want := "[23/11/26 10:00:00] WARNING : disk is nearly full\n[23/11/26 10:00:00] MAIN : \\x1b[31mred\n"
	if got := colors.ReplaceAllString(console.String(), ""); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := len(colors.FindAllString(console.String(), -1)); n != 8 {
		t.Errorf("%d sequences in %q", n, console.String())
	}
	if Colorful(console) || Colorful(nil) {
		t.Error("what is no terminal has colours")
	}
}

// A stopped terminal, a pipe that nobody reads.
func TestConsoleThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		reader, console := io.Pipe()
		defer reader.Close()
		l := New(Options{Dir: dir, Console: console})
		stop := start(t, l)
		w := l.Stream(Main)
		for range 20 {
			write(t, w, strings.Repeat(strings.Repeat("x", 99)+"\n", 1000))
			synctest.Wait()
		}
		began := time.Now()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > drainConsole {
			t.Errorf("the end took %v", took)
		}
		if n := strings.Count(fileText(t, dir), "\n"); n != 20_000 {
			t.Errorf("%d lines in the file, want 20,000", n)
		}
	})
}

// Somebody presses Ctrl-S, and later Ctrl-Q.
func TestConsoleThatIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, console := io.Pipe()
		l := New(Options{Console: console})
		stop := start(t, l)
		w := l.Stream(Main)
		write(t, w, "the console hangs with this\n")
		synctest.Wait()
		for range 20 {
			write(t, w, strings.Repeat(strings.Repeat("x", 99)+"\n", 1000))
		}
		l.logger().Info("end")
		var read bytes.Buffer
		go io.Copy(&read, reader)
		synctest.Wait()
		got := count{}
		for line := range strings.Lines(read.String()) {
			source, text, _ := strings.Cut(strings.TrimSpace(line)[len("[23/11/26 10:00:00] "):], " : ")
			if Source(source) != Info {
				got.add(t, []Line{{Source: Source(source), Text: text}})
			}
		}
		if got.lines+got.leftOut != 20_001 || len(got.texts) != 1 {
			t.Errorf("%d lines and %d left out, of 20,001: %q", got.lines, got.leftOut, got.texts)
		}
		if !strings.HasSuffix(read.String(), "INFO : end\n") {
			t.Error("the end is missing")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		console.Close()
	})
}

type lockedBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

// Something stands in the place of the folder, and goes away again.
func TestFolderThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, console := filepath.Join(t.TempDir(), "logs"), &lockedBuffer{}
		mustWrite(t, dir, "not a folder")
		l := New(Options{Dir: dir, Console: console})
		stop := start(t, l)
		l.logger().Info("one")
		time.Sleep(10 * time.Minute)
		l.logger().Info("two")
		synctest.Wait()
		if got := console.String(); strings.Count(got, "cannot be written") != 1 || !strings.Contains(got, "two") {
			t.Errorf("the console shows %q", got)
		}
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		time.Sleep(longestRetry)
		l.logger().Info("three")
		if err := stop(); err != nil {
			t.Error(err)
		}
		var order []string
		for line := range strings.Lines(fileText(t, dir)) {
			_, text, _ := strings.Cut(line, " : ")
			order = append(order, strings.Fields(text)[0])
		}
		if want := []string{"one", "log", "two", "log", "three"}; !cmp.Equal(want, order) {
			t.Errorf("got %q, want %q", order, want)
		}
		if got := strings.Count(console.String(), "is written again"); got != 1 {
			t.Errorf("said %d times that it works again", got)
		}
	})
}

func TestFolderThatFailsToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "logs")
		mustWrite(t, dir, "not a folder")
		l := New(Options{Dir: dir})
		stop := start(t, l)
		l.logger().Info("one")
		began := time.Now()
		err := stop()
		if err == nil || !strings.HasPrefix(err.Error(), "cannot write the last lines of the log: ") {
			t.Errorf("Run returned %v", err)
		}
		if took := time.Since(began); took > drainFile {
			t.Errorf("the end took %v", took)
		}
	})
}

// Nothing to do must mean that nothing is done.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{Dir: t.TempDir(), Console: io.Discard})
		stop := start(t, l)
		w := l.Stream(Main)
		write(t, w, "a\nb")
		time.Sleep(time.Minute)
		synctest.Wait()
		// A year in which a ticker of a second would fire 31 million times.
		began := l.memory.seq
		time.Sleep(365 * 24 * time.Hour)
		if l.memory.seq != began {
			t.Error("something was logged")
		}
		if w.timer.Stop() {
			t.Error("the writer's timer runs")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// What the gate lets through at once must not be lost for want of a turn of the
// goroutine that writes it.
func TestBurstReachesTheFileWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := New(Options{Dir: dir})
		stop := start(t, l)
		synctest.Wait()
		w := l.Stream(Main)
		chunk := strings.Repeat(strings.Repeat("x", 99)+"\n", 600)
		for range 50 {
			write(t, w, chunk)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(fileText(t, dir), "x\n"); n != 30_000 {
			t.Errorf("%d lines in the file, want 30,000", n)
		}
	})
}

func TestEndTellsWhatWasLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := New(Options{Dir: dir})
		stop := start(t, l)
		w := l.Stream(Main)
		for range 100 {
			write(t, w, strings.Repeat(strings.Repeat("x", 99)+"\n", 1000))
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if text := fileText(t, dir); !strings.HasSuffix(text, "] WARNING : 68,750 lines (6.9 MB) of the program's output left out\n") {
			t.Errorf("the file ends with %q", text[len(text)-200:])
		}
	})
}

// hanging is a disk that takes one write and never comes back from the next.
type hanging struct{ end chan struct{} }

func (h hanging) write(context.Context, []Line) error { <-h.end; return nil }
func (h hanging) close() error                        { return nil }

func TestDiskThatHangsBlocksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, disk := New(Options{}), hanging{make(chan struct{})}
		reader := l.fromTheStart()
		l.memory.keep(reader)
		ctx, cancel := context.WithCancel(t.Context())
		ended := pump(ctx, nil, reader, disk)
		began, w := time.Now(), l.Stream(Main)
		chunk := strings.Repeat(strings.Repeat("x", 99)+"\n", 600)
		for range 1700 { // 100 MB
			write(t, w, chunk)
		}
		if took := time.Since(began); took > hesitation {
			t.Errorf("writing waited for %v", took)
		}
		close(disk.end)
		cancel()
		<-ended
	})
}
