package cli

import (
	"context"

	"github.com/spf13/cobra"

	"ota/internal/api"
)

func (a *app) startCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "start",
		Short: "Start the program",
		Long: `Start the program: after "ota stop", after it has finished, or at once instead
of after the pause that follows a crash. It is no error if it runs already.`,
		Example: `  ota start
  ota -C /home/pi/garden start`,
		Args: noArguments,
		RunE: a.act(func(ctx context.Context, _ []string) exitCode {
			return a.steer(ctx, "start the program", "the program is running", a.patiently("the program is started", (*api.Client).Start))
		}),
	}
}
