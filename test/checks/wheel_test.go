//go:build linux

package checks

import (
	"archive/zip"
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"ota/test/harness"
)

// wheel is a distribution to be packed.
type wheel struct {
	name    string
	version string // "1.0", if it is not said
	tags    string // "py3-none-any", if it is not said
	meta    string // more lines of METADATA
	files   map[string]string
}

// path is where it lies in an upload.
func (w wheel) path() string {
	if w.version == "" {
		w.version = "1.0"
	}
	if w.tags == "" {
		w.tags = "py3-none-any"
	}
	return fmt.Sprintf("wheels/%s-%s-%s.whl", w.name, w.version, w.tags)
}

// pack makes the file.
func (w wheel) pack(t *testing.T) harness.Entry {
	t.Helper()
	base := strings.TrimPrefix(w.path(), "wheels/")
	parts := strings.SplitN(strings.TrimSuffix(base, ".whl"), "-", 3)
	files := map[string]string{w.name + "/__init__.py": "x = 1\n"}
	if w.files != nil {
		files = maps.Clone(w.files)
	}
	info := parts[0] + "-" + parts[1] + ".dist-info/"
	files[info+"METADATA"] = fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n%s", parts[0], parts[1], w.meta)
	files[info+"WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: " + parts[2] + "\n"
	names := slices.Sorted(maps.Keys(files))
	record := info + "RECORD"
	files[record] = strings.Join(names, ",,\n") + ",,\n" + record + ",,\n"
	var packed bytes.Buffer
	archive := zip.NewWriter(&packed)
	for _, name := range append(names, record) {
		file, err := archive.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return harness.File(packed.String())
}

// packed is an upload of requirements and wheels.
func packed(t *testing.T, requirements string, wheels ...wheel) harness.Tree {
	t.Helper()
	tree := harness.Tree{"requirements.txt": harness.File(requirements)}
	for _, one := range wheels {
		tree[one.path()] = one.pack(t)
	}
	return tree
}
