// Command man writes the manual of ota into a folder, for those who package it:
// go run ./cmd/man dist/man 0.1.0
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"ota/internal/cli"
	"ota/internal/man"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: man FOLDER VERSION")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "man: cannot write the manual:", err)
		os.Exit(1)
	}
}

func write(dir, version string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, page := range man.Pages(cli.Commands(), version) {
		if err := os.WriteFile(filepath.Join(dir, page.Name), []byte(page.Text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
