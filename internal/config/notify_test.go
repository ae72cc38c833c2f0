package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func notifyOf(text string) (Notify, string) {
	layers, err := ParseLayers("ota.toml", []byte("[notify]\n"+text))
	if wrong, ok := errors.AsType[*Error](err); ok {
		return Notify{}, wrong.Problems[0].Message
	}
	return layers.Device().Notify, ""
}

func TestNotify(t *testing.T) {
	grave := []string{"failed", "rolled-back", "crash-looping"}
	for text, want := range map[string]Notify{
		"":                                    {On: grave},
		`webhook = "https://example.com/a?b"`: {Webhook: "https://example.com/a?b", On: grave},
		`webhook = "http://[::1]:8123/x"`:     {Webhook: "http://[::1]:8123/x", On: grave},
		`command = ["sh", "x"]` + "\n" + `on = ["held", "confirmed", "recovered"]`: {Command: []string{"sh", "x"}, On: []string{"held", "confirmed", "recovered"}},
		`on = []`: {On: []string{}},
	} {
		got, problem := notifyOf(text)
		if diff := cmp.Diff(want, got); diff != "" || problem != "" {
			t.Errorf("%s: %s\n%s", text, problem, diff)
		}
	}
}

func TestNotifyProblems(t *testing.T) {
	for text, want := range map[string]string{
		`webhook = 1`:                        "must be an address",
		`webhook = "example.com/secret"`:     "must be an address",
		`webhook = "https:///secret"`:        "must be an address",
		`webhook = "https://a:99999/secret"`: "must be an address",
		`webhook = "ftp://a/secret"`:         `must begin with http:// or https://, not "ftp://"`,
		`command = []`:                       "names no program",
		`command = "sh x"`:                   "must be an array of strings",
		`on = "failed"`:                      "must be an array of strings",
		`on = ["fail"]`:                      `holds "fail"; it may hold "failed", "rolled-back"`,
		`on = ["held", "held"]`:              `holds "held" twice`,
	} {
		_, problem := notifyOf(text)
		if !strings.Contains(problem, want) || strings.Contains(problem, "secret") {
			t.Errorf("%s: %q", text, problem)
		}
	}
}

// TestNotifyIsTheDevices: no upload decides who is told.
func TestNotifyIsTheDevices(t *testing.T) {
	layers, err := ParseLayers("ota.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := layers.With("main/ota.toml", []byte("[notify]\nwebhook = \"https://example.com\"")); err == nil || got.Notify.Webhook != "" {
		t.Errorf("%+v, %v", got.Notify, err)
	}
}
