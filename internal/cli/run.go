package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ota/internal/agent"
)

func (a *app) runCommand() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "run [DIR]",
		Short: "Run the program and keep it up to date",
		Long: `Run the program in main/ and keep it up to date, in the foreground: what is put
into deposit/ becomes the next release. Missing folders are made.

Ctrl-C stops the program and then ota; a second Ctrl-C kills at once.`,
		Example: `  ota run
  ota run /home/pi/garden
  ota run --once     end when the program ends, with its exit code`,
		Args: func(cmd *cobra.Command, args []string) error { return a.takeDir(cmd, args) },
	}
	cmd.Flags().BoolVar(&once, "once", false, "end when the program ends, with its exit code (128 + signal)")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode { return a.run(ctx, once) })
	return cmd
}

// takeDir makes `ota run DIR` mean `ota -C DIR run`.
func (a *app) takeDir(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) > 1:
		return usageError(cmd, fmt.Sprintf("one folder at a time, not also %q", args[1]))
	case len(args) == 0:
		return nil
	case a.directory != "" && !sameFolder(a.directory, args[0]):
		return usageError(cmd, fmt.Sprintf("which folder: %q, or that of -C: %q?", args[0], a.directory))
	}
	a.directory = args[0]
	return nil
}

func sameFolder(a, b string) bool {
	absoluteA, errA := filepath.Abs(a)
	absoluteB, errB := filepath.Abs(b)
	return errA == nil && errB == nil && absoluteA == absoluteB
}

func (a *app) run(ctx context.Context, once bool) exitCode {
	dir, err := a.folder()
	if err != nil {
		return a.fail(err)
	}
	ctx, kill, release := untilSignal(ctx)
	defer release()
	code, err := agent.Run(ctx, kill, agent.Options{
		Dir:     dir,
		Once:    once,
		Version: version(),
		Console: a.stdout,
		Color:   a.color,
		Private: isTerminal(a.stdout),
	})
	if err != nil {
		return max(a.fail(err), exitCode(code))
	}
	return exitCode(code)
}

// isTerminal reports whether a person reads what is written there.
func isTerminal(to io.Writer) bool {
	file, ok := to.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// untilSignal returns a context that ends with the first signal to end, and a
// channel that is closed by the second one. release stops it.
func untilSignal(parent context.Context) (ctx context.Context, kill <-chan struct{}, release func()) {
	signals := make(chan os.Signal, 2)
	for _, one := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		// nohup means it when it has a signal ignored, and Notify would undo
		// that. A shell that starts a job in the background has SIGINT ignored
		// too, but whoever sends it to this process means this process.
		if one == syscall.SIGHUP && signal.Ignored(one) {
			continue
		}
		signal.Notify(signals, one)
	}
	// Where the console goes away a write to it would end ota and leave the
	// program alone. Caught, the signal is an error of that write; ignored, it
	// would be so for the program too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	ctx, end := context.WithCancel(parent)
	hurry := make(chan struct{})
	released := make(chan struct{})
	go func() {
		select {
		case <-signals:
			end()
		case <-released:
			return
		}
		for {
			select {
			case again := <-signals:
				// A terminal that closes says so twice, once by the kernel and
				// once by the shell: nobody has lost patience.
				if again != syscall.SIGHUP {
					close(hurry)
					return
				}
			case <-released:
				return
			}
		}
	}()
	return ctx, hurry, func() {
		signal.Stop(signals)
		close(released)
		end()
	}
}
