package agent

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/api"
	"ota/internal/kit/copysum"
	"ota/internal/release"
)

// packed is an archive of a release, as bytes.
func (g *garden) packed(a *agent, number int, format api.ArchiveFormat) ([]byte, error) {
	archive, err := a.Archive(number, format)
	if err != nil {
		return nil, err
	}
	var data bytes.Buffer
	err = archive.Write(g.Context(), &data)
	return data.Bytes(), err
}

// unzip shows what is in it, one line an entry.
func unzip(t *testing.T, data []byte) (found []string) {
	t.Helper()
	read, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range read.File {
		inside, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(inside)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, fmt.Sprintf("%s %v %.20q %s", file.Name, file.Mode(), content, file.Modified.UTC().Format(time.DateTime)))
	}
	return found
}

func untar(t *testing.T, data []byte) (found []string) {
	t.Helper()
	unpacked, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for read := tar.NewReader(unpacked); ; {
		header, err := read.Next()
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(read)
		if err != nil {
			t.Fatal(err)
		}
		if header.Linkname != "" {
			content = []byte(header.Linkname)
		}
		found = append(found, fmt.Sprintf("%s %v %.20q %s", header.Name, header.FileInfo().Mode(), content, header.ModTime.UTC().Format(time.DateTime)))
	}
}

func TestArchives(t *testing.T) {
	g := newGarden(t)
	g.enter(release.Adopted, map[string]string{"main.py": "one\n", "data/kept": "adopted"})
	g.check(g.tree.Set("link", release.Entry{Kind: release.Link, Target: "data/kept"}))
	g.check(g.tree.Set("empty", release.Entry{Kind: release.Folder}))
	g.enter(release.Confirmed, map[string]string{"main.py": "two\n", "ä/ö b.py": "3", ".env": "A=s3cret", "sub/.ENV/x": "s3cret"})
	a := g.looked("")
	lines := func(day string) []string {
		return []string{
			`data/ drwxr-xr-x "" ` + day, `data/kept -rw------- "adopted" ` + day, `empty/ drwxr-xr-x "" ` + day,
			`link Lrwxrwxrwx "data/kept" ` + day, `main.py -rw------- "two\n" ` + day,
			`sub/ drwxr-xr-x "" ` + day, `ä/ drwxr-xr-x "" ` + day, `ä/ö b.py -rw------- "3" ` + day,
		}
	}
	data, err := g.packed(a, 2, api.Zip)
	g.check(err)
	if diff := cmp.Diff(lines("1980-01-01 00:00:00"), unzip(t, data)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	data, err = g.packed(a, 2, api.TarGz)
	g.check(err)
	if diff := cmp.Diff(lines("1970-01-01 00:00:01"), untar(t, data)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	_, err = a.Archive(9, api.Zip)
	if missing, ok := errors.AsType[*api.NoRelease](err); !ok || missing.Number != 9 {
		t.Errorf("one that was dropped: %v", err)
	}
}

// TestArchiveOfWhatIsOnlyInMain: what has changed there is told before anything
// is sent.
func TestArchiveOfWhatIsOnlyInMain(t *testing.T) {
	g := newGarden(t)
	g.enter(release.Adopted, map[string]string{"main.py": "one\n", "data.db": "12"})
	a := g.looked("")
	if data, err := g.packed(a, 1, api.Zip); err != nil || len(unzip(t, data)) != 2 {
		t.Error(err)
	}
	for _, change := range []func(){
		func() { g.write("data.db", "changed") },
		func() { g.write("data.db", "34") },
		func() { g.check(os.Remove(g.inMain("data.db"))) },
		func() { g.check(os.Symlink("main.py", g.inMain("data.db"))) },
	} {
		change()
		if _, err := a.Archive(1, api.Zip); err == nil || !strings.Contains(err.Error(), "the content of data.db is not kept") {
			t.Errorf("%v", err)
		}
	}
	if data, err := g.packed(g.looked("web.hide = [\"data.db\"]"), 1, api.Zip); err != nil || len(unzip(t, data)) != 1 {
		t.Errorf("what is hidden need not be there: %v", err)
	}
}

func TestArchiveOfDamage(t *testing.T) {
	g := newGarden(t)
	g.enter(release.Confirmed, map[string]string{"main.py": "one\n"})
	a := g.looked("")
	archive, err := a.Archive(1, api.TarGz)
	g.check(err)
	g.check(os.WriteFile(g.stored("one\n"), []byte("two\n"), 0o600))
	if _, ok := errors.AsType[*release.Damaged](archive.Write(t.Context(), io.Discard)); !ok {
		t.Errorf("a card that rots: %v", err)
	}
	g.check(os.WriteFile(g.stored("one\n"), nil, 0o600))
	if _, ok := errors.AsType[*release.Damaged](archive.Write(t.Context(), io.Discard)); !ok {
		t.Errorf("a file that is cut off: %v", err)
	}
	if _, err := a.Archive(1, api.Zip); err == nil {
		t.Error("it is told before anything is sent")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	g.check(os.WriteFile(g.stored("one\n"), []byte("one\n"), 0o600))
	if err := archive.Write(ended, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("for nobody: %v", err)
	}
}

// TestSecretsOfThatTime: what was an env_file then is hidden, in archives and
// differences.
func TestSecretsOfThatTime(t *testing.T) {
	g := newGarden(t)
	g.enter(release.Confirmed, map[string]string{"ota.toml": "program.env_file = \"old.vars\"", "old.vars": "s3cret", "a.py": "1"})
	g.enter(release.Confirmed, map[string]string{"ota.toml": "program.env_file = \"new.vars\"", "old.vars": "", "new.vars": "s3cret", ".env": "s3cret"})
	a := g.looked("")
	data, err := g.packed(a, 1, api.Zip)
	g.check(err)
	if got := strings.Join(unzip(t, data), "\n"); strings.Contains(got, "s3cret") || strings.Contains(got, "old.vars") || !strings.Contains(got, "a.py") {
		t.Error(got)
	}
	got, err := diffOf(g.releases, g.place.main(), veilOf(a.folder, a.config), api.DiffRequest{Patch: true, Hide: true})
	g.check(err)
	hidden := 0
	for _, file := range got.Files {
		if file.Patch != nil && strings.Contains(*file.Patch, "s3cret") {
			t.Errorf("%s: %s", file.Path, *file.Patch)
		}
		if file.Note != nil && *file.Note == "its content is hidden" {
			hidden++
		}
	}
	if len(got.Files) != 4 || hidden != 3 {
		t.Errorf("%+v", got.Files)
	}
	if got, err = diffOf(g.releases, g.place.main(), veilOf(a.folder, a.config), api.DiffRequest{Patch: true}); err != nil || got.Files[0].Patch == nil {
		t.Errorf("the owner sees all: %+v, %v", got, err)
	}
}

func TestArchiveNames(t *testing.T) {
	for name, want := range map[string]string{
		"garden": "garden", "/": "ota", ".": "ota", "a:b\\c\"\n\x00": "a_b_c___", "größe": "größe", "\xff": "ota", " .x. ": "x",
		strings.Repeat("ä", 60): strings.Repeat("ä", 50), "x" + strings.Repeat("ä", 60): "x" + strings.Repeat("ä", 49),
	} {
		if got := plainName(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

// counter is a reader who keeps nothing, and looks at the memory now and then.
type counter struct {
	bytes, calls int64
	most         uint64
}

func (c *counter) Write(text []byte) (int, error) {
	c.bytes += int64(len(text))
	if c.calls++; c.calls%64 == 1 {
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		c.most = max(c.most, memory.HeapAlloc)
	}
	return len(text), nil
}

// TestLargeReleaseNeedsNoMemory: 300 MB in the store, and some in main/ only.
func TestLargeReleaseNeedsNoMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it reads a gigabyte")
	}
	g := newGarden(t)
	for name, state := range map[string]release.State{"adopted": release.Adopted, "stored": release.Confirmed} {
		path, size := g.inMain(name), int64(300<<20)
		if state == release.Adopted {
			size = 20 << 20
		}
		file, err := os.Create(path)
		g.check(err)
		g.check(file.Truncate(size))
		_, err = file.WriteAt([]byte(name), size/2)
		g.check(err)
		sum, err := copysum.Of(t.Context(), file)
		g.check(err)
		g.check(file.Close())
		g.check(g.tree.Set(name, release.Entry{Kind: release.File, Mode: 0o600, Size: size, Sum: sum}))
		if state == release.Confirmed {
			g.check(g.releases.Store().Take(path, sum))
		}
	}
	g.enter(release.Confirmed, nil)
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, format := range []api.ArchiveFormat{api.Zip, api.TarGz} {
		archive, err := g.looked("").Archive(1, format)
		g.check(err)
		reader := &counter{}
		began := time.Now()
		g.check(archive.Write(t.Context(), reader))
		if grown := int64(reader.most) - int64(before.HeapAlloc); grown > 16<<20 {
			t.Errorf("%s took %d MB of memory", format, grown>>20)
		} else {
			t.Logf("%s: %d bytes, %d kB of memory, %v", format, reader.bytes, grown>>10, time.Since(began))
		}
	}
}

// FuzzArchive: what a release may hold comes out of an archive as it went in.
func FuzzArchive(f *testing.F) {
	f.Add("a b", "content", uint16(0o755))
	f.Add("\xff\\..", "", uint16(0o600))
	f.Add(strings.Repeat("n", 255), "x", uint16(0o644))
	f.Fuzz(func(t *testing.T, name, content string, mode uint16) {
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") || len(name) > 255 {
			return
		}
		g := newGarden(t)
		if (&veil{}).hides(name) || name == settingsName {
			return
		}
		g.enter(release.Confirmed, map[string]string{"x": content + "."})
		entry, _, err := g.tree.Lookup("x")
		g.check(err)
		entry.Mode = release.Mode(fs.FileMode(mode).Perm())
		g.check(g.tree.Delete("x"))
		g.check(g.tree.Set(name, entry))
		g.enter(release.Confirmed, nil)
		a := g.looked("")
		want := fmt.Sprintf("%s %v %.20q ", name, fs.FileMode(entry.Mode), content+".")
		for format, look := range map[api.ArchiveFormat]func(*testing.T, []byte) []string{api.Zip: unzip, api.TarGz: untar} {
			data, err := g.packed(a, 2, format)
			g.check(err)
			if got := look(t, data); len(got) != 1 || !strings.HasPrefix(got[0], want) {
				t.Errorf("%s: %q, want %q", format, got, want)
			}
		}
	})
}
