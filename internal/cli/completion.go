package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ota/internal/agent"
	"ota/internal/api"
	"ota/internal/ssh"
)

// shells are those that can complete a command line, and what writes the script
// for each.
var shells = []struct {
	name  string
	write func(root *cobra.Command, to io.Writer) error
}{
	{"bash", func(root *cobra.Command, to io.Writer) error { return root.GenBashCompletionV2(to, true) }},
	{"zsh", (*cobra.Command).GenZshCompletion},
	{"fish", func(root *cobra.Command, to io.Writer) error { return root.GenFishCompletion(to, true) }},
}

// Shells returns those that [WriteCompletion] knows.
func Shells() []string {
	var names []string
	for _, shell := range shells {
		names = append(names, shell.name)
	}
	return names
}

// WriteCompletion writes what `ota completion` prints, for who packages ota.
func WriteCompletion(name string, to io.Writer) error {
	return writeCompletion(Commands(), name, to)
}

func writeCompletion(root *cobra.Command, name string, to io.Writer) error {
	for _, shell := range shells {
		if shell.name == name {
			return shell.write(root, to)
		}
	}
	return fmt.Errorf("%q is not one of %s", name, strings.Join(Shells(), ", "))
}

func (a *app) completionCommand() *cobra.Command {
	names := Shells()
	cmd := &cobra.Command{
		Use:   "completion " + strings.Join(names, "|"),
		Short: "Print what makes a shell complete the commands of ota",
		Long: `Print what makes a shell complete the commands of ota: their names and flags,
releases with what is known of them, tokens, and folders. bash needs its package
bash-completion for that.`,
		Example: `  ota completion bash > /etc/bash_completion.d/ota
  ota completion zsh > /usr/local/share/zsh/site-functions/_ota
  ota completion fish > ~/.config/fish/completions/ota.fish
  . <(ota completion bash)    for this shell only`,
		ValidArgs: names,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usageError(cmd, "which shell?")
			case len(args) > 1:
				return usageError(cmd, fmt.Sprintf("one shell at a time, not also %q", args[1]))
			}
			if !slices.Contains(names, args[0]) {
				return usageError(cmd, fmt.Sprintf("%q is not one of %s", args[0], strings.Join(names, ", ")))
			}
			return nil
		},
	}
	cmd.RunE = a.act(func(_ context.Context, args []string) exitCode {
		if err := writeCompletion(cmd.Root(), args[0], a.stdout); err != nil {
			return a.fail(fmt.Errorf("cannot print the script: %w", err))
		}
		return done
	})
	return cmd
}

// completes is what completes an argument, for cobra.
type completes = cobra.CompletionFunc

// lookTime is for what is looked up while somebody has pressed the tab key.
const lookTime = 2 * time.Second

// completeAll says what may stand where. Where nothing is known nothing is
// offered: least of all files, which no command takes.
func (a *app) completeAll(root *cobra.Command) {
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	// The only error is that of a flag that is not there.
	_ = root.RegisterFlagCompletionFunc("directory", folders)
	if setup, _, err := root.Find([]string{"setup"}); err == nil {
		_ = setup.RegisterFlagCompletionFunc("binaries", folders)
	}
	completeFiles(root)
	for path, arguments := range map[string]completes{
		"init": folders, "run": folders, "install": folders, "uninstall": folders, "check": folders, "pack": folders, "push": places, "setup": hosts, "receive": folders, "sign": files, "busy": files,
		"rollback": a.releasesUpTo(1), "why": a.releasesUpTo(1), "diff": a.releasesUpTo(2),
		"pin": a.releasesUpTo(1), "unpin": a.releasesUpTo(1),
		"web token revoke": a.tokenNames,
	} {
		if cmd, _, err := root.Find(strings.Fields(path)); err == nil && cmd != root {
			cmd.ValidArgsFunction = arguments
		}
	}
}

// completeFiles is for the flags that name files.
func completeFiles(root *cobra.Command) {
	for path, names := range map[string][]string{"pack": {"output", "allowed-signers", "key", "check"}, "sign": {"key"}, "push": {"key"}} {
		if cmd, _, err := root.Find([]string{path}); err == nil {
			for _, name := range names {
				_ = cmd.RegisterFlagCompletionFunc(name, files)
			}
		}
	}
}

func folders(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// places offers folders, and the hosts that ssh's config names.
func places(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	var offers []string
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	for _, host := range ssh.Hosts(home) {
		if strings.HasPrefix(host+":", begun) {
			offers = append(offers, harmless(host)+":")
		}
	}
	if len(offers) > 0 {
		return offers, cobra.ShellCompDirectiveNoSpace
	}
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// hosts offers those that ssh knows, behind the user that was written.
func hosts(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	home, err := os.UserHomeDir()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	at := strings.LastIndexByte(begun, '@') + 1
	var offers []string
	for _, host := range ssh.Hosts(home) {
		if strings.HasPrefix(host, begun[at:]) {
			offers = append(offers, harmless(begun[:at]+host))
		}
	}
	return offers, cobra.ShellCompDirectiveNoFileComp
}

func files(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// releasesUpTo offers the releases for the first arguments, newest first.
func (a *app) releasesUpTo(most int) completes {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var offers []string
		for _, entry := range a.knownReleases(cmd.Context()) {
			if number := strconv.Itoa(entry.Number); strings.HasPrefix(number, begun) {
				offers = append(offers, cobra.CompletionWithDesc(number, aboutRelease(entry)))
			}
		}
		return offers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// knownReleases says nothing of what it can't know: who completes a line wants
// to go on writing it.
func (a *app) knownReleases(ctx context.Context) []api.HistoryEntry {
	dir, err := a.folder()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	entries, err := api.Dial(dir).History(ctx)
	if isNotRunning(err) {
		entries, _ = agent.OfflineHistory(dir)
	}
	return entries
}

func aboutRelease(entry api.HistoryEntry) string {
	text := string(entry.State)
	if entry.Pinned {
		text += ", pinned"
	}
	text += ", " + entry.Created.Local().Format("2006-01-02 15:04")
	if entry.Current {
		text += ", in main/"
	}
	return harmless(text)
}

// tokenNames offers the tokens that there are.
func (a *app) tokenNames(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	dir, err := a.folder()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), lookTime)
	defer cancel()
	tokens, err := api.Dial(dir).Tokens(ctx)
	if isNotRunning(err) {
		tokens = agent.OfflineTokens(dir)
	}
	var offers []string
	for _, token := range tokens {
		if strings.HasPrefix(token.Name, begun) {
			offers = append(offers, cobra.CompletionWithDesc(harmless(token.Name), "may "+harmless(api.Words(token.Allow))))
		}
	}
	return offers, cobra.ShellCompDirectiveNoFileComp
}
