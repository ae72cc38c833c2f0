package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"ota/internal/agent"
	"ota/internal/api"
)

// watchStatus shows the status again whenever it has changed, until Ctrl-C: in
// place on a terminal, one block after the other elsewhere.
func (a *app) watchStatus(ctx context.Context, asJSON bool) exitCode {
	dir, err := a.folder()
	if err == nil {
		ctx, release := untilInterrupted(ctx)
		defer release()
		if canRedraw(a.stdout) && !asJSON {
			err = a.watchInPlace(ctx, dir)
		} else {
			err = a.watchBlocks(ctx, dir, asJSON)
		}
	}
	if err != nil {
		return a.fail(fmt.Errorf("cannot watch the status: %w", err))
	}
	return done
}

// canRedraw reports whether there is a terminal that can be written over.
func canRedraw(to any) bool {
	file, ok := to.(*os.File)
	return ok && isTerminal(file) && os.Getenv("TERM") != "dumb"
}

// statusOf reads an event that tells how things stand; ok is false for others.
func statusOf(event api.Event, dir string) (status api.Status, ok bool, err error) {
	switch event.Kind {
	case api.EventStatus:
		err = json.Unmarshal(event.Data, &status)
	case api.EventGone:
		status, err = agent.OfflineStatus(dir, version())
	default:
		return status, false, nil
	}
	return status, true, err
}

func (a *app) watchBlocks(ctx context.Context, dir string, asJSON bool) error {
	first := true
	return api.Dial(dir).Events(ctx, api.NoLog, func(event api.Event) error {
		status, ok, err := statusOf(event, dir)
		if err != nil || !ok {
			return err
		}
		if asJSON {
			return a.jsonLine(status)
		}
		var block bytes.Buffer
		if !first {
			block.WriteByte('\n')
		}
		first = false
		for _, row := range describe(status, time.Now()) {
			block.WriteString(a.rowText(row) + "\n")
		}
		_, err = a.stdout.Write(block.Bytes())
		return err
	})
}

// watchInPlace draws on a screen of its own and leaves the last status behind.
func (a *app) watchInPlace(ctx context.Context, dir string) error {
	file := a.stdout.(*os.File)
	ctx, stop := context.WithCancel(ctx)
	events, ended := make(chan api.Event), make(chan error, 1)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer stop()
	asking.Go(func() {
		ended <- api.Dial(dir).Events(ctx, api.NoLog, func(event api.Event) error {
			select {
			case events <- event:
			case <-ctx.Done():
			}
			return nil
		})
	})
	resized, stopResizing := resizes()
	defer stopResizing()

	screen := &screen{to: file}
	var rows []string
	defer func() {
		screen.leave()
		for _, row := range rows {
			fmt.Fprintln(file, row)
		}
	}()
	var shown api.Status
	for {
		select {
		case event := <-events:
			// The facts of the device come now and then: how long ago something
			// was is right again.
			if status, ok, err := statusOf(event, dir); err != nil {
				return err
			} else if ok {
				shown = status
			}
		case <-resized:
		case err := <-ended:
			return err
		}
		if shown.Version == "" {
			continue
		}
		rows = rows[:0]
		for _, row := range describe(shown, time.Now()) {
			rows = append(rows, a.rowText(row))
		}
		width, height, err := term.GetSize(int(file.Fd()))
		if err != nil {
			return fmt.Errorf("cannot tell the size of the terminal: %w", err)
		}
		if err := screen.draw(rows, width, height); err != nil {
			return err
		}
	}
}
