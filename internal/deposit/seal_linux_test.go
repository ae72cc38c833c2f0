package deposit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ota/internal/reason"
)

func TestSealTakesAnyName(t *testing.T) {
	g := newGround(t)
	files := map[string]string{
		"Makefile": "no dot", "a b": "space", "ü/é": "unicode", "-rf": "dash", "new\nline": "newline",
		strings.Repeat("n", 255): "long", "\xff\xfe": "bytes", ".env": "hidden", ".streamlit/config.toml": "nested",
		"model.v1/w": "dot", "empty": "", "\\": "backslash", "*?[": "pattern", "'\"$(x)": "shell",
		strings.Repeat("deep/", 300) + "x": "deep", "\x1b[31m": "escape",
	}
	for path, content := range files {
		if strings.HasPrefix(path, "deep/") { // too long a path for one call
			root, err := os.OpenRoot(filepath.Dir(g.dir))
			g.must(err)
			g.must(root.MkdirAll("deposit/"+filepath.Dir(path), 0o755))
			g.must(root.WriteFile("deposit/"+path, []byte(content), 0o644))
			g.must(root.Close())
			continue
		}
		g.write(map[string]string{path: content})
	}
	then := time.Unix(1234567890, 123456789)
	g.must(os.Chtimes(g.at("Makefile"), then, then))
	g.must(os.Chmod(g.at("-rf"), 0o750))
	sealed := g.seal()
	folders := map[string]bool{".": true}
	for _, file := range sealed.Files {
		if !folders[filepath.Dir(file.Path)] {
			t.Errorf("%q comes before its folder", file.Path)
		}
		if file.Kind == KindFolder {
			folders[file.Path] = true
			continue
		}
		content, err := os.ReadFile(file.Copy)
		g.must(err)
		want, there := files[file.Path]
		if !there || string(content) != want || file.Size != int64(len(want)) || file.Sum != sha256.Sum256([]byte(want)) {
			t.Errorf("%q sealed as %q: %+v", file.Path, content, file)
		}
		if filepath.Dir(file.Copy) != sealed.Dir {
			t.Errorf("the copy %s is not in %s", file.Copy, sealed.Dir)
		}
		delete(files, file.Path)
		switch info, err := os.Stat(file.Copy); {
		case err != nil:
			t.Error(err)
		case file.Path == "Makefile" && (!file.ModTime.Equal(then) || !info.ModTime().Equal(then)):
			t.Errorf("time %v, of the copy %v, want %v", file.ModTime, info.ModTime(), then)
		case file.Path == "-rf" && file.Mode != 0o750:
			t.Errorf("mode %v", file.Mode)
		}
	}
	if len(files) > 0 {
		t.Errorf("not sealed: %q", files)
	}
	g.must(g.room.Remove(sealed))
	if left := g.left(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	g.must(sealed.Close())
	if private, err := os.ReadDir(g.room.options.Incoming); err != nil || len(private) > 0 {
		t.Errorf("left in incoming: %v, %v", private, err)
	}
}

func TestSealDropsDangerousBits(t *testing.T) {
	g := newGround(t)
	for path, mode := range map[string]uint32{
		"setuid": 0o4755, "setgid": 0o2755, "sticky": 0o1755, "all": 0o7777, "fine": 0o775, "secret": 0o040,
	} {
		if path == "secret" && os.Getuid() != 0 {
			continue // not to be read
		}
		g.write(map[string]string{path: ""})
		g.must(unix.Chmod(g.at(path), mode))
	}
	want := map[string]fs.FileMode{"setuid": 0o755, "setgid": 0o755, "sticky": 0o755, "all": 0o775, "fine": 0o775, "secret": 0o440}
	sealed := g.seal()
	defer sealed.Close()
	for _, file := range sealed.Files {
		if file.Mode != want[file.Path] {
			t.Errorf("%s: mode %v, want %v", file.Path, file.Mode, want[file.Path])
		}
	}
	wantWarnings := `[all: taken without being setuid and setgid and sticky and world-writable ` +
		`setgid: taken without being setgid setuid: taken without being setuid sticky: taken without being sticky]`
	if got := fmt.Sprint(sealed.Warnings); got != wantWarnings {
		t.Errorf("warnings %s", got)
	}
}

func TestSealRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(g *ground) error
		want string // paths
	}{
		{"a FIFO", func(g *ground) error { return unix.Mkfifo(g.at("x/f"), 0o644) }, "x/f"},
		{"a socket", func(g *ground) error {
			return unix.Mknod(g.at("x/s"), unix.S_IFSOCK|0o644, 0)
		}, "x/s"},
		{"a device", func(g *ground) error {
			return unix.Mknod(g.at("x/d"), unix.S_IFCHR|0o644, int(unix.Mkdev(1, 3)))
		}, "x/d"},
		{"its own folder", func(g *ground) error {
			g.write(map[string]string{".ota/state.json": "{}", "x/.ota/a": "", ".OTA": ""})
			return nil
		}, ".OTA .ota x/.ota"},
		{"a link that is absolute", func(g *ground) error { return os.Symlink("/etc/passwd", g.at("x/l")) }, "x/l"},
		{"a link upwards", func(g *ground) error { return os.Symlink("../../etc", g.at("x/l")) }, "x/l"},
		{"a chain of links", func(g *ground) error {
			return errors.Join(os.Symlink("..", g.at("x/up")), os.Symlink("x/up/../secret", g.at("l")))
		}, "l"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGround(t)
			g.write(map[string]string{"x/fine": "1"})
			if err := test.make(g); errors.Is(err, unix.EPERM) {
				t.Skip("only root may make one")
			} else {
				g.must(err)
			}
			before := fmt.Sprint(g.left())
			_, err := g.room.Seal(t.Context(), g.snapshot())
			var refused *reason.Refused
			if !errors.As(err, &refused) {
				t.Fatalf("Seal: %v, want it refused", err)
			}
			var paths []string
			for _, one := range refused.Reasons {
				paths = append(paths, one.Path)
			}
			if got := strings.Join(paths, " "); got != test.want {
				t.Errorf("refused because of %s, want %s: %v", got, test.want, err)
			}
			if after := fmt.Sprint(g.left()); after != before {
				t.Errorf("left %s of %s", after, before)
			}
			if private, err := os.ReadDir(g.room.options.Incoming); err != nil || len(private) > 0 {
				t.Errorf("left in incoming: %v, %v", private, err)
			}
		})
	}
}

// Root may read everything, so this runs as nobody.
func TestSealNamesWhatItMayNotRead(t *testing.T) {
	if os.Getuid() == 0 {
		asNobody(t)
		return
	}
	g := newGround(t)
	g.write(map[string]string{"a": "1", "b": "2", "c/d": "3", "e": "4"})
	g.must(os.Chmod(g.at("b"), 0))
	g.must(os.Chmod(g.at("c"), 0))
	g.must(os.Chmod(g.at("e"), 0o200))
	g.Cleanup(func() { _ = os.Chmod(g.at("c"), 0o755) })
	g.run()
	_, err := g.room.Seal(t.Context(), g.await(Complete).Upload)
	var refused *reason.Refused
	if !errors.As(err, &refused) || len(refused.Reasons) != 3 {
		t.Fatalf("Seal: %v, want b, c and e refused", err)
	}
}

// asNobody runs the test itself as another user, in a folder of that user's.
func asNobody(t *testing.T) {
	t.Helper()
	const nobody = 65534
	dir, err := os.MkdirTemp("/tmp", "ota-deposit-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	binary, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "test")
	if err := errors.Join(os.WriteFile(path, binary, 0o755), os.Chown(dir, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	test := exec.Command(path, "-test.run=^"+t.Name()+"$", "-test.v")
	test.Dir = dir
	test.Env = append(os.Environ(), "TMPDIR="+dir)
	test.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if output, err := test.CombinedOutput(); errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.ENOEXEC) {
		t.Skip("another user may not be used here")
	} else if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
}

func TestSealKeepsLinksInside(t *testing.T) {
	g := newGround(t)
	g.write(map[string]string{"x/f": "1"})
	for at, target := range map[string]string{"x/up": "..", "to": "x/f", "dangling": "nowhere", "x/same": "./f"} {
		g.must(os.Symlink(target, g.at(at)))
	}
	sealed := g.seal()
	defer sealed.Close()
	got := map[string]string{}
	for _, file := range sealed.Files {
		if file.Kind == KindLink {
			got[file.Path] = file.Target
		}
	}
	if fmt.Sprint(got) != "map[dangling:nowhere to:x/f x/same:./f x/up:..]" {
		t.Errorf("links %v", got)
	}
	g.must(g.room.Remove(sealed))
	if left := g.left(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// Whatever happens while files are copied, they are not used.
func TestSealNoticesChanges(t *testing.T) {
	for name, change := range map[string]func(g *ground) error{
		"rewritten":   func(g *ground) error { return os.WriteFile(g.at("a"), []byte("2"), 0o644) },
		"appended to": func(g *ground) error { return os.WriteFile(g.at("a"), []byte("12"), 0o644) },
		"replaced": func(g *ground) error {
			return errors.Join(os.WriteFile(g.at("n"), []byte("1"), 0o644), os.Rename(g.at("n"), g.at("a")))
		},
		"chmod":           func(g *ground) error { return os.Chmod(g.at("a"), 0o600) },
		"removed":         func(g *ground) error { return os.Remove(g.at("a")) },
		"made a link":     func(g *ground) error { return errors.Join(os.Remove(g.at("z")), os.Symlink("a", g.at("z"))) },
		"made a FIFO":     func(g *ground) error { return errors.Join(os.Remove(g.at("z")), unix.Mkfifo(g.at("z"), 0o644)) },
		"more":            func(g *ground) error { return os.WriteFile(g.at("b"), nil, 0o644) },
		"an empty folder": func(g *ground) error { return os.Mkdir(g.at("b"), 0o755) },
		"unfinished":      func(g *ground) error { return os.WriteFile(g.at("b.part"), nil, 0o644) },
		"held":            func(g *ground) error { return os.WriteFile(g.at(".hold"), nil, 0o644) },
		"all gone":        func(g *ground) error { return os.RemoveAll(g.dir) },
		"folder a link": func(g *ground) error {
			return errors.Join(os.Rename(g.at("y"), g.dir+".y"), os.Symlink("../deposit.y", g.at("y")))
		},
		"being written": func(g *ground) error {
			file, err := os.OpenFile(g.at("z"), os.O_WRONLY, 0)
			g.Cleanup(func() { file.Close() })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGround(t)
			g.write(map[string]string{"a": "1", "y/f": "2", "z": "3"})
			g.age()
			g.room.copied = func(path string) {
				if path == "a" {
					g.must(change(g))
				}
			}
			sealed, err := g.room.Seal(t.Context(), g.snapshot())
			if !errors.Is(err, ErrChanged) {
				t.Errorf("Seal = %+v, %v, want ErrChanged", sealed, err)
			}
			if private, err := os.ReadDir(g.room.options.Incoming); err != nil || len(private) > 0 {
				t.Errorf("left in incoming: %v, %v", private, err)
			}
		})
	}
}

// age waits until the kernel's clock for change times has moved on.
func (g *ground) age() {
	g.Helper()
	probe := filepath.Join(g.TempDir(), "probe")
	g.must(os.WriteFile(probe, nil, 0o644))
	first, err := os.Stat(probe)
	g.must(err)
	for now := first; now.ModTime().Sub(first.ModTime()) < racyTime; {
		g.must(os.WriteFile(probe, []byte("x"), 0o644))
		now, err = os.Stat(probe)
		g.must(err)
	}
}

func TestSealByOrderLeavesWhatArrivesLater(t *testing.T) {
	g := newGround(t)
	g.write(map[string]string{"a": "1"})
	upload := g.snapshot()
	upload.basis = byOrder
	g.room.copied = func(string) { g.write(map[string]string{"b": "2", ".hold": ""}) }
	sealed, err := g.room.Seal(t.Context(), upload)
	g.must(err)
	g.must(errors.Join(g.room.Remove(sealed), sealed.Close()))
	if left := fmt.Sprint(g.left()); left != "[.hold b]" {
		t.Errorf("left: %s", left)
	}
}

func TestSealEndsWithItsContext(t *testing.T) {
	g := newGround(t)
	g.write(map[string]string{"a": "1", "b": "2"})
	ctx, stop := context.WithCancel(t.Context())
	g.room.copied = func(string) { stop() }
	if _, err := g.room.Seal(ctx, g.snapshot()); !errors.Is(err, context.Canceled) {
		t.Errorf("Seal: %v", err)
	}
	if private, err := os.ReadDir(g.room.options.Incoming); err != nil || len(private) > 0 {
		t.Errorf("left in incoming: %v, %v", private, err)
	}
}

func TestHardLinksAreCopiedAsBytes(t *testing.T) {
	g := newGround(t)
	g.write(map[string]string{"a": "same", "b/c": ""})
	g.must(os.Remove(g.at("b/c")))
	g.must(os.Link(g.at("a"), g.at("b/c")))
	outside := filepath.Join(filepath.Dir(g.dir), "outside")
	g.must(os.Link(g.at("a"), outside))
	sealed := g.seal()
	defer sealed.Close()
	g.must(g.room.Remove(sealed))
	if left := g.left(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if content, err := os.ReadFile(outside); err != nil || string(content) != "same" {
		t.Errorf("the other name has %q, %v", content, err)
	}
}
