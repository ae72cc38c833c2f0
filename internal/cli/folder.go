package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"ota/internal/api"
	"ota/internal/kit/hint"
)

// folder returns the absolute path of the folder that the command is about.
func (a *app) folder() (string, error) {
	dir, err := filepath.Abs(a.directory)
	if err != nil {
		return "", fmt.Errorf("cannot tell where %s is: %w", a.directory, err)
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", hint.With(fmt.Errorf("there is no folder %s", dir), "make it first: mkdir "+strconv.Quote(dir))
	case err != nil:
		return "", fmt.Errorf("cannot look at the folder: %w", err)
	case !info.IsDir():
		return "", fmt.Errorf("%s is not a folder", dir)
	}
	return dir, nil
}

// steer asks the ota that runs in the folder to do something; doing says what,
// for the message if it can't, and success what to print if it can.
func (a *app) steer(ctx context.Context, doing, success string, do func(*api.Client, context.Context) error) exitCode {
	dir, err := a.folder()
	if err == nil {
		err = do(api.Dial(dir), ctx)
	}
	if err != nil {
		return a.fail(fmt.Errorf("cannot %s: %w", doing, err))
	}
	a.say("%s", success)
	return done
}

// isNotRunning reports whether err says that no ota runs in the folder.
func isNotRunning(err error) bool {
	_, ok := errors.AsType[*api.NotRunning](err)
	return ok
}
