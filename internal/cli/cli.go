// Package cli is the face that a person sees: the commands of `ota`.
//
// In: arguments. Out: results on stdout, messages on stderr, and an exit code:
// 0 done, 1 failed, 2 wrong usage, 3 held by a check, 4 rolled back. Never: a decision; what
// a command does is done by the agent, in this process (run, verify, doctor,
// config, and what only needs the disk where no ota runs) or through the
// control socket.
//
// How ota speaks:
//
//   - What went wrong is one sentence: "ota: cannot stop the program: ota is not
//     running in /home/pi/garden". What to do about it, if we know, is on the
//     next line: `hint: start it with "ota run"`.
//   - Results go to stdout, and nothing else does, so that they can be piped;
//     with --json they are JSON, the same as on the control socket.
//   - Colour helps on a terminal and carries no meaning of its own. There is
//     none elsewhere, with NO_COLOR set (no-color.org) and with TERM=dumb.
//   - No byte of a file's name or of a program's output reaches the terminal
//     unless it is harmless there.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ota/internal/kit/handover"
	"ota/internal/kit/hint"
)

// exitCode is what the command ends with.
type exitCode int

// The exit codes. A program's own is passed on by `ota run --once` and a
// command's by `ota busy`.
const (
	done       exitCode = 0
	failed     exitCode = 1
	wrongUsage exitCode = 2
	heldBack   exitCode = 3
	rolledBack exitCode = 4
)

// app is one call of the command.
type app struct {
	*speaker
	directory string // -C as given
	code      exitCode
	received  *handover.Received // from an ota before this one in the same process; nil: there was none
}

// Main runs the command with these arguments and returns the exit code of the
// process. It may be called once in a process: `ota run` takes its signals.
func Main(args []string, stdout, stderr io.Writer) int {
	// First of all: if this process was another ota, that one is to be back should
	// this one fail.
	received := handover.Receive()
	if received != nil {
		defer func() {
			fault := recover()
			received.Settle(fault)
			if fault != nil {
				panic(fault)
			}
		}()
	}
	a := &app{speaker: newSpeaker(stdout, stderr), received: received}
	root := a.rootCommand()
	// An empty list is not the same to cobra: nil means os.Args.
	root.SetArgs(append([]string{}, args...))
	root.SetOut(stdout)
	root.SetErr(stderr)
	// What a command does reports for itself; an error is about the usage.
	if err := root.ExecuteContext(context.Background()); err != nil {
		a.fail(err)
		return int(wrongUsage)
	}
	return int(a.code)
}

// Commands returns all commands, for who writes about them.
func Commands() *cobra.Command {
	return (&app{speaker: newSpeaker(io.Discard, io.Discard)}).rootCommand()
}

// rootCommand sets none of cobra's templates: one call makes the linker keep
// text/template and every exported method there is, 1.9 MB on armv6.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "ota",
		Short: "Keep a program running and up to date",
		Long: `ota keeps a program running and up to date.

Whatever lands in deposit/ becomes the next release of main/, or stays in
deposit/ with the reason why not. The program is main/main.py.`,
		Example: `  ota run                start here, in the foreground
  cp main.py deposit/    put a new version of the program
  ota status             see what became of it`,
		Version:       version(),
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(flagError)
	root.PersistentFlags().StringVarP(&a.directory, "directory", "C", "",
		"the `folder` that holds deposit/ and main/ (default: the current one)")
	root.AddCommand(
		a.initCommand(),
		a.runCommand(),
		a.statusCommand(),
		a.eventsCommand(),
		a.historyCommand(),
		a.logsCommand(),
		a.startCommand(),
		a.stopCommand(),
		a.restartCommand(),
		a.applyCommand(),
		a.busyCommand(),
		a.checkCommand(),
		a.packCommand(),
		a.signCommand(),
		a.receiveCommand(),
		a.whyCommand(),
		a.fetchCommand(),
		a.retryCommand(),
		a.discardCommand(),
		a.rollbackCommand(),
		a.diffCommand(),
		a.pinCommand(),
		a.unpinCommand(),
		a.verifyCommand(),
		a.doctorCommand(),
		a.selfUpdateCommand(),
		a.reloadCommand(),
		a.takeoverCommand(),
		a.notifyCommand(),
		a.webCommand(),
		a.configCommand(),
		a.installCommand(),
		a.uninstallCommand(),
		a.setupCommand(),
		a.completionCommand(),
		a.versionCommand(),
	)
	root.AddCommand(a.senders()...)
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Example = "  ota help rollback\n  ota help web token"
	}
	a.completeAll(root)
	return root
}

// act makes what a command does its RunE. A command that fails has told the
// person itself, so that the only errors that reach cobra are its own.
func (a *app) act(do func(ctx context.Context, args []string) exitCode) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.code = do(cmd.Context(), args)
		return nil
	}
}

// flagError says which value is wrong, and not what a parser thinks of it.
func flagError(cmd *cobra.Command, err error) error {
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return usageError(cmd, fmt.Sprintf("--%s can't be %q", wrong.GetFlag().Name, wrong.GetValue()))
	}
	return usageError(cmd, err.Error())
}

// usageError is the error of a command called in the wrong way.
func usageError(cmd *cobra.Command, message string) error {
	return hint.With(errors.New(message), fmt.Sprintf("see %q", cmd.CommandPath()+" --help"))
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError(cmd, fmt.Sprintf("%q takes no argument %q", cmd.CommandPath(), args[0]))
}

func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("there is no command %q", args[0])
	similar := cmd.SuggestionsFor(args[0])
	if len(similar) == 0 {
		return hint.With(err, fmt.Sprintf("%q lists the commands", cmd.CommandPath()+" --help"))
	}
	slices.Sort(similar)
	return hint.With(err, fmt.Sprintf(`did you mean "%s"?`, strings.Join(similar, `" or "`)))
}
