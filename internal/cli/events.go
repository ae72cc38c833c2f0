package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ota/internal/api"
	"ota/internal/logs"
)

func (a *app) eventsCommand() *cobra.Command {
	var asJSON, withLog bool
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Tell what happens, while it does",
		Long: `Tell what happens, while it does, until Ctrl-C: a line for each change of the
program, the release in main/ and deposit/, beginning with how things stand.

It does not end with ota: it waits until one runs in the folder again.

With --json each event is an object on a line of its own: "event" says which,
"time" when it came here, "data" what it tells, as in docs/api.md. The event
"gone" says that ota is not there.`,
		Example: `  ota events
  ota events --log       the lines of the log, too
  ota events --json | jq 'select(.event == "status") | .data.program.state'`,
		Args: noArguments,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON, an event a line")
	cmd.Flags().BoolVar(&withLog, "log", false, "also the lines of the log that come")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode {
		show := (&teller{app: a}).event
		if asJSON {
			show = a.jsonEvent
		}
		return a.events(ctx, withLog, show)
	})
	return cmd
}

func (a *app) events(ctx context.Context, withLog bool, show func(api.Event) error) exitCode {
	lines := api.NoLog
	if withLog {
		lines = 0
	}
	dir, err := a.folder()
	if err == nil {
		ctx, release := untilInterrupted(ctx)
		defer release()
		err = api.Dial(dir).Events(ctx, lines, show)
	}
	if err != nil {
		return a.fail(fmt.Errorf("cannot tell what happens: %w", err))
	}
	return done
}

// untilInterrupted returns a context that ends when a person has seen enough.
func untilInterrupted(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
}

// happened is an event as programs read it.
type happened struct {
	Event api.EventKind   `json:"event"`
	ID    *string         `json:"id"` // nil: it is none of ota's
	Time  time.Time       `json:"time"`
	Data  json.RawMessage `json:"data"`
}

func (a *app) jsonEvent(event api.Event) error {
	one := happened{Event: event.Kind, Time: time.Now(), Data: event.Data}
	if event.ID != "" {
		one.ID = &event.ID
	}
	return a.jsonLine(one)
}

// jsonLine prints a result for programs on one line.
func (a *app) jsonLine(v any) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// teller tells events in words.
type teller struct {
	*app
	start string // of ota
	last  api.Status
}

func (t *teller) event(event api.Event) error {
	switch event.Kind {
	case api.EventGone:
		return t.line(line{notice, "ota is not there: waiting until it is"})
	case api.EventStarted:
		return t.started(event.Data)
	case api.EventStatus:
		var now api.Status
		if err := json.Unmarshal(event.Data, &now); err != nil {
			return fmt.Errorf("cannot read what ota says: %w", err)
		}
		changes := changesOf(t.last, now)
		t.last = now
		for _, one := range changes {
			if err := t.line(one); err != nil {
				return err
			}
		}
	case api.EventLog:
		var lines []logs.Line
		if err := json.Unmarshal(event.Data, &lines); err != nil {
			return fmt.Errorf("cannot read what ota says: %w", err)
		}
		for _, one := range lines {
			if err := t.logLine(one); err != nil {
				return err
			}
		}
	}
	return nil
}

// started tells of an ota that was not there before.
func (t *teller) started(data json.RawMessage) error {
	var start api.Start
	if err := json.Unmarshal(data, &start); err != nil {
		return fmt.Errorf("cannot read what ota says: %w", err)
	}
	text := "ota " + start.Version + " is running"
	switch {
	case t.start == start.Start:
		text = "ota is there again"
	case t.start != "":
		text = "ota " + start.Version + " was started"
	}
	t.start = start.Start
	return t.line(line{text: text})
}

func (t *teller) line(one line) error {
	_, err := fmt.Fprintln(t.stdout, time.Now().Format("[02/01/06 15:04:05] ")+t.in(one.tone, harmless(one.text)))
	return err
}
