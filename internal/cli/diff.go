package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ota/internal/agent"
	"ota/internal/api"
)

func (a *app) diffCommand() *cobra.Command {
	var (
		releases []int
		patch    bool
		asJSON   bool
	)
	cmd := &cobra.Command{
		Use:   "diff [A] [B]",
		Short: "Say by what two releases differ",
		Long: `Say by what release B differs from release A. Without B it is the one in main/;
without A, too, what that one changed.

Where ota is not running it says so, and compares what is on the disk.`,
		Example: `  ota diff
  ota diff 3
  ota diff 3 5 -p
  ota diff -p --json | jq -r '.files[].patch'    for "patch -p1"`,
		Args: takeReleases(&releases, 0, 2),
	}
	cmd.Flags().BoolVarP(&patch, "patch", "p", false, "also line by line")
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode {
		return a.diff(ctx, api.DiffRequest{From: at(releases, 0), To: at(releases, 1), Patch: patch}, asJSON)
	})
	return cmd
}

func (a *app) diff(ctx context.Context, request api.DiffRequest, asJSON bool) exitCode {
	result, err := a.askDiff(ctx, request)
	if err != nil {
		return a.fail(fmt.Errorf("cannot compare releases: %w", err))
	}
	if asJSON {
		return a.json(result)
	}
	before := "nothing"
	if result.From != 0 {
		before = fmt.Sprintf("release %d", result.From)
	}
	if len(result.Files) == 0 {
		a.say("release %d is the same as %s", result.To, before)
		return done
	}
	a.say("release %d differs from %s:", result.To, before)
	for _, file := range result.Files {
		a.file(file)
	}
	return done
}

func (a *app) askDiff(ctx context.Context, request api.DiffRequest) (api.Diff, error) {
	dir, err := a.folder()
	if err != nil {
		return api.Diff{}, err
	}
	result, err := api.Dial(dir).Diff(ctx, request)
	if !isNotRunning(err) {
		return result, err
	}
	a.tell("not running in %s: this is what is on the disk", dir)
	return agent.OfflineDiff(dir, request)
}

var changeTones = map[api.ChangeKind]tone{api.Added: good, api.Replaced: notice, api.Removed: bad}

func (a *app) file(file api.FileDiff) {
	note := ""
	if file.Note != nil {
		note = " (" + harmless(*file.Note) + ")"
	}
	// Padded before it is coloured: the colour has no width.
	change := a.in(changeTones[file.Change], fmt.Sprintf("%-8s", file.Change))
	fmt.Fprintf(a.stdout, "  %s  %s%s\n", change, file.Path, note)
	if file.Patch == nil {
		return
	}
	for line := range strings.Lines(*file.Patch) {
		line = strings.TrimSuffix(line, "\n")
		fmt.Fprintln(a.stdout, a.in(patchTone(line), harmless(line)))
	}
}

func patchTone(line string) tone {
	switch {
	case strings.HasPrefix(line, "+"):
		return good
	case strings.HasPrefix(line, "-"):
		return bad
	case strings.HasPrefix(line, "@@"):
		return notice
	default:
		return plain
	}
}
