package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"ota/internal/agent"
	"ota/internal/api"
)

func (a *app) pinCommand() *cobra.Command {
	var releases []int
	return &cobra.Command{
		Use:   "pin N",
		Short: "Keep a release for good",
		Long: `Keep release N for good: old releases are dropped in time, a pinned one never is.

It works where ota is not running, too.`,
		Example: `  ota pin 3
  ota history`,
		Args: takeReleases(&releases, 1, 1),
		RunE: a.act(func(ctx context.Context, _ []string) exitCode { return a.pin(ctx, at(releases, 0), true) }),
	}
}

// pin makes a release one that is never dropped, or takes that back.
func (a *app) pin(ctx context.Context, number int, pinned bool) exitCode {
	doing, success := "pin", "release %d is pinned"
	if !pinned {
		doing, success = "unpin", "release %d is not pinned any more"
	}
	if err := a.askToPin(ctx, number, pinned); err != nil {
		return a.fail(fmt.Errorf("cannot %s the release: %w", doing, err))
	}
	a.say(success, number)
	return done
}

func (a *app) askToPin(ctx context.Context, number int, pinned bool) error {
	dir, err := a.folder()
	if err != nil {
		return err
	}
	err = api.Dial(dir).Pin(ctx, number, pinned)
	if isNotRunning(err) {
		return agent.OfflinePin(ctx, dir, number, pinned)
	}
	return err
}
