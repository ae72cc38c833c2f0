package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/spf13/cobra"

	"ota/internal/kit/hint"
	"ota/internal/receive"
)

func (a *app) receiveCommand() *cobra.Command {
	var veiled bool
	cmd := &cobra.Command{
		Use:   "receive DIR",
		Short: "Take a release from ota push",
		Long: `Take a release from "ota push" on standard input and put it into deposit/ of DIR.
"ota push" calls it on the device, over ssh; it is not for people.`,
		Example: "  ota receive /home/pi/garden",
		Hidden:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(cmd, "which folder?")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&veiled, "veiled", false, "quote no line of what others must not see")
	cmd.RunE = a.act(func(ctx context.Context, args []string) exitCode {
		ctx, release := untilInterrupted(ctx)
		defer release()
		// A read of a pipe can't be given up: it is left to itself.
		ended := make(chan error, 1)
		sight := receive.Whole
		if veiled {
			sight = receive.Veiled
		}
		conn := &standard{Writer: a.stdout, closed: make(chan struct{})}
		go func() { ended <- receive.Serve(ctx, a.at(args[0]), sight, conn) }()
		var err error
		select {
		case err = <-ended:
		case <-conn.closed:
			err = hint.With(errors.New("the same push has come over another connection"), "nothing is to be done")
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return a.fail(fmt.Errorf("cannot receive: %w", err))
		}
		return done
	})
	return cmd
}

// standard is standard input and output as a connection.
type standard struct {
	io.Writer
	once   sync.Once
	closed chan struct{}
}

func (*standard) Read(p []byte) (int, error) { return os.Stdin.Read(p) }

func (s *standard) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}
