package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"ota/internal/api"
)

func (a *app) fetchCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "fetch",
		Short: "Look for a new release where [source] says",
		Long: `Look now for a new release where [source] in ota.toml says: at a url, or in a git
repository. What is new is put into deposit/, and is an upload like any other
from there on: "ota status" tells what becomes of it.

ota does that by itself, too, about as often as [source] poll says. An upload of
yours that lies in deposit/ goes first.

Exit code: 0, also if there was nothing new; 3 if what is there is not taken, or
an upload of yours goes first.`,
		Example: `  ota fetch
  ota -C /home/pi/garden fetch --json`,
		Args: noArguments,
		RunE: a.act(func(ctx context.Context, _ []string) exitCode { return a.fetch(ctx, asJSON) }),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	return cmd
}

func (a *app) fetch(ctx context.Context, asJSON bool) exitCode {
	ctx, release := untilInterrupted(ctx)
	defer release()
	dir, err := a.folder()
	var found api.Polled
	if err == nil {
		end := a.meanwhile(ctx, func(context.Context) string { return "fetching" })
		found, err = api.Dial(dir).Poll(ctx)
		end()
	}
	if err != nil {
		return a.fail(fmt.Errorf("cannot look for a new release: %w", err))
	}
	code := done
	if found.Outcome == api.PollRefused || found.Outcome == api.PollWaits {
		code = heldBack
	}
	if asJSON {
		if said := a.json(found); said != done {
			return said
		}
		return code
	}
	switch name := "the release"; found.Outcome {
	case api.PollBrought:
		if found.Release != nil {
			name = *found.Release
		}
		a.say("%s was fetched, and is in deposit/", name)
	case api.PollRefused:
		if found.Release != nil {
			name = *found.Release
		}
		a.say("%s is not taken", name)
		if found.Reason != nil {
			a.say("  %s", *found.Reason)
		}
	case api.PollWaits:
		a.say("what is in deposit/ goes first: nothing was fetched")
	default:
		a.say("there is nothing new")
	}
	return code
}
