package man

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"ota/internal/cli"
)

// shows are lines that some of the pages must have.
var shows = map[string][]string{
	"ota-status.1": {"--watch", "ota status --json | jq .program.state", "ota -C /home/pi/garden status"},
	"ota.toml.5":   {"[PROGRAM]", `default: ["INT", "TERM", "KILL"]`},
	"ota.1":        {"ota-web(1)"},
}

// TestPages: every command has a page, and groff has nothing to say about it.
func TestPages(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	pages := map[string]string{}
	for _, page := range Pages(cli.Commands(), "0.1.0") {
		pages[page.Name] = page.Text
		cmd := exec.Command(groff, "-man", "-ww", "-K", "utf8", "-T", "utf8", "-P", "-cbou", "-rLL=200n")
		cmd.Stdin = strings.NewReader(page.Text)
		var shown, said strings.Builder
		cmd.Stdout, cmd.Stderr = &shown, &said
		if err := cmd.Run(); err != nil || said.Len() > 0 {
			t.Errorf("%s: %v\n%s", page.Name, err, said.String())
		}
		for _, want := range shows[page.Name] {
			if !strings.Contains(shown.String(), want) {
				t.Errorf("%s does not show %q:\n%s", page.Name, want, shown.String())
			}
		}
	}
	var look func(*cobra.Command)
	look = func(cmd *cobra.Command) {
		if pages[pageName(cmd)+".1"] == "" {
			t.Errorf("%q has no page", cmd.CommandPath())
		}
		for _, below := range cmd.Commands() {
			look(below)
		}
	}
	look(cli.Commands())
}

func TestEscape(t *testing.T) {
	for text, want := range map[string]string{".so /etc/passwd": `\&.so /etc/passwd`, `a\b-c'd`: `a\eb\-c\(aqd`} {
		if got := escape(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
