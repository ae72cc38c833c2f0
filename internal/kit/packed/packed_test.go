package packed_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ota/internal/kit/packed"
	"ota/internal/kit/packed/packedtest"
)

func TestOpen(t *testing.T) {
	file, content := filepath.Join(t.TempDir(), "text.gz"), strings.Repeat("Two flowers. ", 1000)
	packedtest.Check(t, file, []byte(content), true)
	found, err := os.ReadFile(file)
	if err != nil || len(found) > len(content)/10 {
		t.Fatalf("%d bytes, %v", len(found), err)
	}
	if string(packed.Open(found)) != content {
		t.Error("it has another content")
	}
	packedtest.Check(t, file, []byte(content), false)
	defer func() {
		if recover() == nil {
			t.Error("a damaged file is read")
		}
	}()
	packed.Open(found[:len(found)-1])
}
