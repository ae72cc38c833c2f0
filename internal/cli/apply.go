package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"ota/internal/api"
	"ota/internal/kit/hint"
)

func (a *app) applyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "apply",
		Short: "Take what is in deposit/ as it is, now",
		Long: `Take what is in deposit/ as it is, now: without waiting for the upload to fall
quiet, for deposit/.hold or for unfinished names, and although a file looks cut
off. A file that is still open for writing is never taken.

Exit code: 0 if it is in main/ now, if it changed nothing or if there was
nothing; 3 if it is held, with the reasons.`,
		Example: `  ota apply
  ota -C /home/pi/garden apply && echo "up to date"`,
		Args: noArguments,
		RunE: a.act(func(ctx context.Context, _ []string) exitCode { return a.apply(ctx) }),
	}
}

func (a *app) apply(ctx context.Context) exitCode {
	result, err := a.askToApply(ctx)
	if err != nil {
		return a.fail(fmt.Errorf("cannot apply the upload: %w", err))
	}
	switch result.Outcome {
	case api.Applied:
		if result.Release != nil {
			a.say("release %d is in main/", *result.Release)
		}
		return done
	case api.NothingChanged:
		a.say("nothing changed: main/ is the same already")
		return done
	case api.NothingThere:
		a.say("deposit/ is empty")
		return done
	case api.NotTaken:
		a.tell("held: the upload stays in deposit/")
		for _, reason := range result.Reasons {
			fmt.Fprintln(a.stderr, "  "+reason.String())
		}
		return heldBack
	case api.Busy:
		err := errors.New("another upload is being switched in")
		return a.fail(hint.With(fmt.Errorf("cannot apply the upload: %w", err), "try again in a moment"))
	default:
		return a.fail(fmt.Errorf("cannot tell what became of the upload: %q is new to this ota %s", result.Outcome, version()))
	}
}

func (a *app) askToApply(ctx context.Context) (api.ApplyResult, error) {
	dir, err := a.folder()
	if err != nil {
		return api.ApplyResult{}, err
	}
	return api.Dial(dir).Apply(ctx)
}
