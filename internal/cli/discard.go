package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"ota/internal/api"
	"ota/internal/kit/amount"
)

func (a *app) discardCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "discard",
		Short: "Move what is in deposit/ out of the way",
		Long: `Move what is in deposit/ to a folder of its own below .ota/discarded/, so that
the next upload is not laid over it. Nothing is deleted, and main/ stays as it
is.`,
		Example: `  ota discard
  ota -C /home/pi/garden discard`,
		Args: noArguments,
		RunE: a.act(func(ctx context.Context, _ []string) exitCode { return a.discard(ctx, asJSON) }),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	return cmd
}

func (a *app) discard(ctx context.Context, asJSON bool) exitCode {
	result, err := a.askToDiscard(ctx)
	switch {
	case err != nil:
		return a.fail(fmt.Errorf("cannot discard the upload: %w", err))
	case asJSON:
		return a.json(result)
	case result.Files == 0:
		a.say("deposit/ is empty")
	case result.Folder == nil:
		a.say("discarded %s", amount.Count(result.Files, "file", "files"))
	default:
		a.say("moved %s to %s", amount.Count(result.Files, "file", "files"), *result.Folder)
	}
	return done
}

func (a *app) askToDiscard(ctx context.Context) (api.Discarded, error) {
	dir, err := a.folder()
	if err != nil {
		return api.Discarded{}, err
	}
	return api.Dial(dir).Discard(ctx)
}
