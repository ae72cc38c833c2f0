package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"ota/internal/api"
	"ota/internal/logs"
)

func (a *app) logsCommand() *cobra.Command {
	var (
		lines  uint16
		follow bool
	)
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Show the last lines of the log",
		Long: `Show the last lines of the log: those of ota, and those of the program (MAIN its
stdout, MAIN! its stderr).

Where ota is not running it says so, and shows the end of the newest log file.`,
		Example: `  ota logs
  ota logs -n 500 | grep ERROR
  ota logs -f        go on until Ctrl-C, or until ota ends`,
		Args: noArguments,
	}
	cmd.Flags().Uint16VarP(&lines, "lines", "n", 50, "how `many` lines")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with the lines that come")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode {
		dir, err := a.folder()
		if err == nil {
			err = a.showLogs(ctx, dir, int(lines), follow)
		}
		if err != nil {
			return a.fail(fmt.Errorf("cannot show the log: %w", err))
		}
		return done
	})
	return cmd
}

func (a *app) showLogs(ctx context.Context, dir string, n int, follow bool) error {
	ask := (*api.Client).Tail
	if follow {
		ask = (*api.Client).Follow
	}
	err := ask(api.Dial(dir), ctx, n, a.logLine)
	switch {
	case isNotRunning(err):
		return a.showFile(dir, n)
	case err == nil && follow:
		a.tell("has ended in %s", dir)
	}
	return err
}

var logTones = map[logs.Source]tone{logs.Warning: notice, logs.Error: bad}

func (a *app) logLine(line logs.Line) error {
	line.Time = line.Time.Local()
	_, err := fmt.Fprintln(a.stdout, a.in(logTones[line.Source], harmless(line.String())))
	return err
}

func (a *app) showFile(dir string, n int) error {
	a.tell("not running in %s: this is what is on the disk", dir)
	lines, err := logs.ReadTail(filepath.Join(dir, "logs"), n)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, line := range lines {
		a.say("%s", line)
	}
	return nil
}
