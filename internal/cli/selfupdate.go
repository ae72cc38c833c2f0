package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ota/internal/api"
	"ota/internal/kit/command"
	"ota/internal/kit/copysum"
	"ota/internal/kit/durable"
	"ota/internal/kit/handover"
	"ota/internal/kit/hint"
)

// versionLimit is for a binary to say its version, read from a slow card.
const versionLimit = 30 * time.Second

func (a *app) selfUpdateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "self-update FILE",
		Short: "Replace ota itself, while the program runs on",
		Long: `Put the ota in FILE in place of the one that is installed, and let it take over in
the folder: the program runs on, nothing that it says is lost, its sockets and
the page stay open. The other services of this machine ("ota install") that use
the same file reload it too; not with -C.

FILE has to show first that it understands what it would get. While a release is
on trial, or on its way into main/, it waits. A new ota that does not come up
within 30 s makes way for the old one, and nothing is replaced.`,
		Example: `  sudo ota self-update ./ota
  sudo ota -C /home/pi/garden self-update /tmp/ota-linux-arm64`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(cmd, "which file?")
			}
			return nil
		},
		RunE: a.act(func(ctx context.Context, args []string) exitCode {
			code, err := a.selfUpdate(ctx, args[0])
			if err != nil {
				return a.fail(fmt.Errorf("cannot replace ota: %w", err))
			}
			return code
		}),
	}
}

func (a *app) selfUpdate(ctx context.Context, file string) (exitCode, error) {
	dir, err := a.folder()
	if err != nil {
		return failed, err
	}
	file, err = filepath.Abs(file)
	if err != nil {
		return failed, err
	}
	installed, isRunning, err := installedBinary(ctx, dir)
	if err != nil {
		return failed, err
	}
	next, err := copyBeside(ctx, installed, file)
	if err != nil {
		return failed, err
	}
	if isRunning {
		err = a.takeOver(ctx, dir, next)
	} else {
		err = a.saysItsVersion(ctx, next)
	}
	if err == nil {
		err = putInPlace(next, installed)
	}
	if err != nil {
		return failed, errors.Join(renamed(err, next, file), removeIfThere(next))
	}
	a.say("%s is the new ota", installed)
	if isOfPackage(ctx, installed) {
		a.tell("%s belongs to a package: its next upgrade replaces it", installed)
	}
	if a.directory != "" {
		return done, nil
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil { // as "ota install" knows it
		dir = real
	}
	return a.reloadOthers(ctx, dir, func(other string) bool { return runs(ctx, other, installed) }), nil
}

// renamed is an error in which a temporary copy is called what the person calls
// it.
func renamed(err error, copied, file string) error {
	if !strings.Contains(err.Error(), copied) {
		return err
	}
	return hint.With(errors.New(strings.ReplaceAll(err.Error(), copied, file)), hint.Of(err))
}

// installedBinary is the file that ota in a folder runs from; this one's own
// where none runs there.
func installedBinary(ctx context.Context, dir string) (path string, isRunning bool, err error) {
	own, err := handover.Own()
	if err != nil { // another system than Linux
		return "", false, err
	}
	status, err := api.Dial(dir).Status(ctx)
	switch {
	case isNotRunning(err):
		return own, false, nil
	case err != nil:
		return "", false, err
	}
	path, err = binaryOf(status)
	return path, true, err
}

// binaryOf is the path from which an ota was started.
func binaryOf(status api.Status) (string, error) {
	if status.PID == nil {
		return "", errors.New("it can't be told which process ota is")
	}
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", *status.PID))
	if errors.Is(err, fs.ErrPermission) {
		err = hint.With(err, "ask as the user of that ota, or as root")
	}
	path = strings.TrimSuffix(path, " (deleted)")
	// Who only says that it is ota must not have root replace another program.
	if err == nil && !strings.HasPrefix(filepath.Base(path), "ota") {
		err = fmt.Errorf("process %d says that it is ota, and runs from %s", *status.PID, path)
	}
	return path, err
}

// runs reports whether the ota of a folder runs from a file, or did before that
// was replaced. One that does not answer may.
func runs(ctx context.Context, dir, binary string) bool {
	status, err := api.Dial(dir).Status(ctx)
	if err != nil {
		return !isNotRunning(err)
	}
	path, err := binaryOf(status)
	return err != nil || path == binary
}

// copyBeside copies a file to where the installed one is, under another name,
// with the owner and the rights of that.
func copyBeside(ctx context.Context, installed, file string) (next string, err error) {
	switch info, err := os.Stat(file); {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is no file", file)
	}
	like, err := os.Stat(installed)
	if err != nil {
		return "", err
	}
	source, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer source.Close()
	target, err := os.CreateTemp(filepath.Dir(installed), "."+filepath.Base(installed)+".new-")
	if errors.Is(err, fs.ErrPermission) {
		return "", hint.With(err, "it is another user's: sudo ota self-update "+file)
	}
	if err != nil {
		return "", err
	}
	_, _, err = copysum.Copy(ctx, target, source, make([]byte, copysum.BufferSize))
	if err == nil {
		err = target.Chmod(like.Mode().Perm())
	}
	if err == nil {
		err = own(target, like)
	}
	if err == nil {
		err = durable.SyncData(target)
	}
	if err = errors.Join(err, target.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("cannot copy %s: %w", file, err), removeIfThere(target.Name()))
	}
	return target.Name(), nil
}

// saysItsVersion is all that is asked of a binary where no ota runs.
func (a *app) saysItsVersion(ctx context.Context, binary string) error {
	ctx, end := context.WithTimeoutCause(ctx, versionLimit, fmt.Errorf("%s has not said its version within %v", binary, versionLimit))
	defer end()
	said := &command.Tail{Lines: 1, Longest: 300}
	code, err := command.RunApart(ctx, exec.Command(binary, "version"), said, new(command.Tail), nil)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	words := strings.Fields(strings.Join(said.Kept(), ""))
	if err == nil && (code != 0 || len(words) < 2 || words[0] != "ota") {
		err = errors.New("it is no ota")
	}
	if err != nil {
		return fmt.Errorf("%s can't be used: %w", binary, err)
	}
	a.say("ota %s is put in place; ota is not running here", words[1])
	return nil
}

// putInPlace gives a file that is on the disk the name of another one.
func putInPlace(next, installed string) error {
	if err := os.Rename(next, installed); err != nil {
		return hint.With(err, `the new ota runs already; "ota reload" goes back to the one that is installed`)
	}
	return durable.SyncDir(filepath.Dir(installed))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// isOfPackage reports whether a package has brought a file. Where there is no
// dpkg, none has.
func isOfPackage(ctx context.Context, path string) bool {
	files, _ := exec.CommandContext(ctx, "dpkg-query", "--listfiles", "ota").Output()
	return strings.Contains("\n"+string(files), "\n"+path+"\n")
}
