package cli

import (
	"context"

	"github.com/spf13/cobra"

	"ota/internal/api"
)

func (a *app) retryCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "retry",
		Short: "Try again what is held",
		Long: `Try again what is held in deposit/, also the very files that failed their trial:
those are never tried twice by themselves.

Exit code: 0 if it is in main/ now, if it changed nothing or if there was
nothing; 3 if it is held or has to wait, with the reasons.`,
		Example: `  ota retry
  ota why && ota retry`,
		Args: noArguments,
		RunE: a.act(func(ctx context.Context, _ []string) exitCode {
			return a.attempt(ctx, asJSON, func(ctx context.Context, ota *api.Client) (api.ApplyResult, error) {
				return ota.Retry(ctx)
			})
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	return cmd
}
