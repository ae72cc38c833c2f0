package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"ota/internal/agent"
	"ota/internal/api"
	"ota/internal/kit/amount"
)

func (a *app) checkCommand() *cobra.Command {
	var asJSON bool
	var options agent.CheckOptions
	cmd := &cobra.Command{
		Use:   "check [DIR]",
		Short: "Say whether an upload, or a program, would become a release",
		Long: `Say whether what is in deposit/ would become a release, without making it one: does
it compile, is everything there that it imports, can its environment be made, does
your own check ([check] command) agree? Nothing of the program is executed, but for
your own check, in a copy.

In any other folder the program in it is looked at, as in an editor or before a
commit. With --environment the environment that it needs is made for that, and
removed again; without, only what is installed here counts, and what is missing
there is a warning.

Exit code: 0 if it would become a release; 3 if it would be held.`,
		Example: `  ota check
  ota check ~/src/garden
  ota check --environment --json . | jq '.held[].message'`,
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	cmd.Flags().BoolVar(&options.Environment, "environment", false, "make the environment that the program needs")
	cmd.RunE = a.act(func(ctx context.Context, args []string) exitCode {
		dir := a.directory
		if len(args) > 0 {
			dir = args[0]
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(a.directory, dir)
			}
		}
		return a.check(ctx, dir, options, asJSON)
	})
	return cmd
}

func (a *app) check(ctx context.Context, dir string, options agent.CheckOptions, asJSON bool) exitCode {
	line := a.steps()
	options.Doing = func(doing string) {
		if doing == "" {
			line.end()
			return
		}
		line.say(doing, time.Now())
	}
	found, err := agent.Check(ctx, dir, options)
	line.end()
	if err != nil {
		return a.fail(fmt.Errorf("cannot check: %w", err))
	}
	if asJSON {
		if code := a.json(found); code != done {
			return code
		}
	} else {
		a.tellChecked(found)
	}
	if len(found.Held) > 0 {
		return heldBack
	}
	return done
}

func (a *app) tellChecked(found agent.Checked) {
	a.tellReasons(found.Warnings, notice, "warning: ")
	a.tellReasons(found.Held, bad, "")
	what := amount.Count(found.Files, "file", "files")
	if found.Of == agent.Upload {
		what += " in deposit/"
	}
	if len(found.Held) > 0 {
		fmt.Fprintln(a.stdout, a.in(bad, "held")+": "+amount.Count(len(found.Held), "reason", "reasons")+", "+what)
		return
	}
	fmt.Fprintln(a.stdout, a.in(good, "good")+": "+what)
}

func (a *app) tellReasons(reasons []api.Reason, tone tone, before string) {
	for _, reason := range reasons {
		for i, line := range reason.Lines() {
			if i == 0 {
				line = a.in(tone, before) + harmless(line)
			}
			fmt.Fprintln(a.stdout, line)
		}
	}
}
