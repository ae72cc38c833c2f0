package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ota/internal/agent"
	"ota/internal/api"
	"ota/internal/kit/amount"
)

func (a *app) verifyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read all that is kept, and compare it with its checksums",
		Long: `Read all that is kept of the releases, and compare it with its checksums. What is
damaged is put right from main/ where the copy there is still good. main/ itself
is compared with the current release, and left as it is.

It reads everything once: with a large main/ and a slow card that takes minutes.
It does not matter whether ota is running.

Exit code: 0, also if files in main/ were edited; 1 if something stays damaged.`,
		Example: `  ota verify
  ota verify --json | jq .damaged`,
		Args: noArguments,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode { return a.verify(ctx, asJSON) })
	return cmd
}

func (a *app) verify(ctx context.Context, asJSON bool) exitCode {
	found, err := a.inspect(ctx)
	if err != nil {
		return a.fail(fmt.Errorf("cannot verify what is kept: %w", err))
	}
	if asJSON {
		if code := a.json(found); code != done {
			return code
		}
	} else {
		a.report(found)
	}
	if len(found.Damaged) > 0 {
		return failed
	}
	return done
}

func (a *app) inspect(ctx context.Context) (api.Verification, error) {
	dir, err := a.folder()
	if err != nil {
		return api.Verification{}, err
	}
	looked, line := 0, a.progress()
	defer line.end()
	return agent.Verify(ctx, dir, func() {
		looked++
		line.say("reading: "+amount.Count(looked, "file", "files"), time.Now())
	})
}

func (a *app) report(found api.Verification) {
	for _, flaw := range found.Healed {
		a.point(notice, "healed", flawText(flaw)+"; there is a new copy from main/")
	}
	for _, flaw := range found.Damaged {
		a.point(bad, "damaged", flawText(flaw))
	}
	for _, flaw := range found.Gone {
		a.point(plain, "gone", flawText(flaw)+": it was in main/ only, and has been changed there")
	}
	for _, one := range found.Edited {
		a.point(plain, "edited", "main/"+one.Path.String()+": "+one.Message)
	}
	for _, path := range found.Missing {
		a.point(plain, "missing", "main/"+path.String())
	}
	looked := fmt.Sprintf("looked at %s: ", amount.Count(found.Contents, "content", "contents"))
	if len(found.Damaged) > 0 {
		fmt.Fprintln(a.stdout, looked+a.in(bad, fmt.Sprintf("%d damaged", len(found.Damaged))))
		return
	}
	fmt.Fprintln(a.stdout, looked+a.in(good, "all is well"))
}

// point is a line of a report: a word that may be coloured, and the rest.
func (a *app) point(t tone, word, rest string) {
	fmt.Fprintf(a.stdout, "%s: %s\n", a.in(t, word), harmless(rest))
}

// flawText says what of which release is wrong, and where it is kept.
func flawText(flaw api.Flaw) string {
	text := fmt.Sprintf("release %d", flaw.Release)
	if flaw.Path != nil {
		text += ", " + flaw.Path.String()
	}
	return fmt.Sprintf("%s: %s: %s", text, flaw.File, flaw.Message)
}
