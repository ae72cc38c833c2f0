//go:build linux

package harness

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Wheel is a distribution that can be installed without a network.
type Wheel struct {
	Name    string
	Version string
	Tag     string            // "" is "py3-none-any"
	Files   map[string]string // by path in the wheel
	Needs   []string          // what it requires, as "other>=1"
	Python  string            // which it requires, as ">=3.8"
	Scripts map[string]string // commands, as "module:function"
}

// File is the name of the wheel.
func (w Wheel) File() string {
	tag := w.Tag
	if tag == "" {
		tag = "py3-none-any"
	}
	return fmt.Sprintf("%s-%s-%s.whl", w.Name, w.Version, tag)
}

// Entry is the wheel as a file.
func (w Wheel) Entry(t testing.TB) Entry {
	t.Helper()
	files := maps.Clone(w.Files)
	if files == nil {
		files = map[string]string{}
	}
	info := fmt.Sprintf("%s-%s.dist-info/", w.Name, w.Version)
	files[info+"METADATA"] = w.metadata()
	tag := strings.TrimSuffix(strings.TrimPrefix(w.File(), w.Name+"-"+w.Version+"-"), ".whl")
	files[info+"WHEEL"] = fmt.Sprintf("Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: %t\nTag: %s\n", w.Tag == "", tag)
	if len(w.Scripts) > 0 {
		text := "[console_scripts]\n"
		for _, name := range slices.Sorted(maps.Keys(w.Scripts)) {
			text += name + " = " + w.Scripts[name] + "\n"
		}
		files[info+"entry_points.txt"] = text
	}
	record := ""
	for _, path := range slices.Sorted(maps.Keys(files)) {
		sum := sha256.Sum256([]byte(files[path]))
		record += fmt.Sprintf("%s,sha256=%s,%d\n", path, base64.RawURLEncoding.EncodeToString(sum[:]), len(files[path]))
	}
	files[info+"RECORD"] = record + info + "RECORD,,\n"
	return File(zipped(t, files))
}

func (w Wheel) metadata() string {
	text := fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", w.Name, w.Version)
	if w.Python != "" {
		text += "Requires-Python: " + w.Python + "\n"
	}
	for _, need := range w.Needs {
		text += "Requires-Dist: " + need + "\n"
	}
	return text
}

func zipped(t testing.TB, files map[string]string) string {
	t.Helper()
	var data bytes.Buffer
	archive := zip.NewWriter(&data)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		file, err := archive.Create(path)
		if err == nil {
			_, err = file.Write([]byte(files[path]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return data.String()
}
