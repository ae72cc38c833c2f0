//go:build unix

package setup

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestDo: what the script asks of the ota over there, in each mode.
func TestDo(t *testing.T) {
	for _, test := range []struct {
		mode      string
		file      bool // a new ota was copied
		installed bool // one is there already
		running   string
		want      string
	}{
		{"system", true, false, "true", "new install DIR\n"},
		{"system", true, true, "true", "old self-update FILE\nold install DIR\n"},
		{"system", false, true, "true", "old install DIR\n"},
		{"user", true, false, "true", "new install --user DIR\n"},
		{"user", true, true, "true", "old self-update FILE\nold install --user DIR\n"},
		{"uninstall-system", false, true, "true", "old uninstall DIR\n"},
		{"uninstall-user", false, true, "true", "old uninstall --user DIR\n"},
		{"bare", true, true, "true", "old self-update FILE\n"},
		{"bare", true, true, "false", "put\n"},
		{"bare", true, false, "false", "put\n"},
		{"bare", false, true, "false", ""},
	} {
		top := t.TempDir()
		dir, to, log := filepath.Join(top, "the garden"), filepath.Join(top, "bin", "ota"), filepath.Join(top, "log")
		ota := func(name string, wanted bool) string {
			if !wanted {
				return ""
			}
			text := `#!/bin/sh
[ "$1" != -C ] || { echo '  "running": ` + test.running + `,'; exit; }
echo ` + name + ` "$@" | sed "s|` + dir + `|DIR|; s|` + top + `/new|FILE|" >>"` + log + `"
`
			path := filepath.Join(top, name)
			if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
			return path
		}
		said, err := exec.Command("sh", "-c", do, "sh", test.mode, dir, ota("new", test.file), ota("old", test.installed), "0:0", to).CombinedOutput()
		if err != nil {
			t.Errorf("%+v: %v\n%s", test, err, said)
		}
		got, _ := os.ReadFile(log)
		if info, err := os.Stat(to); err == nil && info.Mode().Perm() == 0o755 {
			got = append(got, "put\n"...)
		}
		if string(got) != test.want {
			t.Errorf("%+v: %s%s", test, got, said)
		}
	}
}
