package cli

import (
	"context"

	"github.com/spf13/cobra"

	"ota/internal/api"
)

func (a *app) restartCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restart",
		Short: "Stop the program and start it again",
		Long:  `Stop the program with all that it started, and start it again.`,
		Example: `  ota restart
  ota -C /home/pi/garden restart`,
		Args: noArguments,
		RunE: a.act(func(ctx context.Context, _ []string) exitCode {
			return a.steer(ctx, "restart the program", "the program is running again", a.patiently("the program is stopped and started", (*api.Client).Restart))
		}),
	}
}
