package cli

import (
	"context"

	"github.com/spf13/cobra"

	"ota/internal/api"
)

func (a *app) stopCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "stop",
		Short: "Stop the program and leave it stopped",
		Long: `Stop the program with all that it started, and leave it stopped. ota itself
stays: an upload is still switched in, and started by "ota start".`,
		Example: `  ota stop
  ota -C /home/pi/garden stop`,
		Args: noArguments,
		RunE: a.act(func(ctx context.Context, _ []string) exitCode {
			return a.steer(ctx, "stop the program", "the program is stopped", a.patiently("the program is stopped", (*api.Client).Stop))
		}),
	}
}
