package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ota/internal/agent"
	"ota/internal/api"
)

// tried is what `ota notify --json` prints.
type tried struct {
	Event string               `json:"event"`
	Ways  api.List[agent.Told] `json:"ways"`
}

func (a *app) notifyCommand() *cobra.Command {
	var asJSON bool
	var event string
	words := agent.Happenings()
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "Send a test message through [notify] webhook or command",
		Long: `Send a test message through what ota.toml names in [notify], the webhook, the
command or both, and say what came of it. It is sent once, and now; nothing has
happened, and "test" in the message says so.

What ota itself tells, and when, is in docs/notify.md.

Exit code: 0; 1 if it did not arrive everywhere.`,
		Example: `  ota notify
  ota notify --event crash-looping
  ota notify --json | jq '.ways[] | select(.delivered | not) | .problem'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(words, event) {
				return usageError(cmd, fmt.Sprintf("%q is not one of %s", event, strings.Join(words, ", ")))
			}
			return noArguments(cmd, args)
		},
	}
	cmd.Flags().StringVar(&event, "event", words[0], "what the message is about: a `word` of [notify] on")
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	// The only error is that of a flag that is not there.
	_ = cmd.RegisterFlagCompletionFunc("event", cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode { return a.notify(ctx, event, asJSON) })
	return cmd
}

func (a *app) notify(ctx context.Context, event string, asJSON bool) exitCode {
	ctx, release := untilInterrupted(ctx)
	defer release()
	dir, err := a.folder()
	var told []agent.Told
	if err == nil {
		end := a.meanwhile(ctx, func(context.Context) string { return "waiting for an answer" })
		told, err = agent.NotifyTest(ctx, dir, version(), event)
		end()
	}
	if err != nil {
		return a.fail(fmt.Errorf("cannot send a test message: %w", err))
	}
	code := done
	for _, one := range told {
		if !one.Delivered {
			code = failed
		}
	}
	if asJSON {
		if said := a.json(tried{event, told}); said != done {
			return said
		}
		return code
	}
	for _, one := range told {
		a.told(one)
	}
	return code
}

// told says what came of one way.
func (a *app) told(one agent.Told) {
	if !one.Delivered {
		a.point(bad, one.Way, *one.Problem)
		if one.Hint != nil {
			a.say("  do: %s", *one.Hint)
		}
	} else if one.Status != nil && *one.Status != 0 {
		a.point(good, one.Way, fmt.Sprintf("delivered: the answer was %d", *one.Status))
	} else {
		a.point(good, one.Way, "delivered: exit code 0")
	}
	if one.Said != nil {
		a.say("  it said: %s", *one.Said)
	}
}
