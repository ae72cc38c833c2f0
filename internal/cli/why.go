package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ota/internal/agent"
	"ota/internal/api"
)

// outputLines is how much of what the program printed is shown.
const outputLines = 20

func (a *app) whyCommand() *cobra.Command {
	var (
		releases []int
		asJSON   bool
	)
	cmd := &cobra.Command{
		Use:   "why [N]",
		Short: "Say why an upload is held, or why a release failed",
		Long: `Say why what is in deposit/ is held, and why the release that failed last was
rolled back, or release N: how the program ended, what it raised and where, what
was probed, what had changed, and the last lines that it printed.

Where ota is not running it says so, and tells what is on the disk.`,
		Example: `  ota why
  ota why 7
  ota why --json | jq -r '.evidence.output[]'    all of the output that is kept`,
		Args: takeReleases(&releases, 0, 1),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode { return a.why(ctx, at(releases, 0), asJSON) })
	return cmd
}

func (a *app) why(ctx context.Context, number int, asJSON bool) exitCode {
	why, err := a.askWhy(ctx, number)
	if err != nil {
		return a.fail(fmt.Errorf("cannot tell why: %w", err))
	}
	if asJSON {
		return a.json(why)
	}
	for _, line := range explain(why, number != 0) {
		fmt.Fprintln(a.stdout, a.in(line.tone, harmless(line.text)))
	}
	if len(why.Held) > 0 || why.State != nil && *why.State == api.RolledBack {
		a.advise(`put a corrected file into deposit/; or "ota retry", "ota discard"`)
	}
	return done
}

func (a *app) askWhy(ctx context.Context, number int) (api.Why, error) {
	dir, err := a.folder()
	if err != nil {
		return api.Why{}, err
	}
	why, err := api.Dial(dir).Why(ctx, number)
	if !isNotRunning(err) {
		return why, err
	}
	a.tell("not running in %s: this is what is on the disk", dir)
	return agent.OfflineWhy(dir, number)
}

// line is a line of a report.
type line struct {
	tone tone
	text string
}

// explain says it all in a few lines. Who named a release wants to hear of that
// alone.
func explain(why api.Why, named bool) []line {
	var lines []line
	if len(why.Held) > 0 && !named {
		lines = append(lines, line{bad, "the upload in deposit/ is held:"})
		for _, reason := range why.Held {
			for _, text := range reason.Lines() {
				lines = append(lines, line{text: "  " + text})
			}
		}
	}
	switch {
	case why.Evidence != nil && why.Release != nil:
		lines = append(lines, explainFailure(*why.Release, *why.Evidence)...)
	case why.Release != nil:
		lines = append(lines, explainState(*why.Release, why))
	case len(lines) == 0:
		lines = append(lines, line{text: "nothing has failed and nothing is held"})
	}
	return lines
}

// explainState is for a release of which there is no evidence.
func explainState(number int, why api.Why) line {
	text := fmt.Sprintf("release %d has not failed", number)
	switch {
	case why.State != nil && *why.State == api.RolledBack:
		text = fmt.Sprintf("release %d was rolled back", number)
	case why.State != nil:
		text += ": it is " + string(*why.State)
	}
	if why.Reason != nil {
		text += ": " + *why.Reason
	}
	return line{text: text}
}

func explainFailure(number int, evidence api.Evidence) []line {
	failed, before := fmt.Sprintf("release %d failed its trial: ", number), "the release before"
	if evidence.BackTo != nil {
		before = fmt.Sprintf("release %d", *evidence.BackTo)
		failed = fmt.Sprintf("release %d was rolled back to %s: ", number, before)
	}
	lines := []line{{bad, failed + evidence.Why}}
	if evidence.Exit != nil {
		text := api.Exit{Code: evidence.Exit.Code, Signal: evidence.Exit.Signal}.String()
		if !strings.Contains(evidence.Why, text) {
			lines = append(lines, line{text: "  " + text})
		}
	}
	if traceback := evidence.Traceback; traceback != nil {
		lines = append(lines, line{text: "  " + traceback.Error}, line{text: "    " + placeText(*traceback)})
	}
	for _, probe := range evidence.Probes {
		lines = append(lines, line{text: "  " + probeText(probe, before)})
	}
	if len(evidence.Files) > 0 {
		lines = append(lines, line{text: fmt.Sprintf("  differs from %s: %s", before, filesText(evidence.Files))})
	}
	if len(evidence.Output) > 0 {
		lines = append(lines, line{text: "  the last lines of its output:"})
		for _, printed := range evidence.Output[max(0, len(evidence.Output)-outputLines):] {
			lines = append(lines, line{text: "    " + printed})
		}
	}
	return lines
}

// placeText is "main.py:12 in read_sensor:  return float(text)".
func placeText(traceback api.Traceback) string {
	text := traceback.File.String()
	if traceback.Line > 0 {
		text += fmt.Sprintf(":%d", traceback.Line)
	}
	if traceback.Function != nil {
		text += " in " + *traceback.Function
	}
	if traceback.Source != nil {
		text += ":  " + *traceback.Source
	}
	return text
}

func probeText(probe api.ProbeAnswer, before string) string {
	text := fmt.Sprintf("probe %s: %s", probe.Probe, probe.Answer)
	if probe.Detail != nil {
		text += " (" + *probe.Detail + ")"
	}
	if probe.Before != nil {
		text += fmt.Sprintf("; %s said %s", before, *probe.Before)
	}
	return text
}

// filesShown is how many files a line names before it only counts them.
const filesShown = 10

func filesText(files []api.FileChange) string {
	var parts []string
	for _, file := range files[:min(len(files), filesShown)] {
		parts = append(parts, fmt.Sprintf("%s %s", file.Path, file.Change))
	}
	if more := len(files) - filesShown; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}
