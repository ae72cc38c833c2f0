package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"ota/internal/api"
	"ota/internal/kit/hint"
	"ota/internal/service"
)

func (a *app) reloadCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Let the installed ota take over, while the program runs on",
		Long: `Start ota anew in the same process, from the file that it was started from, which
may be another one by now. The program runs on, nothing that it says is lost,
and ota.toml is read anew; what that says of the program's start counts at its
next start. An upload that is just being judged is judged again.

While a release is on trial, or on its way into main/, it waits. A new ota that
does not come up within 30 s makes way for the old one.`,
		Example: `  ota reload
  sudo ota reload --all      each ota that "ota install" has made a service of`,
		Args: noArguments,
	}
	cmd.Flags().BoolVar(&all, "all", false, "all services of this machine, as far as they run")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode {
		if all {
			return a.reloadAll(ctx)
		}
		dir, err := a.folder()
		if err == nil {
			err = a.takeOver(ctx, dir, "")
		}
		if err != nil {
			return a.fail(fmt.Errorf("cannot reload ota: %w", err))
		}
		return done
	})
	return cmd
}

// takeOver lets a binary, or the installed one, take over in a folder, and says
// what became of it. The error says that the ota before it goes on.
func (a *app) takeOver(ctx context.Context, dir, binary string) error {
	became, err := api.Dial(dir).TakeOver(ctx, binary, func(reason string) { a.tell("waiting: %s", reason) })
	switch {
	case err != nil:
		return err
	case became.Outcome != api.TookOver:
		why := "it does not say why"
		if became.Reason != nil {
			why = *became.Reason
		}
		return hint.With(fmt.Errorf("the new ota did not come up, and ota %s goes on: %s", became.From, why), `"ota logs" has more`)
	}
	a.say("ota %s has taken over in %s", became.To, dir)
	return nil
}

// reloadAll reloads the services of the machine, and those of this user. None is
// no failure.
func (a *app) reloadAll(ctx context.Context) exitCode {
	return a.reloadOthers(ctx, "", func(string) bool { return true })
}

// reloadOthers reloads the services that are wanted, but for the one of a folder.
func (a *app) reloadOthers(ctx context.Context, but string, wanted func(dir string) bool) exitCode {
	host, err := service.ThisHost()
	if err != nil {
		return a.fail(fmt.Errorf("cannot reload ota: %w", err))
	}
	dirs := append(service.Folders(host, service.OfSystem), service.Folders(host, service.OfUser)...)
	code := done
	for i, dir := range dirs {
		if dir == but || slices.Contains(dirs[:i], dir) || !wanted(dir) {
			continue
		}
		switch err := a.takeOver(ctx, dir, ""); {
		case isNotRunning(err):
			a.tell("not running in %s", dir)
		case err != nil:
			code = a.fail(fmt.Errorf("cannot reload ota in %s: %w", dir, err))
		}
	}
	return code
}
