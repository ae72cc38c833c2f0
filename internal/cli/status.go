package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ota/internal/agent"
	"ota/internal/api"
	"ota/internal/kit/amount"
)

func (a *app) statusCommand() *cobra.Command {
	var asJSON, watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what is going on",
		Long: `Say what is going on: what the program does, which release it is, and what is
in deposit/, with every reason why it stays there.

Where ota is not running it says so, and what is known from the disk.

With --watch it goes on until Ctrl-C: on a terminal what is shown is always as
it is now, elsewhere each change is shown below the one before.`,
		Example: `  ota status
  ota status --watch
  ota -C /home/pi/garden status
  ota status --json | jq .program.state`,
		Args: noArguments,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "show it again whenever it changes")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode {
		if watch {
			return a.watchStatus(ctx, asJSON)
		}
		return a.status(ctx, asJSON)
	})
	return cmd
}

func (a *app) status(ctx context.Context, asJSON bool) exitCode {
	status, err := a.askStatus(ctx)
	if err != nil {
		return a.fail(fmt.Errorf("cannot tell the status: %w", err))
	}
	if asJSON {
		return a.json(status)
	}
	for _, row := range describe(status, time.Now()) {
		a.row(row)
	}
	return done
}

func (a *app) askStatus(ctx context.Context) (api.Status, error) {
	dir, err := a.folder()
	if err != nil {
		return api.Status{}, err
	}
	status, err := api.Dial(dir).Status(ctx)
	if isNotRunning(err) {
		return agent.OfflineStatus(dir, version())
	}
	return status, err
}

// row is a line of the status: what it is about, a word that may be coloured,
// and the rest.
type row struct {
	subject string
	tone    tone
	word    string
	rest    string
}

func (a *app) row(r row) { fmt.Fprintln(a.stdout, a.rowText(r)) }

func (a *app) rowText(r row) string {
	word := a.in(r.tone, harmless(r.word))
	if r.subject == headline {
		return word + harmless(r.rest)
	}
	return fmt.Sprintf("  %-8s %s%s", r.subject, word, harmless(r.rest))
}

// headline is the subject of the row about ota itself.
const headline = "ota"

// describe says it all in a few lines.
func describe(status api.Status, now time.Time) []row {
	head := row{headline, plain, "ota " + status.Version, " is not running in " + status.Dir.String()}
	if status.Running {
		head.rest = " is running in " + status.Dir.String()
	}
	if status.PID != nil {
		head.rest += fmt.Sprintf(" (pid %d)", *status.PID)
	}
	rows := append([]row{head}, describeProgram(status.Program, now)...)
	rows = append(rows, describeRelease(status.Release))
	rows = append(rows, describeDeposit(status.Deposit)...)
	rows = append(rows, describePage(status.Web)...)
	rows = append(rows, describeBroker(status.MQTT)...)
	return append(rows, describeSource(status.Source)...)
}

func describeProgram(program api.Program, now time.Time) []row {
	about := row{subject: "program", word: string(program.State)}
	last := ""
	if exit := program.LastExit; exit != nil {
		last = fmt.Sprintf("%s, %s ago", exit.String(), age(exit.At, now))
	}
	switch program.State {
	case api.Running:
		about.tone = good
		if program.Started != nil {
			about.rest = " for " + age(*program.Started, now)
		}
		if program.PID != nil {
			about.rest += fmt.Sprintf(" (pid %d)", *program.PID)
		}
		if program.Phase != nil && *program.Phase != "ready" {
			about.rest += ", " + *program.Phase
		}
	case api.Finished:
		about.rest, last = because(last), ""
	case api.Backoff:
		about.tone, about.word = bad, "failed"
		about.rest, last = because(last)+"; it is started again after a pause", ""
	case api.Equipping:
		about.tone, about.rest, last = notice, ": its environment is made, then it is started", ""
		if program.Doing != nil {
			about.rest += ": " + *program.Doing
		}
	case api.Stopped:
		about.tone, about.rest = notice, " on request"
	case api.Waiting:
		about.tone, about.rest = notice, " for the first upload: put your program into deposit/"
	default:
		return nil
	}
	rows := []row{about}
	if program.Notice != nil {
		rows = append(rows, row{tone: notice, word: "notice", rest: ": " + *program.Notice})
	}
	if program.StatusText != nil {
		rows = append(rows, row{rest: "it says: " + *program.StatusText})
	}
	if last != "" && program.Restarts > 0 { // a stop for an update is no news
		rows = append(rows, row{rest: "ended before: " + last})
	}
	if program.Restarts > 0 {
		rows = append(rows, row{rest: "started again after a crash: " + amount.Count(program.Restarts, "time", "times")})
	}
	if program.CrashLooping {
		rows = append(rows, row{tone: bad, word: "it crashes again and again", rest: `: put a corrected file into deposit/, or go back with "ota rollback"`})
	}
	return rows
}

// because is a colon and the reason, if there is one.
func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func describeRelease(release *api.Release) row {
	if release == nil {
		return row{subject: "release", word: "none yet"}
	}
	about := row{"release", plain, strings.TrimSpace(fmt.Sprint(release.Number, " ", release.Packed.Name())), ", " + string(release.State)}
	switch release.State {
	case api.Confirmed:
		about.tone = good
	case api.Trial:
		about.tone, about.rest = notice, ", on trial"
	}
	if release.Pinned {
		about.rest += ", pinned"
	}
	return about
}

func describeDeposit(deposit api.Deposit) []row {
	about := row{subject: "deposit", word: string(deposit.State)}
	switch deposit.State {
	case api.Held:
		about.tone = bad
	case api.Receiving, api.Checking, api.Deferred, api.Switching:
		about.tone = notice
	case "":
		return nil // ota is not running: nobody looks
	}
	if deposit.Files > 0 {
		about.rest = fmt.Sprintf(": %s, %s", amount.Count(deposit.Files, "file", "files"), amount.Size(deposit.Bytes))
	}
	rows := []row{about}
	if deposit.Doing != nil {
		rows[0].rest += "; " + *deposit.Doing
	}
	for _, reason := range deposit.Reasons {
		for _, line := range reason.Lines() {
			rows = append(rows, row{rest: line})
		}
	}
	return rows
}

// describePage says where the page is; of one that is off there is nothing to
// say.
func describePage(web api.Web) []row {
	var rows []row
	if web.Address != nil {
		rows = append(rows, row{word: *web.Address})
	}
	if web.Problem != nil {
		rows = append(rows, row{tone: bad, word: "not as it should be", rest: ": " + *web.Problem})
	}
	if web.Fingerprint != nil {
		rows = append(rows, row{rest: "SHA-256 of its certificate: " + *web.Fingerprint})
	}
	if web.Announced != nil {
		rows = append(rows, row{rest: "announced in the network as " + *web.Announced})
	}
	if len(rows) > 0 {
		rows[0].subject = "page"
	}
	return rows
}

// describeBroker says whether the broker listens, if there is one.
// describeSource says nothing of a place where all is well.
func describeSource(source *api.Source) []row {
	if source == nil || source.Problem == nil {
		return nil
	}
	word := "not taken"
	if !source.Reached {
		word = "not fetched"
	}
	return []row{{subject: "source", tone: notice, word: word, rest: ": " + source.From + ": " + *source.Problem}}
}

func describeBroker(mqtt *api.MQTT) []row {
	if mqtt == nil {
		return nil
	}
	about := row{subject: "mqtt", tone: notice, word: string(mqtt.State), rest: ": " + mqtt.Broker}
	switch mqtt.State {
	case api.Connected:
		about.tone = good
	case api.Disconnected:
		about.tone = bad
	}
	if mqtt.Problem != nil {
		about.rest += ": " + *mqtt.Problem
	}
	return []row{about}
}
