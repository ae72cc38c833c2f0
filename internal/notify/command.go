package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"ota/internal/kit/command"
	"ota/internal/kit/hint"
)

// Command runs a command for each message.
type Command struct {
	// make makes the command ready, but for what it is told.
	make func() (*exec.Cmd, error)
}

// NewCommand remembers how the command is made ready: with its path, its folder,
// its user and the environment that it would have anyway.
func NewCommand(make func() (*exec.Cmd, error)) *Command { return &Command{make} }

// Bounds of a run.
const (
	runTime   = time.Minute
	runTries  = 3
	toldLines = 5
)

// Name is that of the setting.
func (c *Command) Name() string { return "command" }

// Send runs the command, with the message on its standard input. All that it has
// started ends with it.
func (c *Command) Send(ctx context.Context, message Message) Result {
	body, err := encode(message)
	if err != nil {
		return Result{Outcome: Refused, Why: err.Error()}
	}
	cmd, err := c.make()
	if err != nil {
		return Result{Outcome: Again, Most: runTries, Why: "the command can't be run: " + err.Error(), Hint: hint.Of(err)}
	}
	cmd.Env = append(cmd.Env, variables(message)...)
	cmd.Stdin = bytes.NewReader(body)
	ctx, cancel := context.WithTimeout(ctx, runTime)
	defer cancel()
	last := command.Tail{Lines: toldLines, Longest: longestLine}
	code, err := command.Run(ctx, cmd, &last, nil)
	said := plain(strings.Join(last.Kept(), "; "), longestText)
	result := Result{Outcome: Again, Most: runTries, Status: code, Known: err == nil, Said: said}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		result.Why = fmt.Sprintf("the command did not end within %s", runTime)
	case err != nil:
		result.Why = "the command can't be run: " + err.Error()
	case code != 0:
		result.Why = fmt.Sprintf("the command ended with exit code %d", code)
	default:
		return Result{Outcome: Delivered, Known: true, Said: said}
	}
	return result
}

// variables are the commonest of a message, for a shell.
func variables(message Message) []string {
	of := func(n *int) string {
		if n == nil {
			return ""
		}
		return strconv.Itoa(*n)
	}
	why := ""
	if message.Reason != nil {
		why = *message.Reason
	}
	return []string{
		"OTA_EVENT=" + string(message.Event), "OTA_MESSAGE=" + message.Message, "OTA_DEVICE=" + message.Device,
		"OTA_RELEASE=" + of(message.Release), "OTA_FROM=" + of(message.From), "OTA_REASON=" + why, "OTA_ID=" + message.ID,
	}
}
