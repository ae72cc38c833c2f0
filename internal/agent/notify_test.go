package agent

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ota/internal/config"
	"ota/internal/reason"
	"ota/internal/update"
)

// TestNotToldToStrangers: of a file that nobody may see only the name leaves the
// device, and no value of a variable of the program does.
func TestNotToldToStrangers(t *testing.T) {
	place := folder{t.TempDir()}
	layers, err := config.ParseLayers("ota.toml", []byte("[program]\nenv = { A = \"open-sesame\", B = \"no\" }\n[web]\nhide = [\"private/\"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{folder: place, config: layers.Device(), outfit: newOutfit(place, place.main(), layers, slog.New(slog.DiscardHandler))}
	told := &teller{agent: a}
	reasons := func(paths ...string) update.Report {
		var report update.Report
		for _, path := range paths {
			report.Reasons = append(report.Reasons, reason.Reason{Path: path, Line: 3, Message: "KEY = hunter22 is no name", Source: "KEY = hunter22"})
		}
		return report
	}
	for path, hidden := range map[string]bool{"main.py": false, ".env": true, "private/keys.py": true, "private/keys.py~": true} {
		text := told.firstOf(reasons(path, "main.py"))
		if !strings.HasPrefix(text, path) || strings.Contains(text, "hunter22") == hidden || !strings.HasSuffix(text, "(and 1 more reason)") {
			t.Errorf("%s: %q", path, text)
		}
	}
	got := told.allRedacted([]string{"login open-sesame failed", "no problem", ""})
	if diff := cmp.Diff([]string{"login … failed", "no problem", ""}, got); diff != "" {
		t.Error(diff)
	}
}
