package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"ota/internal/agent"
)

// takeoverCommand is what an ota that runs calls of the one that is to take over.
func (a *app) takeoverCommand() *cobra.Command {
	return &cobra.Command{
		Use:     agent.RehearsalArgument,
		Short:   "Look whether this ota could take over from another one",
		Long:    `Look whether this ota could take over from the one that has started it. It is not for people.`,
		Example: "  ota takeover",
		Hidden:  true,
		Args:    noArguments,
		RunE: a.act(func(context.Context, []string) exitCode {
			if a.received == nil {
				return a.fail(errors.New("no ota has handed anything over"))
			}
			if err := agent.Rehearse(a.received); err != nil {
				return a.fail(err)
			}
			// As the other one reads it.
			fmt.Fprint(a.stdout, a.received.Ready(version()))
			return done
		}),
	}
}
