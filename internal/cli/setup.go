package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ota/internal/setup"
	"ota/internal/ssh"
)

// setupFlags are those of setup.
type setupFlags struct {
	options  setup.Options
	binaries string
	port     int
	asJSON   bool
}

func (a *app) setupCommand() *cobra.Command {
	var flags setupFlags
	cmd := &cobra.Command{
		Use:   "setup [USER@]HOST[:DIR]",
		Short: "Bring ota to a device over ssh, and let it run there",
		Long: `Log in to a device with the ssh of this computer, find out what it is, copy the
right ota to it, make the folder and install the service: from then on what lands
in its deposit/ is run. Where ota is already, it is upgraded while the program
runs on. HOST is whatever "ssh HOST" takes; DIR is "ota" in the home of the user
if it is not named.

The binary is looked for beside this one, and in dist/ there: ota-linux-arm64, or
the .tar.gz for it.`,
		Example: `  ota setup pi@greenhouse.local:garden
  ota setup greenhouse:garden --binaries dist/packages
  ota setup ssh://pi@192.168.1.23:2222/srv/garden
  ota setup pi@greenhouse.local:garden --uninstall`,
		Args: func(cmd *cobra.Command, args []string) (err error) {
			switch {
			case len(args) == 0:
				return usageError(cmd, "which device?")
			case len(args) > 1:
				return usageError(cmd, fmt.Sprintf("one device at a time, not also %q", args[1]))
			case flags.port < 0 || flags.port > 65535:
				return usageError(cmd, fmt.Sprintf("--port can't be %d", flags.port))
			}
			if flags.options.Target, err = ssh.ParseTarget(args[0]); err != nil {
				return usageError(cmd, err.Error())
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&flags.binaries, "binaries", "", "the `folder` with the binaries, or packages, for devices")
	cmd.Flags().IntVarP(&flags.port, "port", "p", 0, "the `port` of its ssh, if ssh's config does not know it")
	cmd.Flags().BoolVar(&flags.options.OfUser, "user", false, "a service of the user, which needs no root")
	cmd.Flags().BoolVar(&flags.options.Uninstall, "uninstall", false, "take back what was installed; the folder stays")
	cmd.Flags().BoolVar(&flags.options.Dry, "dry-run", false, "only print what would be done")
	cmd.Flags().BoolVar(&flags.asJSON, "json", false, "for programs: print JSON")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode { return a.setup(ctx, flags) })
	return cmd
}

func (a *app) setup(ctx context.Context, flags setupFlags) exitCode {
	// So that nothing of it stays behind, here or there.
	ctx, end := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer end()
	o := flags.options
	if flags.port != 0 {
		o.Target.Port = flags.port
	}
	o.Input, o.Batch, o.Words = os.Stdin, !term.IsTerminal(int(os.Stdin.Fd())), a.stderr
	o.Say = a.tell
	o.Binaries, o.Own = binariesFor(flags.binaries)
	line := a.progress()
	o.Copied = func(sent, size int) {
		line.say(fmt.Sprintf("copying ota: %d %%", 100*int64(sent)/int64(max(1, size))), time.Now())
		if sent >= size {
			line.end()
		}
	}
	result, err := setup.Run(ctx, o)
	line.end()
	if err != nil {
		what := "set up"
		if o.Uninstall {
			what = "uninstall ota from"
		}
		return a.fail(fmt.Errorf("cannot %s %s: %w", what, o.Target.Login(), err))
	}
	if flags.asJSON {
		return a.json(result)
	}
	a.sayNext(result, o.Target)
	return done
}

// binariesFor are the folders in which the binary for a device may be, and this
// program, which may be the right one itself.
func binariesFor(named string) (folders []string, own string) {
	own, err := os.Executable()
	if err != nil {
		own = ""
	}
	if named != "" {
		return []string{named}, own
	}
	beside := filepath.Dir(own)
	folders = []string{beside, filepath.Join(beside, "dist"), filepath.Join(beside, "dist", "packages")}
	return slices.DeleteFunc(folders, func(dir string) bool {
		info, err := os.Stat(dir)
		return err != nil || !info.IsDir()
	}), own
}

// sayNext says what there is now, and what to do with it.
func (a *app) sayNext(result *setup.Result, target ssh.Target) {
	switch result.Did {
	case setup.Would:
		return
	case setup.Removed:
		a.say("ota does not run in %s on %s any more; the folder is still there", result.Dir, result.Host)
		return
	case setup.Nothing:
		a.say("ota %s runs in %s on %s already", deref(result.Version), result.Dir, result.Host)
	default:
		a.say("ota %s runs in %s on %s, and will after each start of it", deref(result.Version), result.Dir, result.Host)
	}
	port, scpPort := "", ""
	if target.Port != 0 {
		port, scpPort = fmt.Sprintf("-p %d ", target.Port), fmt.Sprintf("-P %d ", target.Port)
	}
	login := ssh.Quote(target.Login())
	fmt.Fprintln(a.stdout)
	a.say("next:")
	a.say("  scp %s-r my-program/* %s", scpPort, ssh.Quote(target.SCP(result.Dir+"/deposit/")))
	a.say("  ssh %s%s %s", port, login, overThere(result.Binary, "-C", result.Dir, "status"))
	a.say("  ssh %s%s %s", port, login, overThere(result.Binary, "-C", result.Dir, "web"))
	a.say("  ssh %s-N -L 8484:127.0.0.1:8484 %s", port, login)
	if result.Service != nil && *result.Service == "user" {
		a.advise(`without you logged in there it runs after "loginctl enable-linger", on the device`)
	}
}

// overThere is a command for ssh, as it is typed here: what is plain stays so, on
// Windows, too.
func overThere(argv ...string) string {
	for i := range argv {
		argv[i] = ssh.Quote(argv[i])
	}
	return ssh.Quote(argv...)
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
