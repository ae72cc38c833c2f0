package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTemplate: what `ota init` writes can be read, as it is and with every
// setting in it set, and it names settings that there are.
func TestTemplate(t *testing.T) {
	for _, one := range common {
		if _, known := find(one.table, one.name); !known {
			t.Errorf("there is no [%s] %s", one.table, one.name)
		}
	}
	template := Template()
	var set strings.Builder
	count := 0
	for line := range strings.Lines(template) {
		if len([]rune(line)) > width+2 {
			t.Errorf("a long line: %s", line)
		}
		setting, isSetting := strings.CutPrefix(line, "#")
		if isSetting = isSetting && !strings.HasPrefix(setting, " "); isSetting {
			line = setting
			count++
		}
		set.WriteString(line)
	}
	if count != len(common) {
		t.Errorf("it has %d settings, want %d", count, len(common))
	}
	for _, text := range []string{template, set.String()} {
		path := filepath.Join(t.TempDir(), "ota.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		layers, err := LoadLayers(path)
		if err != nil {
			t.Errorf("%v\n%s", err, text)
			continue
		}
		given := 0
		for _, setting := range layers.Device().Settings() {
			if setting.Origin != ByDefault {
				given++
			}
		}
		if want := map[bool]int{true: 0, false: len(common)}[text == template]; given != want {
			t.Errorf("it sets %d values, want %d", given, want)
		}
	}
}
