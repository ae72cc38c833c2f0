package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"ota/internal/kit/command"
	"ota/internal/kit/escape"
	"ota/internal/kit/owner"
	"ota/internal/reason"
)

// Command is the user's own check: it is run in a private copy of the candidate
// and says with its exit code whether that may become a release.
type Command struct {
	Argv  []string // Argv[0] is a path, below the copy if it is not absolute
	Env   []string // the whole environment
	Shown string   // what the user calls it: the words of [check] command
	Limit time.Duration
	As    *owner.Owner // who runs it
}

const (
	toldLines   = 10
	longestLine = 300
)

// Run runs the command in the folder dir. A code other than 0 holds the upload,
// with the last lines that it has written. That it can't be run, or takes too
// long, says nothing of the upload and is a warning. The error is that of ctx.
func (c Command) Run(ctx context.Context, dir string, started func(pid int)) (held, warnings []reason.Reason, err error) {
	limited, cancel := context.WithTimeout(ctx, c.Limit)
	defer cancel()
	last := command.Tail{Lines: toldLines, Longest: longestLine}
	path := c.Argv[0]
	if !strings.ContainsRune(path, os.PathSeparator) {
		path = "./" + path
	}
	shown := func() []string { return named(last.Kept(), dir) }
	cmd := &exec.Cmd{Path: path, Args: c.Argv, Dir: dir, Env: c.Env}
	c.As.Dress(cmd)
	code, err := command.Run(limited, cmd, &last, started)
	switch {
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return nil, c.tell(fmt.Sprintf("%s gave no answer within %s", c.Shown, c.Limit), shown()), nil
	case err != nil:
		return nil, c.tell(fmt.Sprintf("%s can't be run: %v", c.Shown, err), nil), nil
	case code != 0:
		return c.tell(fmt.Sprintf("%s ended with exit code %d", c.Shown, code), shown()), nil, nil
	}
	return nil, nil, nil
}

// named are lines that call the files of the copy as their owner does.
func named(lines []string, copy string) []string {
	var changed []string
	for _, line := range lines {
		changed = append(changed, strings.ReplaceAll(line, copy+string(os.PathSeparator), ""))
	}
	return changed
}

// tell is one reason for all, and one for each line.
func (c Command) tell(message string, lines []string) []reason.Reason {
	told := []reason.Reason{{Message: "[check] command: " + message}}
	for _, line := range lines {
		told = append(told, reason.Reason{Message: "  " + string(escape.Line(nil, []byte(line)))})
	}
	return told
}
