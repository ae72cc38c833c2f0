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
	var now, asJSON bool
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Take what is in deposit/ as it is, now",
		Long: `Take what is in deposit/ as it is, now: without waiting for the upload to fall
quiet, for deposit/.hold or for unfinished names, and although a file looks cut
off. A file that is still open for writing is never taken. With --now it does
not wait for its window either, nor for a program that says that it is busy.

Exit code: 0 if it is in main/ now, if it changed nothing or if there was
nothing; 3 if it is held or has to wait, with the reasons.`,
		Example: `  ota apply
  ota apply --now
  ota -C /home/pi/garden apply && echo "up to date"
  ota apply --json | jq -r .outcome`,
		Args: noArguments,
	}
	cmd.Flags().BoolVar(&now, "now", false, "also outside its window, and although the program is busy")
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode {
		return a.attempt(ctx, asJSON, func(ctx context.Context, ota *api.Client) (api.ApplyResult, error) {
			return ota.Apply(ctx, now)
		})
	})
	return cmd
}

// attempt says what became of an upload that somebody wanted taken.
func (a *app) attempt(ctx context.Context, asJSON bool, ask func(context.Context, *api.Client) (api.ApplyResult, error)) exitCode {
	result, err := a.askForAttempt(ctx, ask)
	if err != nil {
		return a.fail(fmt.Errorf("cannot apply the upload: %w", err))
	}
	if asJSON {
		return a.jsonAttempt(result)
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
		a.listReasons(result.Reasons)
		return heldBack
	case api.Postponed:
		a.tell("deferred: the upload is good, and waits in deposit/")
		a.listReasons(result.Reasons)
		a.advise(`"ota apply --now" does not wait`)
		return heldBack
	case api.Busy:
		err := errors.New("another upload is being switched in")
		return a.fail(hint.With(fmt.Errorf("cannot apply the upload: %w", err), "try again in a moment"))
	default:
		return a.fail(fmt.Errorf("cannot tell what became of the upload: %q is new to this ota %s", result.Outcome, version()))
	}
}

// jsonAttempt prints what became of an upload for programs.
func (a *app) jsonAttempt(result api.ApplyResult) exitCode {
	if code := a.json(result); code != done {
		return code
	}
	switch result.Outcome {
	case api.Applied, api.NothingChanged, api.NothingThere:
		return done
	case api.NotTaken, api.Postponed:
		return heldBack
	}
	return failed
}

func (a *app) askForAttempt(ctx context.Context, ask func(context.Context, *api.Client) (api.ApplyResult, error)) (api.ApplyResult, error) {
	dir, err := a.folder()
	if err != nil {
		return api.ApplyResult{}, err
	}
	ota := api.Dial(dir)
	defer a.waiting(ctx, ota, "waiting for the upload")()
	return ask(ctx, ota)
}

func (a *app) listReasons(reasons []api.Reason) {
	for _, reason := range reasons {
		for _, line := range reason.Lines() {
			fmt.Fprintln(a.stderr, "  "+line)
		}
	}
}
