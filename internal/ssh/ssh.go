// Package ssh runs commands on another machine over the system's ssh, with its
// config, keys, agent and jump hosts, as git and rsync do.
//
// In: a target, as a person writes it, and a command. Out: the command's own
// input, output and exit code; what ssh itself asks and says goes to the
// terminal untouched. Never: a password, a look into a prompt, a change of
// ssh's settings.
package ssh

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"strings"

	"ota/internal/kit/hint"
)

// Options say how ssh is called.
type Options struct {
	// Batch has ssh fail where it would ask: nobody is there.
	Batch bool
	// Terminal gives the command a terminal, so that it can ask.
	Terminal bool
	// ControlPath is the socket of a connection that is open already; empty: none.
	ControlPath string
}

// Failed is the exit code of ssh when it, and not the command, has failed.
const Failed = 255

// Find returns the path of ssh, or an error that says what to install.
func Find() (string, error) {
	path, err := exec.LookPath("ssh")
	if err != nil {
		return "", hint.With(errors.New("there is no ssh on this computer"), howToInstall)
	}
	return path, nil
}

// Command returns the call of ssh that runs argv on the target, where it starts
// in the user's home. Each argument arrives there as it is, whatever shell the
// user has. Its input and output are the command's. If there is no ssh,
// starting it fails with that.
func (t Target) Command(ctx context.Context, argv ...string) *exec.Cmd {
	return t.CommandWith(ctx, Options{}, argv...)
}

// CommandWith is Command with options.
func (t Target) CommandWith(ctx context.Context, options Options, argv ...string) *exec.Cmd {
	path, err := Find()
	if err != nil {
		path = "ssh"
	}
	cmd := exec.CommandContext(ctx, path, append(t.arguments(options), Quote(argv...))...)
	if err != nil {
		cmd.Err = err
	}
	return cmd
}

// arguments are those up to the host.
func (t Target) arguments(options Options) []string {
	// A device that is gone is noticed after a minute, and not never. What the
	// config says of forwarding and commands is for logins.
	args := []string{"-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4",
		"-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none", "-o", "ControlPersist=no"}
	if options.Batch {
		args = append(args, "-o", "BatchMode=yes")
	}
	if options.ControlPath != "" {
		args = append(args, "-o", "ControlPath="+options.ControlPath)
	}
	if options.Terminal {
		// Else it ends with a line about the connection that is closed.
		args = append(args, "-t", "-o", "LogLevel=ERROR")
	} else {
		args = append(args, "-T")
	}
	if t.Port != 0 {
		args = append(args, "-p", strconv.Itoa(t.Port))
	}
	return append(args, "--", t.Login())
}

// Quote writes a command so that a shell reads back these words: sh, and also
// fish and csh, which take a backslash within quotes for something else.
func Quote(argv ...string) string {
	var text strings.Builder
	for i, word := range argv {
		if i > 0 {
			text.WriteByte(' ')
		}
		quoteWord(&text, word)
	}
	return text.String()
}

func quoteWord(text *strings.Builder, word string) {
	if word == "" {
		text.WriteString("''")
		return
	}
	if !strings.ContainsFunc(word, isSpecial) {
		text.WriteString(word)
		return
	}
	isOpen := false
	for i := range len(word) {
		isMark := word[i] == '\'' || word[i] == '\\'
		if isMark == isOpen {
			text.WriteByte('\'')
			isOpen = !isOpen
		}
		if isMark {
			text.WriteByte('\\')
		}
		text.WriteByte(word[i])
	}
	if isOpen {
		text.WriteByte('\'')
	}
}

// isSpecial is true for what any shell might take for something else.
func isSpecial(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/._-+,:@", r)
}
