// Command site makes a site of the docs in a folder, which any web server can
// serve, or a browser open: go run ./cmd/site dist/site
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"ota/internal/site"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: site FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "site: cannot make the site:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	tree := site.Tree(".")
	pages, err := site.Read(tree, "CHANGELOG.md")
	if err != nil {
		return err
	}
	files, err := site.Render(tree, pages)
	if err != nil {
		return err
	}
	for _, file := range files {
		path := filepath.Join(dir, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, file.Data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
