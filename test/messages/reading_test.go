package messages

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSentencesAreFollowed has one message for each way on which a sentence gets
// to where it is said.
func TestSentencesAreFollowed(t *testing.T) {
	code := heard(t)
	for _, test := range []struct{ way, message string }{
		{"an error", "cannot take the lock"},
		{"what wraps it", "cannot store …"},
		{"a type that is one", "ota is not running in …"},
		{"a line of the log", "the release failed its trial"},
		{"through a parameter", "the upload is held"},
		{"the reason in a line", "no sign of life from it"},
		{"a reason", "nothing is taken while this file is there"},
		{"through a variable", "main/ has a folder of this name, the upload a file"},
		{"through what a function returns", "[check] command: … ended with exit code …"},
		{"through a list", "PYTHONHOME is set: Python takes its standard library from there, and does not start if it is another version's"},
		{"through a constant", "… counts only in the device's ota.toml, beside deposit/"},
		{"of a probe", "connection closed without an answer"},
		{"over the network", "the body is no JSON object"},
		{"in the words of the command", "cannot stop the program"},
		{"of one system only", "… is too long for a socket: at most … bytes, also as seen from the current folder"},
	} {
		if code.troubles[test.message] == "" {
			t.Errorf("%s: %q is not found in the code", test.way, test.message)
		}
	}
	if at := code.troubles["the upload is held"]; !strings.HasPrefix(at, "internal/update/") {
		t.Errorf("the upload is held, says %q", at)
	}
}

func TestTidy(t *testing.T) {
	for _, test := range []struct{ given, want string }{
		{"cannot store …: …", "cannot store …"},
		{`cannot stage "…": …`, "cannot stage …"},
		{"…: …", "…"},
		{"…: it is empty", "it is empty"},
		{"[…] must be a table, not …", "[…] must be a table, not …"},
		{"cannot run … …: …", "cannot run …"},
	} {
		if got := tidy(test.given); got != test.want {
			t.Errorf("tidy(%q) = %q, want %q", test.given, got, test.want)
		}
	}
}

// TestEntries: a message with open parts stands for others only if it says
// enough by itself.
func TestEntries(t *testing.T) {
	all := []string{"cannot store …", "cannot read …", "must be …, not a table", "must be \"on\", not …"}
	for message, want := range map[string][]string{
		"must be …, not …": {"must be …, not a table", "must be \"on\", not …"},
		"cannot …":         nil,
		"cannot read …: …": {"cannot read …"},
	} {
		got := slices.DeleteFunc(slices.Clone(all), func(one string) bool { return !entries{entryOf(message, 1)}.covers(one) })
		if diff := cmp.Diff(want, got, cmp.Transformer("none", func(all []string) string { return strings.Join(all, "|") })); diff != "" {
			t.Errorf("%q stands for:\n%s", message, diff)
		}
	}
}
