package deposit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ota/internal/parcel"
	"ota/internal/reason"
)

// manifestOf lists files; a name that ends with * can be run.
func manifestOf(files map[string]string) *parcel.Manifest {
	m := &parcel.Manifest{Format: 1, Kind: parcel.Whole, Serial: 1, Files: []parcel.Entry{}}
	for path, content := range files {
		sum := sha256.Sum256([]byte(content))
		m.Files = append(m.Files, parcel.Entry{Path: path, Mode: "0755", Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])})
	}
	slices.SortFunc(m.Files, func(a, b parcel.Entry) int { return strings.Compare(a.Path, b.Path) })
	return m
}

func encoded(t *testing.T, m *parcel.Manifest) string {
	t.Helper()
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func archiveOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	err := parcel.WriteArchive(&out, []byte(encoded(t, manifestOf(files))), nil, func(path string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(files[path])), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var packedFiles = map[string]string{"main.py": "import lib.a\n", "lib/a.py": "x = 1\n", "data/deep/b": ""}

// TestListedIsCompleteAtOnce: the quiet period is an hour here.
func TestListedIsCompleteAtOnce(t *testing.T) {
	manifest := encoded(t, manifestOf(packedFiles))
	for name, last := range map[string]string{"the manifest comes last": parcel.ManifestName, "a file comes last": "lib/a.py"} {
		t.Run(name, func(t *testing.T) {
			g := newGround(t, func(o *Options) { o.Quiet = lasting(time.Hour) })
			g.run()
			all := map[string]string{parcel.ManifestName: manifest, "._main.py": "of a Mac"}
			for path, content := range packedFiles {
				all[path] = content
			}
			end := all[last]
			delete(all, last)
			g.must(os.MkdirAll(g.dir, 0o755))
			g.write(all)
			g.awaitView("with all but one", func(v View) bool { return v.Files == len(all) })
			g.write(map[string]string{last: end})
			view := g.await(Complete)
			sealed, err := g.room.Seal(t.Context(), view.Upload)
			g.must(err)
			defer sealed.Close()
			g.checkSealed(sealed)
			g.must(g.room.Remove(sealed))
			if left := g.left(); !slices.Equal(left, []string{"._main.py"}) {
				t.Errorf("left: %q", left)
			}
		})
	}
}

func (g *ground) checkSealed(sealed *Sealed) {
	g.Helper()
	if sealed.Packed == nil || sealed.Packed.Manifest.Serial != 1 {
		g.Fatalf("%+v", sealed.Packed)
	}
	found := map[string]string{}
	for _, file := range sealed.Files {
		if file.Kind != KindFile {
			continue
		}
		content, err := os.ReadFile(file.Copy)
		g.must(err)
		found[file.Path] = string(content)
		if file.Mode != 0o755 || !file.Whole {
			g.Errorf("%s: mode %o, whole %v", file.Path, file.Mode, file.Whole)
		}
	}
	if len(found) != len(packedFiles) {
		g.Errorf("%q", found)
	}
	for path, content := range packedFiles {
		if found[path] != content {
			g.Errorf("%s: %q", path, found[path])
		}
	}
}

// TestWhatIsNotAsListed is held, and says what is wrong.
func TestWhatIsNotAsListed(t *testing.T) {
	for name, test := range map[string]struct {
		change func(g *ground)
		want   string
	}{
		"a file more":      {func(g *ground) { g.write(map[string]string{"evil.py": ""}) }, "evil.py: ota-release.json does not list it"},
		"a folder more":    {func(g *ground) { g.must(os.Mkdir(g.at("evil"), 0o755)) }, "evil: ota-release.json does not list it"},
		"a file less":      {func(g *ground) { g.must(os.Remove(g.at("lib/a.py"))) }, "lib/a.py: ota-release.json lists it, and it is not here yet"},
		"another size":     {func(g *ground) { g.write(map[string]string{"lib/a.py": "x = 10\n"}) }, "lib/a.py: it has 7 bytes where ota-release.json lists 6"},
		"other bytes":      {func(g *ground) { g.write(map[string]string{"lib/a.py": "x = 2\n"}) }, "lib/a.py: its content is not the one"},
		"a link":           {func(g *ground) { g.must(os.Remove(g.at("lib/a.py"))); g.must(os.Symlink("b", g.at("lib/a.py"))) }, "lib/a.py: ota-release.json lists a file of this name, and it is a link"},
		"another manifest": {func(g *ground) { g.write(map[string]string{parcel.ManifestName: "{}"}) }, "ota-release.json: it has format 0"},
		"a huge manifest":  {func(g *ground) { g.must(os.Truncate(g.at(parcel.ManifestName), 1<<40)) }, "ota-release.json: it is longer than"},
		"a huge signature": {func(g *ground) {
			g.write(map[string]string{parcel.SignatureName: ""})
			g.must(os.Truncate(g.at(parcel.SignatureName), 1<<40))
		}, "ota-release.json.sig: it is longer than"},
		"an archive more": {func(g *ground) { g.write(map[string]string{"x.ota": ""}) }, "x.ota: ota-release.json does not list it"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGround(t)
			g.must(os.MkdirAll(g.dir, 0o755))
			g.write(packedFiles)
			g.write(map[string]string{parcel.ManifestName: encoded(t, manifestOf(packedFiles))})
			test.change(g)
			_, err := g.room.Seal(t.Context(), g.snapshot())
			var refused *reason.Refused
			if !errors.As(err, &refused) || !strings.Contains(refused.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
			if private, err := os.ReadDir(g.room.options.Incoming); err == nil && len(private) > 0 {
				t.Errorf("left in incoming: %v", private)
			}
		})
	}
}

// TestWrongBytesAreReadOnce: what was compared and is another is not copied
// again before somebody writes it.
func TestWrongBytesAreReadOnce(t *testing.T) {
	g := newGround(t, func(o *Options) { o.Quiet = lasting(time.Hour) })
	copied := 0
	g.room.copied = func(string) { copied++ }
	g.must(os.MkdirAll(g.dir, 0o755))
	g.write(packedFiles)
	g.write(map[string]string{"lib/a.py": "x = 2\n", parcel.ManifestName: encoded(t, manifestOf(packedFiles))})
	g.age()
	for range 2 {
		if _, err := g.room.Seal(t.Context(), g.snapshot()); err == nil {
			t.Fatal("it is taken")
		}
	}
	if copied != len(packedFiles) {
		t.Errorf("%d files were copied", copied)
	}
	g.write(map[string]string{"lib/a.py": packedFiles["lib/a.py"]})
	g.must(g.seal().Close())
}

// TestArchive is the same upload as one file.
func TestArchive(t *testing.T) {
	g := newGround(t)
	g.run()
	g.must(os.MkdirAll(g.dir, 0o755))
	g.write(map[string]string{"garden.ota": string(archiveOf(t, packedFiles))})
	sealed, err := g.room.Seal(t.Context(), g.await(Complete).Upload)
	g.must(err)
	defer sealed.Close()
	g.checkSealed(sealed)
	g.must(g.room.Remove(sealed))
	if left := g.left(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// TestArchiveCutOffAnywhere is held, and nothing of it stays.
func TestArchiveCutOffAnywhere(t *testing.T) {
	whole := archiveOf(t, packedFiles)
	g := newGround(t)
	g.must(os.MkdirAll(g.dir, 0o755))
	for short := 0; short < len(whole); short += 29 { // each of them is tried in package parcel
		g.write(map[string]string{"garden.ota": string(whole[:short])})
		_, err := g.room.Seal(t.Context(), g.snapshot())
		var refused *reason.Refused
		if !errors.As(err, &refused) || !strings.HasPrefix(refused.Error(), "garden.ota: ") {
			t.Fatalf("after %d bytes: %v", short, err)
		}
	}
	if private, err := os.ReadDir(g.room.options.Incoming); err != nil || len(private) > 0 {
		t.Errorf("left in incoming: %v %v", private, err)
	}
}

// TestAdmittedFirst: nothing is read behind a manifest that is not admitted, and
// nothing is unpacked where there is no room.
func TestAdmittedFirst(t *testing.T) {
	unsigned := &reason.Refused{Reasons: []reason.Reason{{Message: "not signed"}}}
	full := errors.New("no room")
	g := newGround(t, func(o *Options) {
		o.Packing.Admit = func(_, signature []byte) (Packed, error) {
			if string(signature) != "signed" {
				return Packed{}, unsigned
			}
			return Packed{Manifest: manifestOf(packedFiles)}, nil
		}
		o.Packing.Bare = func() error { return unsigned }
		o.Packing.Space = func(int64, int) error { return full }
	})
	copied := 0
	g.room.copied = func(string) { copied++ }
	g.must(os.MkdirAll(g.dir, 0o755))
	try := func(name string, want error) {
		t.Helper()
		if _, err := g.room.Seal(t.Context(), g.snapshot()); !errors.Is(err, want) || copied > 0 {
			t.Errorf("%s: %v, %d files copied", name, err, copied)
		}
		private, err := os.ReadDir(g.room.options.Incoming)
		if err != nil || len(private) > 0 {
			t.Errorf("%s: left in incoming: %v %v", name, private, err)
		}
		g.must(os.RemoveAll(g.dir))
		g.must(os.MkdirAll(g.dir, 0o755))
	}
	g.write(packedFiles)
	try("files without a manifest", unsigned)
	g.write(packedFiles)
	g.write(map[string]string{parcel.ManifestName: "not looked at"})
	try("without a signature", unsigned)
	archive := archiveOf(t, packedFiles)
	g.write(map[string]string{"garden.ota": string(archive)})
	try("an archive without a signature", unsigned)
	var signed bytes.Buffer
	g.must(parcel.SignArchive(&signed, bytes.NewReader(archive), func(_, _ []byte) ([]byte, error) { return []byte("signed"), nil }))
	g.write(map[string]string{"garden.ota": signed.String()})
	try("an archive without room", full)
}

// TestSignatureAlone is none of an upload: what it signed has been taken, or is
// to come.
func TestSignatureAlone(t *testing.T) {
	g := newGround(t)
	g.run()
	g.must(os.MkdirAll(g.dir, 0o755))
	g.write(map[string]string{parcel.SignatureName: "of something"})
	g.room.Look()
	if view := g.await(Empty); view.Files != 0 {
		t.Errorf("%+v", view)
	}
	g.write(map[string]string{"main.py": ""})
	if view := g.await(Complete); view.Files != 1 {
		t.Errorf("%+v", view)
	}
}

// TestLeftOfAFailure: what a release that failed has left in deposit/ makes room
// for a packed one, if nobody has touched it.
func TestLeftOfAFailure(t *testing.T) {
	for _, how := range []string{"files", "archive"} {
		left := map[string]Left{}
		g := newGround(t, func(o *Options) { o.Packing.Left = func() map[string]Left { return left } })
		g.must(os.MkdirAll(g.dir, 0o755))
		g.write(map[string]string{"old/failed.py": "boom"})
		left["old/failed.py"] = Left{g.snapshot().Traces()["old/failed.py"], sha256.Sum256([]byte("boom"))}
		if how == "archive" {
			g.write(map[string]string{"garden.ota": string(archiveOf(t, packedFiles))})
		} else {
			g.write(packedFiles)
			g.write(map[string]string{parcel.ManifestName: encoded(t, manifestOf(packedFiles))})
		}
		sealed := g.seal()
		g.checkSealed(sealed)
		g.must(g.room.Remove(sealed))
		if found := g.left(); len(found) > 0 {
			t.Errorf("%s: left: %q", how, found)
		}
		if _, err := os.Stat(filepath.Join(g.dir, "old")); !os.IsNotExist(err) {
			t.Error(err)
		}
		g.must(sealed.Close())
		g.write(packedFiles)
		g.write(map[string]string{parcel.ManifestName: encoded(t, manifestOf(packedFiles)), "old/failed.py": "mine"})
		if _, err := g.room.Seal(t.Context(), g.snapshot()); err == nil || !strings.Contains(err.Error(), "old/failed.py: ota-release.json does not list it") {
			t.Errorf("%s: somebody's own file: %v", how, err)
		}
	}
}
