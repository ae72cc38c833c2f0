//go:build linux

// Command demo records ota at work on the example and draws what was seen.
//
// In: the tree it is started in, from which it builds ota and takes
// examples/hello. Out: docs/demo.svg, two terminals with their real output at
// its real times, which any browser plays and which stands still at its end
// where nothing moves. Never: a line that no program has printed.
//
//	go run ./docs/demo
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	out := flags.String("o", "docs/demo.svg", "the `file` to draw into")
	if err := flags.Parse(args); err != nil {
		return err
	}
	// It is seen in the picture, so no random name.
	dir := filepath.Join(os.TempDir(), "demo")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("cannot make a folder to work in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := furnish(ctx, dir); err != nil {
		return err
	}
	terminals, err := play(ctx, dir)
	if err != nil {
		return err
	}
	var picture bytes.Buffer
	if err := draw(&picture, terminals); err != nil {
		return err
	}
	return os.WriteFile(*out, picture.Bytes(), 0o644)
}

// furnish puts ota and a fresh copy of the example into dir.
func furnish(ctx context.Context, dir string) error {
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", filepath.Join(dir, "bin", "ota"), "ota/cmd/ota")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build ota: %w\n%s", err, output)
	}
	for _, folder := range []string{"main", "update"} {
		from := filepath.Join("examples", "hello", folder)
		if err := os.CopyFS(filepath.Join(dir, from), os.DirFS(from)); err != nil {
			return fmt.Errorf("cannot copy the example: %w", err)
		}
	}
	return nil
}
