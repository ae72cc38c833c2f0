package push

import (
	"os"
	"path/filepath"
	"testing"
)

// TestKnownIsLearned: what is learned of a device is known from then on, also where
// somebody has emptied the file by hand.
func TestKnownIsLearned(t *testing.T) {
	known := Known{filepath.Join(t.TempDir(), "ota", "devices.json")}
	for _, before := range []string{"", "{}", "null"} {
		if before != "" {
			if err := os.WriteFile(known.path, []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := known.learn("https://a:8484", func(one *acquaintance) { one.Token = "x" }); err != nil {
			t.Fatal(err)
		}
		if one, err := known.of("https://a:8484"); err != nil || one.Token != "x" {
			t.Errorf("%q: %+v, %v", before, one, err)
		}
	}
	info, err := os.Stat(known.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}
