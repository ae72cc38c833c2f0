package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// TestHelp compares what --help prints with the files in testdata/help.
func TestHelp(t *testing.T) {
	known := map[string]bool{}
	var look func(*cobra.Command)
	look = func(cmd *cobra.Command) {
		path := filepath.Join("testdata", "help", strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".txt")
		known[path] = true
		got := call(append(strings.Fields(cmd.CommandPath())[1:], "--help")...)
		if *rewrite {
			if err := os.WriteFile(path, []byte(got.Stdout), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(called{0, string(want), ""}, got); diff != "" {
			t.Errorf("%s: go test ./internal/cli -run Help -update\n%s", cmd.CommandPath(), diff)
		}
		for _, line := range bytes.Split([]byte(got.Stdout), []byte("\n")) {
			if len([]rune(string(line))) > 100 {
				t.Errorf("%s: a long line: %s", cmd.CommandPath(), line)
			}
		}
		for _, below := range cmd.Commands() {
			look(below)
		}
	}
	look((&app{speaker: newSpeaker(nil, nil)}).rootCommand())
	found, err := filepath.Glob(filepath.Join("testdata", "help", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		if !known[path] {
			t.Errorf("%s is of no command", path)
		}
	}
}
