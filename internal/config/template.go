package config

import (
	"fmt"
	"slices"
	"strings"
)

// common are the settings that most devices come to need, with a value to begin
// with where that of [Key] is none or says little.
var common = []struct{ table, name, value string }{
	{"program", "command", `["python3", "-u", "app.py"]`},
	{"program", "env", `{ TZ = "Europe/Berlin" }`},
	{"program", "listen", `["0.0.0.0:8000"]`},
	{"program", "restart", ""},
	{"program", "watchdog", `"30s"`},
	{"program", "memory_max", `"100MB"`},
	{"check", "command", `["python3", "-m", "unittest"]`},
	{"update", "quiet", ""},
	{"update", "ignore", `["*.bak"]`},
	{"update", "window", `"02:00-05:00"`},
	{"trial", "period", ""},
	{"trial", "ready", `true`},
	{"trial", "http", `"http://localhost:8000/health"`},
	{"store", "keep", ""},
	{"logs", "max_total", ""},
	{"notify", "webhook", `"https://example.com/hook"`},
	{"web", "listen", ""},
}

// width is how long a line of a comment gets.
const width = 78

// Template is a file to begin with: the commonest settings with what they mean.
// It sets nothing: before each setting stands a "#" without a blank.
func Template() string {
	var text strings.Builder
	text.WriteString(`# The settings of this device. Nothing has to be set. To set something, take
# the # before it away. "ota config" prints all settings and what is in force.
`)
	for _, table := range tables() {
		first := true
		for _, one := range common {
			key, known := find(table, one.name)
			if one.table != table || !known {
				continue
			}
			if first {
				fmt.Fprintf(&text, "\n[%s]\n", table)
				first = false
			}
			value := one.value
			if value == "" {
				value = key.Default
			}
			fmt.Fprintf(&text, "\n%s#%s = %s\n", comment(key.Doc), key.Name, value)
		}
	}
	return text.String()
}

// comment is a text in Markdown as lines of a comment.
func comment(text string) string {
	lines := []string{"#"}
	for word := range strings.FieldsSeq(strings.ReplaceAll(text, "`", "")) {
		last := len(lines) - 1
		if len([]rune(lines[last]))+1+len([]rune(word)) > width && lines[last] != "#" {
			lines, last = append(lines, "#"), last+1
		}
		lines[last] += " " + word
	}
	return strings.Join(slices.Concat(lines, []string{""}), "\n")
}
