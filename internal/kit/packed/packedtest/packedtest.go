// Package packedtest is for tests of packages that embed compressed files.
//
// In: a file, and what should be in it. Out: an error of the test, or the file
// written anew. Never: part of ota.
package packedtest

import (
	"bytes"
	"compress/gzip"
	"os"
	"testing"

	"ota/internal/kit/packed"
)

// Check fails the test if file is not content, compressed by gzip; with update it
// writes the file instead. The content is compared, as another Go may compress it
// otherwise.
func Check(t testing.TB, file string, content []byte, update bool) {
	t.Helper()
	found, _ := os.ReadFile(file) // none: as good as another
	if len(found) > 0 && bytes.Equal(packed.Open(found), content) {
		return
	}
	if !update {
		t.Errorf("%s is not what it is made of: \"go test . -update\" in its package packs it", file)
		return
	}
	var made bytes.Buffer
	to, err := gzip.NewWriterLevel(&made, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, made.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
