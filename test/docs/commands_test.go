package docs

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"ota/internal/cli"
	"ota/internal/site"
)

// said finds a call of ota in a line, whatever it is called as.
var said = regexp.MustCompile(`(?:^|[;|&(] ?|\$ |sudo |exec |> )(?:\./|/usr/local/bin/)?ota(?:-linux-\w+)? ([^;|&)#>]+)`)

// ends is where an explanation or a further command begins.
var ends = regexp.MustCompile(`\s{2,}|, `)

// calls finds the commands in a block or in code within a sentence.
func calls(text string) (found []string) {
	for line := range strings.Lines(text) {
		for _, one := range said.FindAllStringSubmatch(line, -1) {
			command := ends.Split(strings.TrimRight(one[1], "\n"), 2)[0]
			found = append(found, strings.TrimRight(command, `",`))
		}
	}
	return found
}

// isSentence finds what ota prints, or what is said of it, and begins as a command
// does.
var isSentence = regexp.MustCompile(`^(…|\d|[A-Z]|(is|in|keeps|can't|has|ended|may|does|runs) )`)

// wrongCommand says what is wrong with a call, as ota itself would.
func wrongCommand(call string) string {
	words := strings.Fields(call)
	if before, _, ok := strings.Cut(call, " -- "); ok {
		words = strings.Fields(before)
	}
	root := cli.Commands()
	cmd, rest, err := root.Find(words)
	if err != nil {
		return err.Error()
	}
	if cmd == root && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return fmt.Sprintf("there is no command %q", rest[0])
	}
	if err := cmd.ParseFlags(rest); err != nil {
		if !strings.Contains(err.Error(), "invalid argument") { // a word in capitals for a number
			return err.Error()
		}
		return ""
	}
	if arguments := cmd.Flags().Args(); !strings.Contains(call, "…") && cmd.Args != nil && cmd.Name() != "busy" {
		if err := cmd.Args(cmd, arguments); err != nil {
			return err.Error()
		}
	}
	return ""
}

// TestCommands: each call of ota in the docs is one that ota understands.
func TestCommands(t *testing.T) {
	n := 0
	look := func(where string, line int, text string, blocks bool) {
		for _, call := range calls(text) {
			if isSentence.MatchString(call) {
				continue
			}
			n++
			// In a sentence a command may be named without what it needs.
			if why := wrongCommand(call); why != "" && (blocks || wrongCommand(call+" …") != "") {
				t.Errorf("%s:%d: ota %s: %s", where, line, call, why)
			}
		}
	}
	for _, page := range pages(t) {
		for _, block := range page.Blocks {
			if block.Fenced && kind(block) != "console" && kind(block) != "sh" {
				continue
			}
			for i, line := range strings.Split(block.Text, "\n") {
				if _, isCommand := strings.CutPrefix(line, "$ "); kind(block) == "console" && !isCommand {
					continue
				}
				look(page.Name, block.Line+i, line, true)
			}
		}
		for _, code := range page.Codes {
			look(page.Name, code.Line, code.Text, false)
		}
	}
	if n < 120 {
		t.Errorf("only %d commands were found", n)
	}
	t.Logf("%d commands", n)
}

// TestWrongCommandsAreFound, and right ones are not.
func TestWrongCommandsAreFound(t *testing.T) {
	for text, want := range map[string]bool{
		"ota status --json | jq .x": true, "ota statsu": false, "ota status --jsn": false,
		"$ sudo ./ota-linux-armv6 install /home/pi/garden": true, "sudo ota instal /x": false,
		"touch a; ota rollback 3 --no-trial": true, "ota rollback 3 4": false, "ota logs -n N": true,
		"ota busy -- python3 --anything": true, "ota web token --name ci --allow read": true, "ota web tokn": false,
		"ota -C /home/pi/garden status      what is going on": true, "ota stop, start, restart": true,
	} {
		found := calls(text)
		if len(found) != 1 {
			t.Errorf("%q has the calls %q", text, found)
			continue
		}
		if why := wrongCommand(found[0]); (why == "") != want {
			t.Errorf("%q: %q", text, why)
		}
	}
}

// TestCommandsAreNamed: the README has each command.
func TestCommandsAreNamed(t *testing.T) {
	var all strings.Builder
	for _, page := range pages(t) {
		for _, block := range page.Blocks {
			all.WriteString(block.Text)
		}
		for _, code := range page.Codes {
			all.WriteString(code.Text + "\n")
		}
	}
	for _, cmd := range cli.Commands().Commands() {
		if !cmd.Hidden && cmd.Name() != "help" && !regexp.MustCompile(`ota( -C \S+)? ([a-z]+( 3)?, )*`+cmd.Name()+`\b`).MatchString(all.String()) {
			t.Errorf("no page names %q", "ota "+cmd.Name())
		}
	}
}

// script is what of a block a shell is to understand.
func script(block site.Block) string {
	switch {
	case kind(block) == "sh" || kind(block) == "bash":
		return block.Text
	case kind(block) == "console":
		var all strings.Builder
		for line := range strings.Lines(block.Text) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				all.WriteString(command)
			}
		}
		return all.String()
	case !block.Fenced && shell.MatchString(block.Text) && !strings.Contains(block.Text, "...") && !strings.Contains(block.Text, "    "):
		return block.Text
	}
	return ""
}

// shell matches indented blocks that are for a shell, by their first word.
var shell = regexp.MustCompile(`^(#!/bin/sh|sudo|curl|touch|cp|ssh|drop=|offset=|OTA=|ota|pip|make|go) ?`)

// TestShell: a shell understands each command.
func TestShell(t *testing.T) {
	var all strings.Builder
	n := 0
	for _, page := range pages(t) {
		for _, block := range page.Blocks {
			if text := script(block); text != "" {
				n++
				fmt.Fprintf(&all, "# %s:%d\n%s\n", page.Name, block.Line, text)
				if output, err := understood(t.Context(), text); err != nil {
					t.Errorf("%s:%d: %v\n%s", page.Name, block.Line, err, output)
				}
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d blocks were found", n)
	}
	if _, err := understood(t.Context(), "if true; then\n"); err == nil {
		t.Error("anything is understood")
	}
	t.Logf("%d blocks", n)
}

func understood(ctx context.Context, text string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "bash", "-n")
	cmd.Stdin = strings.NewReader(text)
	return cmd.CombinedOutput()
}
