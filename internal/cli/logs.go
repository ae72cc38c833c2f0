package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"ota/internal/api"
	"ota/internal/logs"
)

func (a *app) logsCommand() *cobra.Command {
	var (
		lines  uint16
		follow bool
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Show the last lines of the log",
		Long: `Show the last lines of the log: those of ota, and those of the program (MAIN its
stdout, MAIN! its stderr).

Where ota is not running it says so, and shows the end of the newest log file.

With --json each line is an object on a line of its own, with its "time", its
"source" (the word before the colon) and its "text".`,
		Example: `  ota logs
  ota logs -n 500 | grep ERROR
  ota logs -f        go on until Ctrl-C, or until ota ends
  ota logs -f --json | jq -r 'select(.source == "ERROR") | .text'`,
		Args: noArguments,
	}
	cmd.Flags().Uint16VarP(&lines, "lines", "n", 50, "how `many` lines")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with the lines that come")
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON, an object a line")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode {
		dir, err := a.folder()
		if err == nil {
			err = a.showLogs(ctx, dir, int(lines), follow, asJSON)
		}
		if err != nil {
			return a.fail(fmt.Errorf("cannot show the log: %w", err))
		}
		return done
	})
	return cmd
}

func (a *app) showLogs(ctx context.Context, dir string, n int, follow, asJSON bool) error {
	ask := (*api.Client).Tail
	if follow {
		ask = (*api.Client).Follow
	}
	show := a.logLine
	if asJSON {
		show = a.jsonLogLine
	}
	err := ask(api.Dial(dir), ctx, n, show)
	switch {
	case isNotRunning(err):
		return a.showFile(dir, n, show)
	case err == nil && follow:
		a.tell("has ended in %s", dir)
	}
	return err
}

var logTones = map[logs.Source]tone{logs.Warning: notice, logs.Error: bad}

func (a *app) logLine(line logs.Line) error {
	if line.Source == "" { // written by another program
		a.say("%s", line.Text)
		return nil
	}
	line.Time = line.Time.Local()
	_, err := fmt.Fprintln(a.stdout, a.in(logTones[line.Source], harmless(line.String())))
	return err
}

// jsonLogLine prints a line for programs. Its number says nothing beyond one
// start of ota, and is left out.
func (a *app) jsonLogLine(line logs.Line) error {
	one := struct {
		Time   *time.Time   `json:"time"`   // nil: not known
		Source *logs.Source `json:"source"` // nil: likewise
		Text   string       `json:"text"`
	}{Text: line.Text}
	if line.Source != "" {
		one.Time, one.Source = &line.Time, &line.Source
	}
	return a.jsonLine(one)
}

func (a *app) showFile(dir string, n int, show func(logs.Line) error) error {
	a.tell("not running in %s: this is what is on the disk", dir)
	lines, err := logs.ReadTail(filepath.Join(dir, "logs"), n)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, line := range lines {
		one, ok := logs.Parse(line)
		if !ok {
			one = logs.Line{Text: line}
		}
		if err := show(one); err != nil {
			return err
		}
	}
	return nil
}
