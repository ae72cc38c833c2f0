package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"ota/internal/api"
)

func (a *app) rollbackCommand() *cobra.Command {
	var noTrial, asJSON bool
	var releases []int
	cmd := &cobra.Command{
		Use:   "rollback [N]",
		Short: "Go back to an earlier release",
		Long: `Go back to release N, or to the last one that was good before the one in main/.
It is a switch like any other: files that the program or a person has made or
changed stay, and what is replaced is kept. The release that is gone back to is
on trial again, unless --no-trial says that it counts as confirmed.`,
		Example: `  ota rollback          to the one before
  ota rollback 3
  ota rollback 3 --no-trial`,
		Args: takeReleases(&releases, 0, 1),
	}
	cmd.Flags().BoolVar(&noTrial, "no-trial", false, "it counts as confirmed at once")
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode {
		return a.rollback(ctx, api.Rollback{Release: at(releases, 0), NoTrial: noTrial}, asJSON)
	})
	return cmd
}

func (a *app) rollback(ctx context.Context, to api.Rollback, asJSON bool) exitCode {
	result, err := a.askToRollBack(ctx, to)
	if err != nil {
		return a.fail(fmt.Errorf("cannot roll back: %w", err))
	}
	if asJSON {
		return a.json(result)
	}
	switch result.State {
	case "":
		a.say("release %d is in main/ again", result.Release)
	case api.Trial:
		a.say("release %d is in main/ again, on trial", result.Release)
	default:
		a.say("release %d is in main/ again, %s", result.Release, result.State)
	}
	return done
}

func (a *app) askToRollBack(ctx context.Context, to api.Rollback) (api.WentBack, error) {
	dir, err := a.folder()
	if err != nil {
		return api.WentBack{}, err
	}
	ota := api.Dial(dir)
	defer a.waiting(ctx, ota, "the release is switched in")()
	return ota.Rollback(ctx, to)
}
