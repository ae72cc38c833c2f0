//go:build linux

package device

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ota/test/harness"
)

var past = time.Date(2021, 3, 4, 5, 6, 7, 123456789, time.UTC)

func dated(content string, mode fs.FileMode) harness.Entry {
	return harness.Entry{Mode: mode, Content: content, ModTime: past}
}

// names are some that a file may have.
var names = harness.Tree{
	strings.Repeat("n", 255):          dated("longest\n", 0o644),
	strings.Repeat("ü", 127) + "x":    dated("longest of two bytes each\n", 0o644),
	"two\nlines":                      dated("newline\n", 0o644),
	"\n":                              dated("newline\n", 0o644),
	"latin1-\xe9\xff":                 dated("not UTF-8\n", 0o644),
	"esc\x1b[2J\x07":                  dated("control\n", 0o644),
	"-rf":                             dated("dash\n", 0o644),
	"--help":                          dated("dash\n", 0o644),
	" ":                               dated("space\n", 0o644),
	" two spaces ":                    dated("space\n", 0o644),
	"日本語 ünï.txt":                     dated("unicode\n", 0o644),
	"e\u0301":                         dated("decomposed\n", 0o644),
	"é":                               dated("composed\n", 0o644),
	".env":                            dated("hidden\n", 0o600),
	".streamlit/config.toml":          dated("hidden\n", 0o644),
	"Makefile":                        dated("no dot\n", 0o644),
	"LICENSE":                         dated("no dot\n", 0o640),
	"...":                             dated("dots\n", 0o644),
	"..data":                          dated("dots\n", 0o644),
	"back\\slash":                     dated("slash\n", 0o644),
	"a:b*c?d\"e<f>g|h":                dated("for Windows\n", 0o644),
	"%s%d%n":                          dated("verbs\n", 0o644),
	"quote'\"$(x)`x`":                 dated("shell\n", 0o644),
	"empty":                           dated("", 0o644),
	"run.sh":                          dated("#!/bin/sh\n", 0o755),
	"model.v1/new.bin":                dated("\x00\x01", 0o644),
	"model.v1/sub.d/deep.d/a.b.c":     dated("deep\n", 0o644),
	"empty folder/in.another":         harness.Folder(),
	"link":                            harness.Link("model.v1/new.bin"),
	"model.v1/up":                     harness.Link("../run.sh"),
	"model.v1/nowhere":                harness.Link("not there"),
	strings.Repeat("f/", 200) + "end": dated("deep\n", 0o644),
	strings.Repeat(strings.Repeat("d", 250)+"/", 12) + "end": dated("long\n", 0o644),
}

// TestNames: any name is taken, with its content, time and executable bit; a
// folder is merged with the one of main/.
func TestNames(t *testing.T) {
	t.Parallel()
	main := harness.Tree{"model.v1/old.bin": dated("old\n", 0o644)}.Over(first)
	d := newDevice(t, main, noting)
	upload(t, d, names)
	awaitRunning(d, 2)
	want := names.Over(main)
	for path := range names {
		for dir := filepath.Dir(path); dir != "."; dir = filepath.Dir(dir) {
			want[dir] = harness.Folder()
		}
	}
	checkTree(t, d.Main(), want)
	checkTree(t, d.Deposit(), harness.Tree{})
	for _, char := range d.Console() {
		if char != '\n' && (char < ' ' || char == 0x7f) {
			t.Fatalf("the console has the control character %q", char)
		}
	}
}

// TestDangerousBits: they are dropped, with a warning; what is executable stays
// so.
func TestDangerousBits(t *testing.T) {
	t.Parallel()
	d := newDevice(t, first, noting)
	upload(t, d, harness.Tree{"tool": dated("x\n", 0o755), "open": dated("x\n", 0o644), "folder/x": dated("x\n", 0o644)})
	awaitRunning(d, 2)
	hold := filepath.Join(d.Deposit(), ".hold")
	put(t, hold, "")
	harness.Tree{"tool": dated("y\n", 0o755), "open": dated("y\n", 0o644), "new/x": dated("x\n", 0o644)}.Write(t, d.Deposit())
	chmod(t, filepath.Join(d.Deposit(), "tool"), 0o6755)
	chmod(t, filepath.Join(d.Deposit(), "open"), 0o666)
	chmod(t, filepath.Join(d.Deposit(), "new"), 0o1777)
	remove(t, hold)
	awaitRunning(d, 3)
	for path, want := range map[string]fs.FileMode{"tool": 0o755, "open": 0o664, "new": fs.ModeDir | 0o755, "folder": fs.ModeDir | 0o755} {
		info, err := os.Lstat(filepath.Join(d.Main(), path))
		if err != nil || info.Mode() != want {
			t.Errorf("main/%s is %v, want %v; %v", path, info.Mode(), want, err)
		}
	}
	for _, want := range []string{"setuid", "setgid", "world-writable"} {
		if !strings.Contains(d.Console(), want) {
			t.Errorf("no warning of %s", want)
		}
	}
}

// chmod sets the bits as chmod(1) has them.
func chmod(t *testing.T, path string, mode uint32) {
	t.Helper()
	if err := syscall.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// TestHardLinkIsCopied: the file's other name stays another file.
func TestHardLinkIsCopied(t *testing.T) {
	t.Parallel()
	d := newDevice(t, first, noting)
	other := filepath.Join(d.Dir, "other")
	put(t, other, "linked\n")
	if err := os.Link(other, filepath.Join(d.Deposit(), "linked.txt")); err != nil {
		t.Fatal(err)
	}
	awaitRunning(d, 2)
	if got := read(filepath.Join(d.Main(), "linked.txt")); got != "linked\n" {
		t.Errorf("main/ has %q", got)
	}
	put(t, other, "changed\n")
	if got := read(filepath.Join(d.Main(), "linked.txt")); got != "linked\n" {
		t.Errorf("a change of the other name reached main/: %q", got)
	}
}

// TestHardLinkInMain: what is replaced in main/ may have another name elsewhere,
// which keeps its content.
func TestHardLinkInMain(t *testing.T) {
	t.Parallel()
	dir := harness.FastDir(t)
	d := harness.NewDevice(t, dir, first, noting)
	other := filepath.Join(dir, "other")
	if err := os.Link(filepath.Join(d.Main(), "main.py"), other); err != nil {
		t.Fatal(err)
	}
	d.Start()
	awaitRunning(d, 1)
	upload(t, d, harness.Tree{"main.py": dated("second\n", 0o755)})
	awaitRunning(d, 2)
	checkTree(t, dir+"/main", harness.Tree{"main.py": dated("second\n", 0o755)})
	if info, err := os.Stat(other); err != nil || read(other) != "first\n" || info.Mode() != 0o644 {
		t.Errorf("the other name has now %q, %v", read(other), info)
	}
}

// refused are uploads that can't be taken, over refusing, and the path that is
// named.
var refused = []struct {
	name   string
	upload harness.Tree
	path   string
}{
	{"FIFO", harness.Tree{"pipe": {Mode: fs.ModeNamedPipe | 0o644}}, "pipe"},
	{"socket", harness.Tree{"sub/socket": {Mode: fs.ModeSocket | 0o644}}, "sub/socket"},
	{"device", harness.Tree{"null": {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o644}}, "null"},
	{"link to an absolute path", harness.Tree{"out": harness.Link("/etc/passwd")}, "out"},
	{"link out of the tree", harness.Tree{"sub/out": harness.Link("../../secret")}, "sub/out"},
	{"link out over another", harness.Tree{"a/b": harness.Link(".."), "a/out": harness.Link("b/../secret")}, "a/out"},
	{"folder of ota", harness.Tree{".ota/history/1.json": harness.File("{}")}, ".ota"},
	{"file of ota", harness.Tree{".ota": harness.File("x\n")}, ".ota"},
	{"file for a folder", harness.Tree{"folder": harness.File("x\n")}, "folder"},
	{"link for a folder", harness.Tree{"folder": harness.Link("main.py")}, "folder"},
	{"folder for a file", harness.Tree{"main.py/sub/x": harness.File("x\n"), "main.py/y": harness.File("y\n")}, "main.py"},
	{"empty folder for a file", harness.Tree{"main.py": harness.Folder()}, "main.py"},
	{"folder for a link", harness.Tree{"linked/x": harness.File("x\n")}, "linked"},
	{"folder for a link inside", harness.Tree{"inside/x": harness.File("x\n")}, "inside"},
	{"file for a pipe", harness.Tree{"own.pipe": harness.File("x\n")}, "own.pipe"},
	{"odd name", harness.Tree{"\x1b[31m\nred\xff": {Mode: fs.ModeNamedPipe | 0o644}}, `\x1b[31m\nred\xff`},
}

// TestRefused: the upload is held, the path is named, and nothing is written
// anywhere; its other files wait with it.
func TestRefused(t *testing.T) {
	t.Parallel()
	harness.NeedRoot(t) // for the device
	dir := harness.FastDir(t)
	outside := makeFolder(t, filepath.Join(dir, "outside"))
	main := harness.Tree{
		"folder/a": harness.File("a\n"),
		"linked":   harness.Link(outside),
		"inside":   harness.Link("folder"),
		"own.pipe": {Mode: fs.ModeNamedPipe | 0o644},
	}.Over(first)
	d := harness.NewDevice(t, dir, nil, noting)
	write(t, d.Main(), main)
	d.Start()
	before := awaitRunning(d, 1)
	for _, one := range refused {
		t.Run(one.name, func(t *testing.T) {
			put(t, filepath.Join(d.Deposit(), ".hold"), "")
			write(t, d.Deposit(), harness.Tree{"good.txt": harness.File("good\n")})
			write(t, d.Deposit(), one.upload)
			remove(t, filepath.Join(d.Deposit(), ".hold"))
			reasons := awaitHeld(d)
			if len(reasons) != 1 || reasons[0].Path != one.path || reasons[0].Message == "" {
				t.Errorf("held for %+v, want %q to be named", reasons, one.path)
			}
			checkSame(t, d, before)
			checkTree(t, d.Main(), main)
			checkTree(t, outside, harness.Tree{})
			clear(t, d)
		})
	}
	if strings.ContainsAny(d.Console(), "\x1b\xff") {
		t.Errorf("the console has an escape: %q", d.Console())
	}
	if got := len(d.History()); got != 1 {
		t.Errorf("there are %d releases", got)
	}
}

// write is Tree.Write for pipes and devices as well.
func write(t *testing.T, dir string, tree harness.Tree) {
	t.Helper()
	for path, entry := range tree {
		at := filepath.Join(dir, path)
		var kind uint32
		var device int
		switch {
		case entry.Mode&fs.ModeNamedPipe != 0:
			kind = syscall.S_IFIFO
		case entry.Mode&fs.ModeSocket != 0:
			kind = syscall.S_IFSOCK
		case entry.Mode&fs.ModeDevice != 0:
			kind, device = syscall.S_IFCHR, 1<<8|3
		default:
			harness.Tree{path: entry}.Write(t, dir)
			continue
		}
		makeFolder(t, filepath.Dir(at))
		if err := syscall.Mknod(at, kind|uint32(entry.Mode.Perm()), device); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLinkIsReplaced: a link of main/ where the upload has a file is replaced,
// and what it led to stays as it was.
func TestLinkIsReplaced(t *testing.T) {
	t.Parallel()
	dir := harness.FastDir(t)
	outside := filepath.Join(dir, "outside")
	put(t, outside, "outside\n")
	d := harness.NewDevice(t, dir, harness.Tree{"settings": harness.Link(outside)}.Over(first), noting)
	d.Start()
	awaitRunning(d, 1)
	upload(t, d, harness.Tree{"settings": harness.File("new\n")})
	awaitRunning(d, 2)
	checkTree(t, d.Main(), harness.Tree{"settings": harness.File("new\n")}.Over(first))
	if read(outside) != "outside\n" {
		t.Errorf("it was written through the link: %q", read(outside))
	}
}
