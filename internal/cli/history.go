package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ota/internal/agent"
	"ota/internal/api"
)

func (a *app) historyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List the releases, newest first",
		Long: `List the releases, newest first. The one with the asterisk is in main/.

Where ota is not running it says so, and lists what is on the disk.`,
		Example: `  ota history
  ota history --json | jq '.[0].files'`,
		Args: noArguments,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode { return a.history(ctx, asJSON) })
	return cmd
}

// history shows what there is even where some of it can't be read.
func (a *app) history(ctx context.Context, asJSON bool) exitCode {
	entries, err := a.askHistory(ctx)
	if err != nil && len(entries) == 0 {
		return a.fail(fmt.Errorf("cannot tell the history: %w", err))
	}
	code := done
	if asJSON {
		code = a.json(api.List[api.HistoryEntry](entries))
	} else {
		a.table(entries)
	}
	if err != nil {
		return a.fail(fmt.Errorf("cannot tell all of the history: %w", err))
	}
	return code
}

func (a *app) askHistory(ctx context.Context) ([]api.HistoryEntry, error) {
	dir, err := a.folder()
	if err != nil {
		return nil, err
	}
	entries, err := api.Dial(dir).History(ctx)
	if !isNotRunning(err) {
		return entries, err
	}
	a.tell("not running in %s: this is what is on the disk", dir)
	return agent.OfflineHistory(dir)
}

func (a *app) table(entries []api.HistoryEntry) {
	if len(entries) == 0 {
		a.say("no release yet")
		return
	}
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tRELEASE\tSTATE\tCREATED\tFILES")
	for _, entry := range entries {
		mark := ""
		if entry.Current {
			mark = "*"
		}
		created := entry.Created.Local().Format("2006-01-02 15:04:05")
		state := string(entry.State)
		if entry.Pinned {
			state += ", pinned"
		}
		number := strings.TrimSpace(fmt.Sprintf("%d %s", entry.Number, harmless(entry.Packed.Name())))
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", mark, number, harmless(state), created, changes(entry))
	}
	table.Flush()
}

// changes counts what a release did, and says why it is gone.
func changes(entry api.HistoryEntry) string {
	counts := map[api.ChangeKind]int{}
	for _, file := range entry.Files {
		counts[file.Change]++
	}
	var parts []string
	for _, kind := range []api.ChangeKind{api.Added, api.Replaced, api.Removed} {
		if counts[kind] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[kind], kind))
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "none")
	}
	text := strings.Join(parts, ", ")
	if entry.Packed != nil && entry.Packed.Message != nil {
		first, _, _ := strings.Cut(*entry.Packed.Message, "\n")
		text += ": " + harmless(first)
	}
	if entry.Reason != nil {
		text += "; " + harmless(*entry.Reason)
	}
	return text
}
