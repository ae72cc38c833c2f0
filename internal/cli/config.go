package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"ota/internal/agent"
)

func (a *app) configCommand() *cobra.Command {
	var asJSON, showSecrets bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the settings in force, and where each comes from",
		Long: `Print the settings that are in force, and where each comes from: from ota.toml,
the settings of this device; from main/ota.toml, which travels with the program;
or from neither. What is printed may be pasted into a file.

The values of variables whose names speak of a secret, and passwords in
addresses, are shown as "…". What is in an env_file is never shown.

It reads the files as they are now; it does not matter whether ota is running. A
running ota has read ota.toml when it started.

Exit code: 0; 1 if something is wrong in one of the files.`,
		Example: `  ota config
  ota config --show-secrets
  ota config --json | jq '.settings[] | select(.origin != "default")'`,
		Args: noArguments,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	cmd.Flags().BoolVar(&showSecrets, "show-secrets", false, "also what looks like a secret")
	cmd.RunE = a.act(func(context.Context, []string) exitCode {
		secrets := agent.HideSecrets
		if showSecrets {
			secrets = agent.ShowSecrets
		}
		return a.config(secrets, asJSON)
	})
	return cmd
}

func (a *app) config(secrets agent.Secrets, asJSON bool) exitCode {
	dir, err := a.folder()
	if err != nil {
		return a.fail(fmt.Errorf("cannot tell the settings: %w", err))
	}
	found, err := agent.SettingsOf(dir, secrets)
	switch {
	case err != nil && len(found.Settings) == 0:
		return a.fail(err)
	case asJSON:
		if code := a.json(found); code != done {
			return code
		}
	default:
		a.settings(found.Settings)
	}
	for _, warning := range found.Warnings {
		a.tell("%s", warning.Text)
	}
	if err != nil {
		return a.fail(errors.Join(err, errors.New("main/ota.toml does not count as long as it is like that")))
	}
	return done
}

// widest is up to where the origins of a table stand below each other.
const widest = 48

// settings prints each table with its keys.
func (a *app) settings(list []agent.Setting) {
	for first := 0; first < len(list); {
		end, width := first, 0
		for end < len(list) && list[end].Table == list[first].Table {
			if length := utf8.RuneCountInString(list[end].TOML); length <= widest {
				width = max(width, length)
			}
			end++
		}
		if first > 0 {
			fmt.Fprintln(a.stdout)
		}
		a.say("[%s]", list[first].Table)
		for _, one := range list[first:end] {
			a.setting(one, width)
		}
		first = end
	}
}

func (a *app) setting(one agent.Setting, width int) {
	if one.Value == nil {
		a.say("%s", one.TOML)
		return
	}
	space := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(one.TOML)))
	fmt.Fprintf(a.stdout, "%s%s  %s\n", harmless(one.TOML), space, a.in(originTone(one.Origin), "# "+one.Origin))
}

func originTone(origin string) tone {
	if origin == "default" {
		return plain
	}
	return notice
}
