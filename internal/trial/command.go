package trial

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"ota/internal/kit/command"
	"ota/internal/kit/owner"
)

// Command returns a way to execute commands in a folder, for [Options]. env is
// the whole environment, and resolve finds the path of what is to be run. A
// command and all in its process group are ended with it; it runs as who is
// asked for each time. Several goroutines may call what is returned.
func Command(dir string, env func() []string, resolve func(name string) (string, error), as func() (*owner.Owner, error)) func(ctx context.Context, argv []string) (code int, output string, err error) {
	return func(ctx context.Context, argv []string) (int, string, error) {
		path, err := resolve(argv[0])
		if err != nil {
			return 0, "", fmt.Errorf("%w: %w", ErrNotRun, err)
		}
		// More than will be shown is kept, so that it is seen to be cut.
		last := command.Tail{Lines: 1, Longest: longestDetail + 1}
		cmd := &exec.Cmd{Path: path, Args: argv, Dir: dir, Env: env()}
		user, err := as()
		if err != nil {
			return 0, "", fmt.Errorf("%w: %w", ErrNotRun, err)
		}
		user.Dress(cmd)
		code, err := command.Run(ctx, cmd, &last, nil)
		if err != nil && !errors.Is(err, ctx.Err()) {
			err = fmt.Errorf("%w: %w", ErrNotRun, err)
		}
		return code, harmless(strings.TrimSpace(strings.Join(last.Kept(), ""))), err
	}
}
