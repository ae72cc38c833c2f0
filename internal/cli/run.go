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
	caught := untilSignal(ctx)
	defer caught.release()
	if a.received != nil {
		a.received.Repeat(caught.left)
	}
	code, err := agent.Run(caught.ctx, caught.hurry, agent.Options{
		Dir:     dir,
		Once:    once,
		Version: version(),
		Console: a.stdout,
		Color:   a.color,
		Private: isTerminal(a.stdout),
		Handed:  a.received,
		Caught:  caught.left,
	})
	if err != nil {
		if a.received != nil {
			a.received.Because(err)
		}
		return max(a.fail(err), exitCode(code))
	}
	return exitCode(code)
}

// isTerminal reports whether a person reads what is written there.
func isTerminal(to io.Writer) bool {
	file, ok := to.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// caught are the signals to end that have come.
type caught struct {
	ctx      context.Context // ends with the first
	hurry    chan struct{}   // closed by the second
	release  func()          // ends the catching
	signals  chan os.Signal
	heard    []syscall.Signal // by the goroutine that hears them
	asks     chan chan []syscall.Signal
	released chan struct{}
	ended    chan struct{} // closed when nobody hears them any more
}

// untilSignal catches signals until its release is called.
func untilSignal(parent context.Context) *caught {
	c := &caught{
		hurry: make(chan struct{}), signals: make(chan os.Signal, 2),
		asks: make(chan chan []syscall.Signal), released: make(chan struct{}), ended: make(chan struct{}),
	}
	for _, one := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		// nohup means it when it has a signal ignored, and Notify would undo
		// that. A shell that starts a job in the background has SIGINT ignored
		// too, but whoever sends it to this process means this process.
		if one == syscall.SIGHUP && signal.Ignored(one) {
			continue
		}
		signal.Notify(c.signals, one)
	}
	// Where the console goes away a write to it would end ota and leave the
	// program alone. Caught, the signal is an error of that write; ignored, it
	// would be so for the program too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	ctx, end := context.WithCancel(parent)
	c.ctx = ctx
	go c.hear(end)
	c.release = func() {
		signal.Stop(c.signals)
		close(c.released)
		end()
	}
	return c
}

// hear acts on what comes: the first signal ends the context, the second one
// closes hurry.
func (c *caught) hear(end context.CancelFunc) {
	defer close(c.ended)
	for {
		select {
		case one := <-c.signals:
			// A terminal that closes says so twice, once by the kernel and once by
			// the shell: nobody has lost patience.
			if len(c.heard) == 1 && one != syscall.SIGHUP {
				close(c.hurry)
			}
			if len(c.heard) == 0 || len(c.heard) == 1 && one != syscall.SIGHUP {
				c.heard = append(c.heard, one.(syscall.Signal))
			}
			end()
		case ask := <-c.asks:
			ask <- append([]syscall.Signal(nil), c.heard...)
		case <-c.released:
			return
		}
	}
}

// left returns the signals that have come.
func (c *caught) left() []syscall.Signal {
	any := make(chan os.Signal, 1)
	signal.Notify(any, syscall.SIGTERM)
	signal.Stop(any) // which waits for those on their way
	var heard []syscall.Signal
	answer := make(chan []syscall.Signal)
	select {
	case c.asks <- answer:
		heard = <-answer
	case <-c.ended:
		heard = c.heard
	}
	for {
		select {
		case one := <-c.signals:
			heard = append(heard, one.(syscall.Signal))
		default:
			return heard
		}
	}
}
