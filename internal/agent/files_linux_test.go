package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ota/internal/api"
	"ota/internal/config"
)

// looked is a garden that is looked at over the network.
func (g *garden) looked(settings string) *agent {
	g.Helper()
	layers, err := config.ParseLayers("ota.toml", []byte(settings))
	g.check(err)
	return &agent{folder: g.place, config: layers.Device(), releases: g.releases}
}

// put puts a file into a folder of the garden.
func (g *garden) put(at, content string) {
	g.Helper()
	path := filepath.Join(g.place.dir, at)
	g.check(os.MkdirAll(filepath.Dir(path), 0o755))
	g.check(os.WriteFile(path, []byte(content), 0o600))
}

func (g *garden) link(target, at string) {
	g.Helper()
	g.check(os.Symlink(target, filepath.Join(g.place.dir, at)))
}

func named(listing api.Listing) (names []string) {
	for _, entry := range listing.Entries {
		names = append(names, fmt.Sprintf("%s %s %d", entry.Kind, entry.Name, entry.Size))
	}
	return names
}

func TestList(t *testing.T) {
	g := newGarden(t)
	g.put("main/b.py", "12")
	g.put("main/lib/in.py", "1")
	g.put("main/\xff\n", "")
	g.put("outside/secret", "1")
	g.link("../outside", "main/way")
	g.check(unix.Mkfifo(g.inMain("pipe"), 0o600))
	a := g.looked("")
	listing, err := a.List(api.MainArea, "")
	want := []string{"file b.py 2", "folder lib 0", "other pipe 0", "link way 0", `file \xff\n 0`}
	if diff := cmp.Diff(want, named(listing)); diff != "" || err != nil {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
	if target := listing.Entries[3].Target; target == nil || *target != "../outside" || listing.Entries[0].Target != nil {
		t.Errorf("%+v", listing.Entries)
	}
	listing, err = a.List(api.MainArea, "lib")
	if err != nil || len(listing.Entries) != 1 || listing.Path != "lib" || listing.Entries[0].Modified.IsZero() {
		t.Errorf("%+v, %v", listing, err)
	}
	for _, path := range []string{"way", "b.py", "none", "lib/none", "lib/..", "b.py/x", strings.Repeat("lib/", 200) + "x"} {
		if listing, err := a.List(api.MainArea, path); !isMissing(err) {
			t.Errorf("%s: %+v, %v", path, listing, err)
		}
	}
	g.check(os.RemoveAll(g.place.deposit()))
	if _, err := a.List(api.DepositArea, ""); !isMissing(err) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func isMissing(err error) bool {
	_, missing := errors.AsType[*api.NoFile](err)
	return missing
}

func TestLargeFolder(t *testing.T) {
	g := newGarden(t)
	for i := range mostEntries + 3 {
		g.put(fmt.Sprintf("main/%04d", i), "")
	}
	g.put("main/.env", "A=1")
	listing, err := g.looked("").List(api.MainArea, "")
	if err != nil || len(listing.Entries) != mostEntries || listing.More != 3 || listing.Entries[1].Name != "0001" {
		t.Errorf("%d, %d more, %v", len(listing.Entries), listing.More, err)
	}
}

func TestOpen(t *testing.T) {
	g := newGarden(t)
	g.put("main/lib/a\\b.py", "content")
	g.put("secret", "1")
	g.link("../secret", "main/out")
	g.link("lib", "main/in")
	g.check(unix.Mkfifo(g.inMain("pipe"), 0o600))
	a := g.looked("")
	content, err := a.Open(api.MainArea, "lib/a\\b.py")
	g.check(err)
	defer content.Close()
	text, err := io.ReadAll(content)
	if err != nil || string(text) != "content" || content.Name != "a\\b.py" || content.Size != 7 || content.Modified.IsZero() {
		t.Errorf("%q of %+v, %v", text, content, err)
	}
	for path, want := range map[string]string{
		"out": "out is a link, and links are not followed here", "lib": "lib is a folder", "pipe": "pipe is not a plain file",
		"in/a\\b.py": "there is no main/in/a\\b.py", "../secret": "there is no main/../secret", "": "there is no main/", "lib/../lib": "there is no main/lib/../lib",
	} {
		if content, err := a.Open(api.MainArea, path); err == nil || err.Error() != want {
			t.Errorf("%q: %v, %v, want %s", path, content, err, want)
		}
	}
}

// TestSecretsAreNotThere: not in a listing, not by their name, in either area.
func TestSecretsAreNotThere(t *testing.T) {
	g := newGarden(t)
	g.put("main/ota.toml", "[program]\nenv_file = \"conf/prod.vars\"\n")
	g.put("deposit/ota.toml", "[program]\nenv_file = \"-next.vars\"\nunknown = 1\n") // held, and still nobody's business
	secrets := []string{".env", "lib/.ENV", "conf/prod.vars", "Conf/PROD.vars", "next.vars", "device.vars", "real/vars", "keys/a.pem", "private/deep/er.txt", "dot/real"}
	for _, name := range append(secrets, "main.py", "x.pub") {
		g.put("main/"+name, "s3cret")
		g.put("deposit/"+name, "s3cret")
	}
	g.link("real/vars", "linked.vars")
	g.check(os.Remove(filepath.Join(g.place.dir, "linked.vars")))
	g.check(os.Symlink(g.inMain("real/vars"), filepath.Join(g.place.dir, "linked.vars")))
	g.check(os.Remove(g.inMain(".env")))
	g.link("dot/real", "main/.env")
	a := g.looked("[program]\nenv_file = \"linked.vars\"\n[web]\nhide = [\"*.PEM\", \"/private/\"]\n")
	b := g.looked("[program]\nenv_file = \"main/device.vars\"\n")
	for _, area := range []api.Area{api.MainArea, api.DepositArea} {
		for _, name := range secrets {
			from := a
			if name == "device.vars" {
				from = b
			}
			if content, err := from.Open(area, name); !isMissing(err) {
				t.Errorf("%s/%s: %v, %v", area, name, content, err)
			}
		}
		listing, err := a.List(area, "")
		want := []string{"folder Conf 0", "folder conf 0", "file device.vars 6", "folder dot 0", "folder keys 0", "folder lib 0", "file main.py 6"}
		if diff := cmp.Diff(want, named(listing)[:7]); diff != "" || err != nil {
			t.Errorf("%s: %v, -want +got:\n%s", area, err, diff)
		}
		for _, folder := range []string{"keys", "lib", "dot", "conf", "real"} {
			if listing, err := a.List(area, folder); err != nil || len(listing.Entries) != 0 {
				t.Errorf("%s/%s: %v, %v", area, folder, named(listing), err)
			}
		}
		if _, err := a.List(area, "private"); !isMissing(err) {
			t.Errorf("%s: a hidden folder: %v", area, err)
		}
	}
}

// TestCopiesOfSecretsAreNotThere: what programs leave beside a file is as secret
// as that file.
func TestCopiesOfSecretsAreNotThere(t *testing.T) {
	g := newGarden(t)
	copies := []string{
		".env~", ".env.swp", ".env.swo", "#.env#", ".#.env", "._.env", ".env.part", ".env.filepart", ".in..env", "..env.aB3dE6", ".~ota~.env", ".env.bak",
		".env.orig", ".env___jb_tmp___", "lib/.secrets.py.swp", "lib/secrets.py~", "lib/__pycache__/secrets.cpython-313.pyc", "lib/__PYCACHE__/secrets.cpython-313.opt-1.PYC",
		"lib/secrets.pyc", ".ota/stage/7", ".OTA/stage/7",
	}
	seen := []string{
		".env.example", "env.py", "lib/other.py~", "lib/__pycache__/other.cpython-313.pyc", "lib/.ota/x", "main.py", "main.py.swp", "~", "#", ".", ".pyc", "__pycache__/x",
	}
	for _, name := range append(copies, seen[:len(seen)-5]...) {
		g.put("main/"+name, "s3cret")
	}
	a := g.looked("[web]\nhide = [\"lib/secrets.py\"]\n")
	hides := a.Veil()
	for _, name := range copies {
		if content, err := a.Open(api.MainArea, name); !isMissing(err) || !hides(name) {
			t.Errorf("%s: %v, %v", name, content, err)
		}
	}
	for _, name := range seen {
		if hides(name) {
			t.Errorf("%s is hidden", name)
		}
	}
	listing, err := a.List(api.MainArea, "lib/__pycache__")
	if err != nil || len(listing.Entries) != 1 {
		t.Errorf("%v, %v", named(listing), err)
	}
}

func TestLogFiles(t *testing.T) {
	g := newGarden(t)
	const first, second = "logfile_01-01-70_00.00.00.log", "logfile_01-01-70_00.00.00-2.log"
	g.put("logs/"+first, "one")
	g.put("logs/"+second, "line")
	g.put("logs/notes.txt", "mine")
	g.link("../ota.toml", "logs/logfile_02-01-70_00.00.00.log")
	g.put("ota.toml", "")
	a := g.looked("")
	files, err := a.LogFiles()
	if err != nil || len(files) != 2 || files[0].Name != first || files[1].Size != 4 || files[1].Modified.IsZero() {
		t.Errorf("%+v, %v", files, err)
	}
	content, err := a.OpenLog(second)
	g.check(err)
	defer content.Close()
	if text, err := io.ReadAll(content); err != nil || string(text) != "line" {
		t.Errorf("%q, %v", text, err)
	}
	for _, name := range []string{"notes.txt", "../ota.toml", ".order", "", first + "/", "./" + first, first + "\x00", first + "\n"} {
		if _, err := a.OpenLog(name); !isMissing(err) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := a.OpenLog("logfile_02-01-70_00.00.00.log"); err == nil {
		t.Error("a link was followed")
	}
	g.check(os.RemoveAll(g.place.logs()))
	if files, err := a.LogFiles(); err != nil || len(files) != 0 {
		t.Errorf("%v, %v", files, err)
	}
	if _, err := a.OpenLog(first); !isMissing(err) {
		t.Error(err)
	}
}

// TestNoFolderStaysOpen: a look costs nothing afterwards.
func TestNoFolderStaysOpen(t *testing.T) {
	g := newGarden(t)
	g.put("main/a/b/c", "1")
	a := g.looked("")
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		g.check(err)
		return len(entries)
	}
	before := count()
	for range 50 {
		content, err := a.Open(api.MainArea, "a/b/c")
		g.check(err)
		g.check(content.Close())
		_, _ = a.Open(api.MainArea, "a/b")
		_, _ = a.List(api.MainArea, "a/b")
	}
	runtime.GC()
	if after := count(); after > before+5 {
		t.Errorf("%d files are open, %d were", after, before)
	}
}

// FuzzOpen: whatever is asked for, nothing but what lies plainly in main/ is
// given.
func FuzzOpen(f *testing.F) {
	for _, path := range []string{"a", "d/b", "d", "../secret", "d/../../secret", "/etc/passwd", "way/secret", ".env", ".ENV", "d/.env", "d//b", "\x00", "a/", "\xff"} {
		f.Add(path)
	}
	dir := f.TempDir()
	place := folder{dir}
	if _, err := place.make(); err != nil {
		f.Fatal(err)
	}
	for name, content := range map[string]string{"main/a": "plain", "main/d/b": "plain", "secret": "secret", "main/.env": "secret", "main/d/.env": "secret"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			f.Fatal(err)
		}
	}
	if err := os.Symlink(dir, filepath.Join(dir, "main", "way")); err != nil {
		f.Fatal(err)
	}
	a := &agent{folder: place, config: config.Default()}
	f.Fuzz(func(t *testing.T, path string) {
		content, err := a.Open(api.MainArea, path)
		if err == nil {
			text, readErr := io.ReadAll(content)
			if readErr != nil || string(text) != "plain" || content.Close() != nil {
				t.Errorf("%q gives %q, %v", path, text, readErr)
			}
		}
		if listing, err := a.List(api.MainArea, path); err == nil {
			for _, entry := range listing.Entries {
				if entry.Name == "secret" || strings.EqualFold(string(entry.Name), ".env") {
					t.Errorf("%q lists %s", path, entry.Name)
				}
			}
		}
	})
}
