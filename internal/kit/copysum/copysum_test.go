package copysum

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestCopy(t *testing.T) {
	for _, length := range []int{0, 1, BufferSize, 3*BufferSize + 7} {
		content := bytes.Repeat([]byte("abcdefg"), length/7+1)[:length]
		source, target := files(t, content)
		size, sum, err := Copy(t.Context(), target, source, make([]byte, BufferSize))
		if err != nil || size != int64(length) || sum != sha256.Sum256(content) {
			t.Errorf("%d bytes: size %d, sum %x, %v", length, size, sum, err)
		}
		if copied, err := os.ReadFile(target.Name()); err != nil || !bytes.Equal(copied, content) {
			t.Errorf("%d bytes: the copy differs, %v", length, err)
		}
	}
}

func TestOf(t *testing.T) {
	if sum, err := Of(t.Context(), bytes.NewReader([]byte("content"))); err != nil || sum != sha256.Sum256([]byte("content")) {
		t.Errorf("%x, %v", sum, err)
	}
}

func TestEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	source, target := files(t, []byte("content"))
	if _, _, err := Copy(ctx, target, source, make([]byte, BufferSize)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func files(t *testing.T, content []byte) (source, target *os.File) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "source")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	target, err = os.Create(filepath.Join(dir, "target"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close() })
	return source, target
}
