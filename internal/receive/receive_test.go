package receive

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type said struct {
	io.Reader
	bytes.Buffer
}

func (s *said) Read(p []byte) (int, error) { return s.Reader.Read(p) }

// FuzzServe: whatever is sent, nothing lies in deposit/ that was not announced and
// whole, and no sender that has said anything is left without an answer.
func FuzzServe(f *testing.F) {
	head := `{"ota_push":1,"ask":"push","serial":1,"manifest":"` + strings.Repeat("ab", 32) + `"}` + "\n"
	for _, seed := range []string{"", "\n", "{}\n", head, head + "\x02", strings.Replace(head, "push\",\"s", "compare\",\"s", 1), head + "\x05\xff\xff\x7f"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		dir := t.TempDir()
		for _, name := range []string{"deposit", ".ota"} {
			if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		conn := &said{Reader: bytes.NewReader(sent)}
		err := Serve(context.Background(), dir, Whole, conn)
		if entries, err := os.ReadDir(filepath.Join(dir, "deposit")); err != nil || len(entries) > 0 {
			t.Errorf("deposit/ holds %v (%v)", entries, err)
		}
		if line := bytes.IndexByte(sent, '\n'); line >= 0 && line < LongestLine && !strings.HasPrefix(conn.String(), `{"ota_receive":1`) {
			t.Errorf("the answer is %q (%v)", conn.String(), err)
		}
	})
}
