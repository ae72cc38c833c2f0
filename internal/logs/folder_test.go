package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var tenOClock = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// aFolder returns a folder as one start of ota has it, and what it warns of.
func aFolder(t *testing.T, dir string, maxFile, maxTotal int64, now *time.Time) (*folder, *[]string) {
	t.Helper()
	warnings := &[]string{}
	warn := func(sentence string, args ...any) { *warnings = append(*warnings, fmt.Sprint(sentence, args)) }
	o := New(Options{Dir: dir, MaxFile: maxFile, MaxTotal: maxTotal, Now: func() time.Time { return *now }}).options
	f := newFolder(o, warn, func(string) {})
	t.Cleanup(func() { f.close() })
	return f, warnings
}

func put(t *testing.T, f *folder, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if done, err := f.write([]Line{{Time: tenOClock, Source: Main, Text: text}}); done != 1 || err != nil {
			t.Fatalf("write %.20q: %d, %v", text, done, err)
		}
	}
}

func mustWrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// names are the log files of a folder in its own order.
func names(t *testing.T, dir string) []string {
	t.Helper()
	files, err := list(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, file.name)
	}
	return names
}

func TestNamesAndLines(t *testing.T) {
	dir, now := filepath.Join(t.TempDir(), "logs"), tenOClock
	for range 3 {
		f, _ := aFolder(t, dir, 0, 0, &now)
		put(t, f, "hello", "wörld")
	}
	want := []string{"logfile_23-11-26_10.00.00.log", "logfile_23-11-26_10.00.00-2.log", "logfile_23-11-26_10.00.00-3.log"}
	if diff := cmp.Diff(want, names(t, dir)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	data, err := os.ReadFile(filepath.Join(dir, want[2]))
	if text := "[23/11/26 10:00:00] MAIN : hello\n[23/11/26 10:00:00] MAIN : wörld\n"; err != nil || string(data) != text {
		t.Errorf("got %q, %v, want %q", data, err, text)
	}
}

func TestFullFileIsFollowedByTheNext(t *testing.T) {
	dir, now := t.TempDir(), tenOClock
	f, _ := aFolder(t, dir, 1000, 1_000_000, &now)
	var lines []Line
	for i := range 100 {
		lines = append(lines, Line{Time: now, Source: Main, Text: fmt.Sprintf("line %02d %s", i, strings.Repeat("x", i))})
	}
	if done, err := f.write(lines); done != 100 || err != nil {
		t.Fatal(done, err)
	}
	var all []byte
	for _, name := range names(t, dir) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 1000 || len(data) == 0 {
			t.Errorf("%s has %d bytes", name, len(data))
		}
		all = append(all, data...)
	}
	var want []byte
	for _, line := range lines {
		want = append(line.append(want), '\n')
	}
	if diff := cmp.Diff(string(want), string(all)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLineLargerThanAFile(t *testing.T) {
	dir, now := t.TempDir(), tenOClock
	f, _ := aFolder(t, dir, 100, 1000, &now)
	put(t, f, "a", strings.Repeat("x", 300), "b")
	if got := len(names(t, dir)); got != 3 {
		t.Errorf("%d files, want 3", got)
	}
}

// The clock of a device without one: it starts anywhere.
func TestOldestIsDeletedWhateverTheClockSays(t *testing.T) {
	dir, now := t.TempDir(), tenOClock
	var order []string
	for i, jump := range []time.Duration{0, 40 * 365 * 24 * time.Hour, -60 * 365 * 24 * time.Hour, time.Hour, 20 * 365 * 24 * time.Hour, -time.Minute} {
		now = now.Add(jump)
		f, warnings := aFolder(t, dir, 1000, 3500, &now)
		put(t, f, strings.Repeat("x", 900))
		f.close()
		order = append(order, filepath.Base(f.info.Name()))
		want := order[max(0, i-2):]
		if diff := cmp.Diff(want, names(t, dir)); diff != "" {
			t.Fatalf("start %d (-want +got)\n%s", i, diff)
		}
		if len(*warnings) > 0 {
			t.Errorf("warned: %q", *warnings)
		}
	}
}

func TestAllFilesTogetherStayUnderTheLimit(t *testing.T) {
	dir, now := t.TempDir(), tenOClock
	const limit = 10_000
	f, _ := aFolder(t, dir, 3000, limit, &now)
	for i := range 300 {
		put(t, f, strings.Repeat("x", 17*i%700))
		var total int64
		files, err := list(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			total += file.size
		}
		if total > limit || i > 100 && total < limit-4000 {
			t.Fatalf("after line %d the files have %d bytes", i, total)
		}
	}
}

func TestOnlyLogFilesAreDeleted(t *testing.T) {
	dir, now := t.TempDir(), tenOClock
	foreign := []string{
		"notes.txt", "logfile_23-11-26_10.00.00.log.gz", "logfile_1-11-26_10.00.00.log", "xlogfile_23-11-26_10.00.00.log",
		"logfile_23-11-26_10.00.00-.log", "logfile_23-11-26_10.00.00\n.log",
	}
	for _, name := range foreign {
		mustWrite(t, filepath.Join(dir, name), strings.Repeat("y", 5000))
	}
	folderName := filepath.Join(dir, "logfile_01-01-20_00.00.00.log")
	if err := os.Mkdir(folderName, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "logfile_01-01-20_00.00.01.log")
	if err := os.Symlink("notes.txt", link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	before := filepath.Join(dir, "logfile_02-01-99_00.00.00.log") // of the old script
	mustWrite(t, before, strings.Repeat("y", 900))
	f, _ := aFolder(t, dir, 1000, 1000, &now)
	put(t, f, strings.Repeat("x", 500))
	if _, err := os.Lstat(before); !os.IsNotExist(err) {
		t.Errorf("the old log file is there: %v", err)
	}
	for _, name := range append(foreign, filepath.Base(folderName), filepath.Base(link)) {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestFilesOutsideOfTheOrderAreOlder(t *testing.T) {
	dir, now := t.TempDir(), tenOClock
	f, _ := aFolder(t, dir, 0, 0, &now)
	put(t, f, "ours")
	for _, name := range []string{"logfile_05-01-30_00.00.00.log", "logfile_04-02-30_00.00.00.log", "logfile_05-01-30_00.00.00-11.log", "logfile_05-01-30_00.00.00-2.log", "logfile_99-99-99_00.00.00.log"} {
		mustWrite(t, filepath.Join(dir, name), "")
	}
	want := []string{"logfile_99-99-99_00.00.00.log", "logfile_05-01-30_00.00.00.log", "logfile_05-01-30_00.00.00-2.log", "logfile_05-01-30_00.00.00-11.log", "logfile_04-02-30_00.00.00.log", "logfile_23-11-26_10.00.00.log"}
	if diff := cmp.Diff(want, names(t, dir)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	// Whatever is in the file of the order, it is no reason to fail.
	for _, content := range []string{"", "\x00\xff", "../../etc/passwd\n", strings.Repeat("logfile_23-11-26_10.00.00.log\n", 3)} {
		mustWrite(t, filepath.Join(dir, orderName), content)
		if got := names(t, dir); len(got) != 6 {
			t.Errorf("with %q: %q", content, got)
		}
	}
}

func TestNumberOfFilesIsBounded(t *testing.T) {
	dir, now := t.TempDir(), tenOClock
	for i := range maxFiles + 5 {
		mustWrite(t, filepath.Join(dir, fmt.Sprintf("logfile_01-01-26_00.00.00-%d.log", i+2)), "")
	}
	f, _ := aFolder(t, dir, 0, 0, &now)
	put(t, f, "x")
	if got := names(t, dir); len(got) != maxFiles || got[0] != "logfile_01-01-26_00.00.00-8.log" || !slices.Contains(got, "logfile_23-11-26_10.00.00.log") {
		t.Errorf("%d files, from %q", len(got), got[0])
	}
}

func TestRemovedFileAndFolderComeBack(t *testing.T) {
	dir, now := filepath.Join(t.TempDir(), "logs"), tenOClock
	f, _ := aFolder(t, dir, 0, 0, &now)
	put(t, f, "first")
	for _, remove := range []func() error{
		func() error { return os.Remove(f.file.Name()) },
		func() error { return os.RemoveAll(dir) },
		func() error { return os.Rename(dir, dir+".moved") },
	} {
		if err := remove(); err != nil {
			t.Skip("an open file can't be removed here:", err)
		}
		put(t, f, "next")
		data, err := os.ReadFile(filepath.Join(dir, "logfile_23-11-26_10.00.00.log"))
		if err != nil || !strings.HasSuffix(string(data), "] MAIN : next\n") {
			t.Errorf("got %q, %v", data, err)
		}
	}
}

func TestReadTail(t *testing.T) {
	dir, now := t.TempDir(), tenOClock
	tail := func(n int, want ...string) {
		t.Helper()
		got, err := ReadTail(dir, n)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ReadTail(%d) (-want +got)\n%s", n, diff)
		}
	}
	tail(5)
	for i := range 3 {
		f, _ := aFolder(t, dir, 0, 0, &now)
		put(t, f, fmt.Sprint("a", i), fmt.Sprint("b", i))
		f.close()
		now = now.Add(-time.Hour)
	}
	line := func(text string) string { return "[23/11/26 10:00:00] MAIN : " + text }
	tail(0)
	tail(1, line("b2"))
	tail(3, line("b1"), line("a2"), line("b2"))
	tail(99, line("a0"), line("b0"), line("a1"), line("b1"), line("a2"), line("b2"))
	// What a power cut or another program left must not reach the terminal.
	mustWrite(t, filepath.Join(dir, names(t, dir)[2]), "\x00\x00\n\x1b[2Jwiped\r\nhalf a li")
	tail(4, line("b1"), `\x00\x00`, `\x1b[2Jwiped`, "half a li")
	if _, err := ReadTail(filepath.Join(dir, "none"), 3); err != nil {
		t.Errorf("no folder: %v", err)
	}
}

func TestReadTailOfLargeFiles(t *testing.T) {
	dir := t.TempDir()
	var b strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	path := filepath.Join(dir, "logfile_23-11-26_10.00.00.log")
	mustWrite(t, path, b.String())
	for _, n := range []int{1, 10, 50_000} {
		got, err := ReadTail(dir, n)
		if err != nil || len(got) != n || got[0] != fmt.Sprint("line ", 200_000-n) || got[n-1] != "line 199999" {
			t.Errorf("ReadTail(%d): %d lines, %v", n, len(got), err)
		}
	}
	mustWrite(t, path, strings.Repeat("x", 10_000_000)) // not one newline
	if got, err := ReadTail(dir, 3); err != nil || len(got) != 1 || len(got[0]) != readAtMost {
		t.Errorf("%d lines, %v", len(got), err)
	}
}

// A log file may hold anything after a power cut, and so may the order.
func FuzzReadTail(f *testing.F) {
	f.Add([]byte("[23/11/26 10:00:00] INFO : a\nb"), []byte(orderHead+"logfile_23-11-26_10.00.00.log\n"), 2)
	f.Add([]byte("\x00\x00\n\r\n\x1b[2J"), []byte("logfile_23-11-26_10.00.00-999999999999.log\n"), 1)
	f.Fuzz(func(t *testing.T, data, order []byte, n int) {
		dir := t.TempDir()
		mustWrite(t, filepath.Join(dir, "logfile_23-11-26_10.00.00.log"), string(data))
		mustWrite(t, filepath.Join(dir, orderName), string(order))
		lines, err := ReadTail(dir, n)
		if err != nil || len(lines) > max(n, 0) {
			t.Fatalf("%d lines, %v", len(lines), err)
		}
		for _, line := range lines {
			if strings.ContainsAny(line, "\n\r\x00\x1b") {
				t.Errorf("line %q", line)
			}
		}
	})
}
