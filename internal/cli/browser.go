package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"ota/internal/kit/markup"
	"ota/internal/kit/proc"
)

const (
	// openTime is how long a command that opens a browser has to fail. One that is
	// the browser goes on as long as that is open.
	openTime = 3 * time.Second
	// readTime is how long a browser that runs already has to read a file after
	// it was told to.
	readTime = 2 * time.Second
)

// openInBrowser has the system open an address that nobody else may see: what
// stands among the arguments of a process everybody on the machine can read. So
// the browser is given a file that only its user can, which leads there.
func openInBrowser(ctx context.Context, address string) error {
	way, err := os.CreateTemp("", "ota-*.html")
	if err != nil {
		return err
	}
	defer os.Remove(way.Name())
	err = markup.Render(way, markup.El("head",
		markup.El("meta", markup.Attr("charset", "utf-8")),
		markup.El("title", markup.Text("ota")),
		markup.El("meta", markup.Attr("name", "referrer"), markup.Attr("content", "no-referrer")),
		markup.El("meta", markup.Attr("http-equiv", "refresh"), markup.Attr("content", "0; url="+address)),
	))
	if err := errors.Join(err, way.Close()); err != nil {
		return err
	}
	if err := open(ctx, way.Name()); err != nil {
		return err
	}
	read := time.NewTimer(readTime)
	defer read.Stop()
	select {
	case <-read.C:
	case <-ctx.Done():
	}
	return nil
}

func open(ctx context.Context, what string) error {
	cmd := exec.Command(opener[0], append(opener[1:], what)...)
	if err := proc.Start(cmd); errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("there is no %s here", opener[0])
	} else if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- proc.Wait(cmd) }()
	patience := time.NewTimer(openTime)
	defer patience.Stop()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("%s: %w", opener[0], err)
		}
	case <-patience.C:
	case <-ctx.Done():
	}
	return nil
}
