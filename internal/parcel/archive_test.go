package parcel

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

var contents = map[string]string{"lib/helper.py": "x = 1\n", "main.py": "import lib.helper\n"}

func openContent(path string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(contents[path])), nil
}

func archived(t testing.TB, signature []byte) []byte {
	t.Helper()
	manifest, err := example().Encode()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := WriteArchive(&out, manifest, signature, openContent); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// unpack reads an archive as a device does, without asking who has signed.
func unpack(data []byte) (map[string]string, error) {
	a, err := OpenArchive(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer a.Close()
	m, err := Decode(a.Manifest)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	err = a.Unpack(m, func(entry Entry, content io.Reader) error {
		data, err := io.ReadAll(content)
		found[entry.Path] = string(data)
		return err
	})
	return found, err
}

func TestArchiveComesBack(t *testing.T) {
	for _, signature := range []string{"", "signed"} {
		var data []byte
		if signature != "" {
			data = []byte(signature)
		}
		packed := archived(t, data)
		found, err := unpack(packed)
		if err != nil || len(found) != 2 || found["main.py"] != contents["main.py"] {
			t.Errorf("%v, %v", found, err)
		}
		a, err := OpenArchive(bytes.NewReader(packed))
		if err != nil || string(a.Signature) != signature {
			t.Errorf("%q, %v", a.Signature, err)
		}
		a.Close()
	}
}

// TestArchiveCutOff cuts an archive at every byte, and it says that of itself.
func TestArchiveCutOff(t *testing.T) {
	packed := archived(t, []byte("signed"))
	for short := range packed {
		if _, err := unpack(packed[:short]); err == nil || short > 0 && !strings.Contains(err.Error(), "it is cut off") {
			t.Fatalf("cut off after %d of %d bytes: %v", short, len(packed), err)
		}
	}
}

// TestArchiveIsExactlyItsManifest has archives that hold something else.
func TestArchiveIsExactlyItsManifest(t *testing.T) {
	m := example()
	manifest, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	type part struct {
		header  *tar.Header
		content string
	}
	whole := func() []part {
		parts := []part{{&tar.Header{Typeflag: tar.TypeReg, Name: ManifestName, Size: int64(len(manifest))}, string(manifest)}}
		for _, entry := range m.Files {
			parts = append(parts, part{headerOf(entry), contents[entry.Path]})
		}
		return parts
	}
	for name, test := range map[string]struct {
		change func([]part) []part
		want   string
	}{
		"a file more":       {func(p []part) []part { return append(p, part{headerOf(fileOf("evil.py", "x")), "x"}) }, `"evil.py" is in it`},
		"a file less":       {func(p []part) []part { return p[:4] }, `"main.py" is not in it`},
		"another order":     {func(p []part) []part { p[3], p[4] = p[4], p[3]; return p }, `"main.py" is in it where`},
		"a longer file":     {func(p []part) []part { p[4].content += "!"; p[4].header.Size++; return p }, `"main.py" is in it where`},
		"other bytes":       {func(p []part) []part { p[4].content = strings.ToUpper(p[4].content); return p }, `"main.py": its content`},
		"a path that leads": {func(p []part) []part { p[4].header.Name = "../main.py"; return p }, `"../main.py" is in it`},
		"an absolute path":  {func(p []part) []part { p[4].header.Name = "/main.py"; return p }, `"/main.py" is in it`},
		"a link to outside": {func(p []part) []part { p[2].header.Linkname = "/etc"; return p }, `"latest" is in it where`},
		"a hard link":       {func(p []part) []part { p[2].header.Typeflag = tar.TypeLink; return p }, `"latest" is in it where`},
		"a device":          {func(p []part) []part { p[1].header.Typeflag, p[1].header.Name = tar.TypeChar, "data"; return p }, `"data" is in it where`},
		"a file twice":      {func(p []part) []part { return append(p[:5:5], p[4]) }, `"main.py" is in it, and`},
		"no manifest first": {func(p []part) []part { return p[1:] }, "the first file in it is not"},
		"a manifest link": {func(p []part) []part {
			p[0].header.Typeflag, p[0].header.Size = tar.TypeSymlink, 0
			p[0].content = ""
			return p
		}, "is no file"},
		"a huge manifest": {func(p []part) []part { p[0].header.Size = 1 << 30; return p[:1] }, "longer than"},
		"nothing":         {func([]part) []part { return nil }, "the first file"},
	} {
		var out bytes.Buffer
		compressed, _ := zstd.NewWriter(&out)
		writer := tar.NewWriter(compressed)
		for _, one := range test.change(whole()) {
			if err := writer.WriteHeader(one.header); err != nil {
				t.Fatal(name, err)
			}
			io.WriteString(writer, one.content)
		}
		writer.Close() // a manifest may be cut off on purpose
		compressed.Close()
		if _, err := unpack(out.Bytes()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
}

func TestArchiveEndsAtItsEnd(t *testing.T) {
	packed := archived(t, nil)
	if _, err := unpack(append(bytes.Clone(packed), packed...)); err == nil {
		t.Error("a second archive behind it is taken")
	}
	if _, err := unpack(append(bytes.Clone(packed), "more"...)); err == nil {
		t.Error("more behind it is taken")
	}
	var damage *Damage
	if _, err := unpack([]byte("PK\x03\x04 a zip file, say")); !errors.As(err, &damage) {
		t.Errorf("%v", err)
	}
}

// TestBomb: zeros without end, and memory without end, cost nothing.
func TestBomb(t *testing.T) {
	var out bytes.Buffer
	compressed, _ := zstd.NewWriter(&out, zstd.WithWindowSize(window))
	io.CopyN(compressed, zeros{}, 1<<28)
	compressed.Close()
	if _, err := unpack(out.Bytes()); err == nil {
		t.Error("zeros are taken")
	}
	out.Reset()
	compressed, _ = zstd.NewWriter(&out, zstd.WithWindowSize(64<<20), zstd.WithSingleSegment(false))
	io.CopyN(compressed, zeros{}, 1<<24)
	compressed.Close()
	if _, err := unpack(out.Bytes()); err == nil || !strings.Contains(err.Error(), "more memory") {
		t.Errorf("a window of 64 MiB: %v", err)
	}
	// Behind an archive that is whole.
	out.Reset()
	compressed, _ = zstd.NewWriter(&out, zstd.WithWindowSize(window))
	plain, _ := zstd.NewReader(bytes.NewReader(archived(t, nil)))
	io.Copy(compressed, plain)
	io.CopyN(compressed, zeros{}, 1<<28)
	compressed.Close()
	if _, err := unpack(out.Bytes()); err == nil || !strings.Contains(err.Error(), "after its end") {
		t.Errorf("zeros behind an archive: %v", err)
	}
}

// TestStored: what is stored is read like what is compressed, whatever its size.
func TestStored(t *testing.T) {
	for _, size := range []int{0, 1, largestBlock - 1, largestBlock, largestBlock + 1, 3*largestBlock + 7} {
		content := bytes.Repeat([]byte("a1\x00"), size)[:size]
		var out bytes.Buffer
		s := newStored(&out)
		for part := range slices.Chunk(content, 1000) {
			if _, err := s.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		reader, err := zstd.NewReader(&out, zstd.WithDecoderMaxWindow(window))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(reader); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes became %d: %v", size, len(got), err)
		}
		if _, err := s.Write(content); size > 0 && err == nil {
			t.Error("it is written to after its end")
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// FuzzArchive: whatever is taken is what the manifest lists. The tar file is
// fuzzed bare, too, as no change gets through the checksum of a frame.
func FuzzArchive(f *testing.F) {
	packed := archived(f, []byte("signed"))
	plain, _ := zstd.NewReader(bytes.NewReader(packed))
	bare, err := io.ReadAll(plain)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed, false)
	f.Add(bare, true)
	encoder, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	f.Fuzz(func(t *testing.T, data []byte, isBare bool) {
		if isBare {
			data = encoder.EncodeAll(data, nil)
		}
		found, err := unpack(data)
		if err != nil {
			return
		}
		for path, content := range found {
			if CheckPath(path) != nil || len(content) > len(data)*1000 {
				t.Fatalf("%q", path)
			}
		}
	})
}
