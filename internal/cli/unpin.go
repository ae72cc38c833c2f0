package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func (a *app) unpinCommand() *cobra.Command {
	var releases []int
	return &cobra.Command{
		Use:   "unpin N",
		Short: "Let a pinned release be dropped in time",
		Long: `Let a pinned release be dropped in time, like any other.

It works where ota is not running, too.`,
		Example: `  ota unpin 3`,
		Args:    takeReleases(&releases, 1, 1),
		RunE:    a.act(func(ctx context.Context, _ []string) exitCode { return a.pin(ctx, at(releases, 0), false) }),
	}
}
