package deposit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ground is a real folder with a room in it.
type ground struct {
	*testing.T
	room *Room
	dir  string // deposit/
	log  *lines
}

// lines is a log that may be read while it is written.
type lines struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

const testQuiet = 30 * time.Millisecond

// newGround makes a folder and a room that does not run yet.
func newGround(t *testing.T, change ...func(*Options)) *ground {
	t.Helper()
	return groundAt(t, t.TempDir(), change...)
}

func groundAt(t *testing.T, top string, change ...func(*Options)) *ground {
	t.Helper()
	g := &ground{T: t, dir: filepath.Join(top, "deposit"), log: &lines{}}
	options := Options{
		Dir:      g.dir,
		Incoming: filepath.Join(top, ".ota", "incoming"),
		Quiet:    lasting(testQuiet),
		Log:      slog.New(slog.NewTextHandler(g.log, nil)),
	}
	for _, one := range change {
		one(&options)
	}
	g.room = New(options)
	return g
}

// run runs the room until the test ends.
func (g *ground) run() {
	g.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.room.Run(ctx) }()
	g.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			g.Errorf("Run: %v", err)
		}
	})
}

// await waits for a view of a state.
func (g *ground) await(want State) View {
	g.Helper()
	return g.awaitView(string(want), func(v View) bool { return v.State == want })
}

func (g *ground) awaitView(what string, is func(View) bool) View {
	g.Helper()
	limit := time.After(20 * time.Second)
	var last View
	for {
		select {
		case view := <-g.room.Views():
			if last = view; is(view) {
				return view
			}
		case <-limit:
			g.Fatalf("no view %s; the last was %+v\n%s", what, last, g.log)
		}
	}
}

func (g *ground) at(path string) string { return filepath.Join(g.dir, path) }

// write makes files and the folders that they are in.
func (g *ground) write(files map[string]string) {
	g.Helper()
	for path, content := range files {
		g.must(os.MkdirAll(filepath.Dir(g.at(path)), 0o755))
		g.must(os.WriteFile(g.at(path), []byte(content), 0o644))
	}
}

func (g *ground) must(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

// snapshot is what a walk sees, taken for complete.
func (g *ground) snapshot() *Snapshot {
	g.Helper()
	disk := openSystem(g.room.options)
	defer disk.close()
	seen, err := disk.look(g.Context())
	g.must(err)
	return &Snapshot{tree: seen, basis: byQuiet}
}

// seal seals what is there.
func (g *ground) seal() *Sealed {
	g.Helper()
	sealed, err := g.room.Seal(g.Context(), g.snapshot())
	g.must(err)
	return sealed
}

// left lists what is in deposit/.
func (g *ground) left() []string {
	g.Helper()
	var paths []string
	g.must(filepath.WalkDir(g.dir, func(path string, _ os.DirEntry, err error) error {
		if path != g.dir {
			paths = append(paths, strings.TrimPrefix(path, g.dir+"/"))
		}
		return err
	}))
	return paths
}

func TestAnUploadArrives(t *testing.T) {
	g := newGround(t)
	g.run()
	g.await(Empty)
	if info, err := os.Stat(g.dir); err != nil || !info.IsDir() {
		t.Fatalf("deposit was not made: %v", err)
	}
	files := map[string]string{}
	for i := range 30 {
		files[fmt.Sprintf("new/d%d/e/f%d.py", i%5, i)] = strings.Repeat("x", i)
	}
	g.write(files)
	view := g.await(Complete)
	if view.Files != 30 || view.Bytes != 29*30/2 {
		t.Errorf("%d files of %d bytes", view.Files, view.Bytes)
	}
	sealed, err := g.room.Seal(t.Context(), view.Upload)
	g.must(err)
	g.must(g.room.Remove(sealed))
	g.must(sealed.Close())
	g.await(Empty)
	if left := g.left(); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

// However long a client stalls in the middle of a file, its upload is not used.
func TestAStalledWriter(t *testing.T) {
	g := newGround(t)
	g.run()
	g.await(Empty)
	for name, open := range map[string]func() (finish func()){
		"open": func() func() {
			file, err := os.Create(g.at("big"))
			g.must(err)
			_, err = file.WriteString("half")
			g.must(err)
			return func() { g.must(file.Close()) }
		},
		"mapped": func() func() {
			file, err := os.OpenFile(g.at("big"), os.O_RDWR|os.O_CREATE, 0o644)
			g.must(err)
			g.must(file.Truncate(4096))
			memory, err := unix.Mmap(int(file.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			g.must(err)
			g.must(file.Close())
			memory[0] = 'x'
			return func() { g.must(unix.Munmap(memory)) }
		},
		"open by another name": func() func() {
			elsewhere := filepath.Join(t.TempDir(), "other")
			file, err := os.Create(elsewhere)
			g.must(err)
			g.must(os.Link(elsewhere, g.at("big")))
			return func() {
				g.must(file.Close())
				g.room.Look() // instead of the seconds that it takes to be noticed
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			finish := open()
			view := g.awaitView("that waits for big", func(v View) bool {
				if v.State == Complete {
					t.Error("complete while it is being written")
				}
				return len(v.Waiting) == 1 && v.Waiting[0].Path == "big"
			})
			if view.State != Receiving {
				t.Errorf("state %s", view.State)
			}
			finish()
			g.await(Complete)
			g.must(os.Remove(g.at("big")))
			g.await(Empty)
		})
	}
}

func TestAFolderIsMovedIn(t *testing.T) {
	g := newGround(t)
	g.run()
	g.await(Empty)
	whole := filepath.Join(t.TempDir(), "whole")
	g.must(os.MkdirAll(filepath.Join(whole, "a/b"), 0o755))
	g.must(os.WriteFile(filepath.Join(whole, "a/b/c"), nil, 0o644))
	g.must(os.Rename(whole, g.at("whole")))
	if view := g.await(Complete); view.Files != 1 {
		t.Errorf("%d files", view.Files)
	}
	g.write(map[string]string{"whole/a/b/d": "2"})
	if view := g.await(Complete); view.Files != 2 {
		t.Errorf("%d files", view.Files)
	}
}

func TestHoldIsFast(t *testing.T) {
	g := newGround(t, func(o *Options) { o.Quiet = lasting(time.Hour) })
	g.run()
	g.await(Empty)
	best := time.Hour
	for range 5 {
		g.write(map[string]string{".hold": ""})
		for i := range 30 {
			g.write(map[string]string{fmt.Sprintf("d%d/f%d", i%3, i): "x"})
		}
		g.awaitView("of 30 files that are held", func(v View) bool { return v.Files == 30 && len(v.Waiting) == 1 })
		began := time.Now()
		g.must(os.Remove(g.at(".hold")))
		view := g.await(Complete)
		best = min(best, time.Since(began))
		sealed, err := g.room.Seal(t.Context(), view.Upload)
		g.must(err)
		g.must(errors.Join(g.room.Remove(sealed), sealed.Close()))
		g.await(Empty)
	}
	t.Logf("from the removal of .hold to the view: %v", best)
	if best > time.Second {
		t.Errorf("%v at best, with a quiet period of an hour", best)
	}
}

func TestApplyForAPersonsSake(t *testing.T) {
	g := newGround(t, func(o *Options) { o.Quiet = lasting(time.Hour) })
	g.run()
	g.await(Empty)
	g.write(map[string]string{"a": "1", "b.part": "2", ".hold": ""})
	g.awaitView("that waits", func(v View) bool { return len(v.Waiting) > 0 })
	g.room.Apply()
	view := g.await(Complete)
	sealed, err := g.room.Seal(t.Context(), view.Upload)
	g.must(err)
	defer sealed.Close()
	if len(sealed.Files) != 1 || sealed.Files[0].Path != "a" || !sealed.Forced {
		t.Errorf("sealed %+v", sealed)
	}
	g.must(g.room.Remove(sealed))
	if left := fmt.Sprint(g.left()); left != "[.hold b.part]" {
		t.Errorf("left: %s", left)
	}
}

func TestIgnoredNamesMakeNoUpload(t *testing.T) {
	g := newGround(t, func(o *Options) {
		o.Ignore = func(path string) bool { return strings.HasSuffix(path, ".pyc") || path == "node_modules" }
	})
	g.write(map[string]string{
		".keep": "", "data/.gitkeep": "", "data/.DS_Store": "", "Thumbs.db": "", "desktop.ini": "",
		"x.pyc": "", "node_modules/a/b": "", "old~": "",
	})
	g.run()
	// The backup is what it waits for, until it gives that up.
	view := g.await(Receiving)
	if len(view.Waiting) != 1 || view.Waiting[0].Path != "old~" {
		t.Fatalf("waiting for %v", view.Waiting)
	}
	g.must(os.Remove(g.at("old~")))
	g.await(Empty)
	g.write(map[string]string{"main.py": "1"})
	sealed, err := g.room.Seal(t.Context(), g.await(Complete).Upload)
	g.must(err)
	defer sealed.Close()
	var paths []string
	for _, file := range sealed.Files {
		paths = append(paths, file.Path)
	}
	if fmt.Sprint(paths) != "[data main.py]" {
		t.Errorf("sealed %q", paths)
	}
	g.must(g.room.Remove(sealed))
	g.await(Empty)
}

func TestAnEmptyFolderIsAnUpload(t *testing.T) {
	g := newGround(t)
	g.run()
	g.await(Empty)
	g.must(os.MkdirAll(g.at("a/b"), 0o755))
	view := g.await(Complete)
	sealed, err := g.room.Seal(t.Context(), view.Upload)
	g.must(err)
	defer sealed.Close()
	if len(sealed.Files) != 2 || sealed.Files[1].Path != "a/b" || sealed.Files[1].Kind != KindFolder {
		t.Errorf("sealed %+v", sealed.Files)
	}
	g.must(g.room.Remove(sealed))
	g.await(Empty)
	if left := g.left(); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

func TestDepositIsReplaced(t *testing.T) {
	upload := func(g *ground, name string) {
		g.write(map[string]string{name: "x"})
		g.awaitView("complete with "+name, func(v View) bool {
			return v.State == Complete && v.Upload.tree.names()[name] != nil
		})
		g.must(os.Remove(g.at(name)))
		g.await(Empty)
	}
	for name, replace := range map[string]func(g *ground){
		"removed": func(g *ground) {
			g.must(os.Remove(g.dir))
			g.awaitMade()
		},
		"moved away": func(g *ground) {
			g.must(os.Rename(g.dir, g.dir+".old"))
			g.awaitMade()
		},
		"another folder": func(g *ground) {
			g.must(os.Mkdir(g.dir+".new", 0o755))
			g.must(unix.Renameat2(unix.AT_FDCWD, g.dir+".new", unix.AT_FDCWD, g.dir, unix.RENAME_EXCHANGE))
		},
		"a link": func(g *ground) {
			elsewhere := filepath.Join(g.TempDir(), "elsewhere")
			g.must(os.Mkdir(elsewhere, 0o755))
			g.must(os.Symlink(elsewhere, g.dir+".new"))
			g.must(unix.Renameat2(unix.AT_FDCWD, g.dir+".new", unix.AT_FDCWD, g.dir, unix.RENAME_EXCHANGE))
			upload(g, "by link")
			// The link is turned to another folder; to the folders nothing happens.
			g.must(os.Mkdir(elsewhere+".2", 0o755))
			g.must(os.Symlink(elsewhere+".2", g.dir+".turned"))
			g.must(os.Rename(g.dir+".turned", g.dir))
			upload(g, "by another link")
			elsewhere += ".2"
			// What the link leads to is replaced in turn.
			g.must(os.Rename(elsewhere, elsewhere+".old"))
			g.awaitView("with a reason", func(v View) bool { return len(v.Waiting) == 1 })
			g.must(os.Mkdir(elsewhere, 0o755))
			g.awaitView("without a reason", func(v View) bool { return v.State == Empty && len(v.Waiting) == 0 })
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGround(t)
			g.run()
			g.await(Empty)
			upload(g, "before")
			replace(g)
			upload(g, "after")
		})
	}
}

// awaitMade waits until deposit/ is there again.
func (g *ground) awaitMade() {
	g.Helper()
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(g.dir); err == nil {
			return
		}
		if time.Now().After(limit) {
			g.Fatalf("deposit was not made again\n%s", g.log)
		}
	}
}

func TestAFileInPlaceOfDeposit(t *testing.T) {
	g := newGround(t)
	g.must(os.WriteFile(g.dir, nil, 0o644))
	g.run()
	view := g.awaitView("with a reason", func(v View) bool { return len(v.Waiting) == 1 })
	if view.State != Empty {
		t.Errorf("state %s", view.State)
	}
	g.must(os.Remove(g.dir))
	g.awaitView("without a reason", func(v View) bool { return v.State == Empty && len(v.Waiting) == 0 })
}

// The test runs itself in a mount namespace of its own, where it may mount.
func TestDepositIsMountedOver(t *testing.T) {
	if os.Getenv("OTA_TEST_MOUNTS") == "" {
		inOwnNamespace(t)
		return
	}
	g := newGround(t)
	g.run()
	g.await(Empty)
	g.must(unix.Mount("none", g.dir, "tmpfs", 0, ""))
	g.Cleanup(func() { _ = unix.Unmount(g.dir, unix.MNT_DETACH) })
	g.room.Look()
	g.await(Empty)
	g.write(map[string]string{"on/tmpfs": "x"})
	sealed, err := g.room.Seal(t.Context(), g.await(Complete).Upload)
	g.must(err)
	g.must(errors.Join(g.room.Remove(sealed), sealed.Close()))
	g.await(Empty)
	g.must(unix.Mount(g.TempDir(), g.dir, "", unix.MS_BIND, ""))
	g.write(map[string]string{"bound": "x"})
	g.await(Complete)
	g.must(unix.Unmount(g.dir, unix.MNT_DETACH))
	g.await(Empty)
	g.must(unix.Unmount(g.dir, 0))
	g.write(map[string]string{"on disk": "x"})
	g.await(Complete)
}

func inOwnNamespace(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root may mount")
	}
	test := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	test.Env = append(os.Environ(), "OTA_TEST_MOUNTS=1")
	test.SysProcAttr = &unix.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	if output, err := test.CombinedOutput(); errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOEXEC) {
		t.Skip("a mount namespace of our own is not allowed here")
	} else if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
}

func TestEventsAreLost(t *testing.T) {
	g := newGround(t)
	g.write(map[string]string{"a": "1"})
	g.run()
	g.await(Complete)
	g.must(os.RemoveAll(g.at("a")))
	g.await(Empty)
	limit, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	g.must(err)
	// The room is kept from reading while more happens than the queue holds.
	g.room.taking.Lock()
	g.write(map[string]string{"b": "1"})
	count := 20_000
	if n, err := fmt.Sscan(string(limit), &count); n != 1 || err != nil || count > 100_000 {
		t.Skipf("the queue holds %s events", limit)
	}
	for i := range count + 1000 {
		mode := os.FileMode(0o600 + i%2)
		g.must(os.Chmod(g.at("b"), mode))
		g.must(os.Chmod(g.dir, 0o700+mode%2))
	}
	g.must(os.MkdirAll(g.at("c/d"), 0o755))
	g.room.taking.Unlock()
	g.awaitView("of b", func(v View) bool { return v.State == Complete && v.Files == 1 })
	g.write(map[string]string{"c/d/e": "1"})
	g.awaitView("of c/d/e", func(v View) bool { return v.State == Complete && v.Files == 2 })
}

func TestThousandsOfFiles(t *testing.T) {
	const count = 5000
	g := newGround(t)
	g.run()
	g.await(Empty)
	g.write(map[string]string{".hold": ""})
	for i := range count {
		g.write(map[string]string{fmt.Sprintf("d%d/e%d/f%d", i%7, i%50, i): "x"})
	}
	g.must(os.Remove(g.at(".hold")))
	view := g.awaitView("of all", func(v View) bool { return v.State == Complete && v.Files == count })
	sealed, err := g.room.Seal(t.Context(), view.Upload)
	g.must(err)
	g.must(errors.Join(g.room.Remove(sealed), sealed.Close()))
	g.await(Empty)
	if left := g.left(); len(left) != 0 {
		t.Errorf("%d left", len(left))
	}
}

func TestNoFileStaysOpen(t *testing.T) {
	g := newGround(t)
	g.write(map[string]string{"a/b/c/d": "1", "a/b/e": "2", "f/g": "3"})
	before := openFiles(t)
	sealed := g.seal()
	g.must(errors.Join(g.room.Remove(sealed), sealed.Close()))
	if after := openFiles(t); after != before {
		t.Errorf("%d files open, %d before", after, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// fill makes 2,000 files in 40 folders.
func fill(b *testing.B) Options {
	b.Helper()
	options := Options{Dir: filepath.Join(b.TempDir(), "deposit"), Log: slog.New(slog.DiscardHandler), Ignore: func(string) bool { return false }}
	for i := range 2000 {
		folder := filepath.Join(options.Dir, fmt.Sprint("d", i%40))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprint("file", i)), nil, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return options
}

func BenchmarkWalk(b *testing.B) {
	disk := openSystem(fill(b))
	defer disk.close()
	b.ReportAllocs()
	for b.Loop() {
		if seen, err := disk.look(b.Context()); err != nil || seen.files != 2000 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/2000, "µs/file")
}

func BenchmarkWriters(b *testing.B) {
	disk := openSystem(fill(b))
	defer disk.close()
	seen, err := disk.look(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if found := disk.writers(b.Context(), seen); len(found.paths) > 0 || found.sight != sighted {
			b.Fatal(found)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/2000, "µs/file")
}
