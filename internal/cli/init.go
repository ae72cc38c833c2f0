package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ota/internal/agent"
)

func (a *app) initCommand() *cobra.Command {
	var example bool
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Make a folder to begin with",
		Long: `Make a folder to begin with: deposit/, main/, logs/, and an ota.toml with the
commonest settings, of which none is set. "ota run" needs none of it: it makes the
folders that are missing itself.

Nothing that is there is changed.`,
		Example: `  ota init garden
  ota init garden --example    with a small program in main/`,
		Args: func(cmd *cobra.Command, args []string) error { return a.takeDir(cmd, args) },
	}
	cmd.Flags().BoolVar(&example, "example", false, "put a small program into main/, if that is empty")
	cmd.RunE = a.act(func(context.Context, []string) exitCode { return a.init(example) })
	return cmd
}

func (a *app) init(example bool) exitCode {
	dir, err := filepath.Abs(a.directory)
	if err != nil {
		return a.fail(fmt.Errorf("cannot tell where %s is: %w", a.directory, err))
	}
	laid, err := agent.Init(dir, example)
	if len(laid.Made) > 0 {
		a.say("made in %s: %s", dir, strings.Join(laid.Made, " "))
	}
	if len(laid.There) > 0 {
		a.say("there already: %s", strings.Join(laid.There, " "))
	}
	if err != nil {
		return a.fail(fmt.Errorf("cannot make a folder to begin with: %w", err))
	}
	if laid.LeftOut {
		a.say("main/ is not empty: the example is left out")
	}
	if len(laid.Made) > 0 {
		a.nextSteps(example && !laid.LeftOut)
	}
	return done
}

// nextSteps says what to do in a folder that is new.
func (a *app) nextSteps(example bool) {
	deposit, at := filepath.Join(a.directory, "deposit"), ""
	if a.directory != "" {
		at = " " + shellWord(a.directory)
	}
	a.say("")
	a.say("next:")
	a.say("  ota run%s", at)
	if example {
		a.say("  echo Good morning > %s", shellWord(filepath.Join(deposit, "info.txt")))
	} else {
		a.say("  cp main.py %s", shellWord(filepath.Join(deposit, "main.py")))
	}
	if at != "" {
		at = " -C" + at
	}
	a.say("  ota%s status", at)
}

// shellWord is a word as a shell reads it back.
func shellWord(word string) string {
	isPlain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-~:\\", r)
	}
	if strings.IndexFunc(word, func(r rune) bool { return !isPlain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
