package page

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"ota/internal/api"
	"ota/internal/kit/amount"
)

// tone is what a state means to its owner. It is never told by colour alone.
type tone string

const (
	plain  tone = "plain"
	good   tone = "good"
	notice tone = "notice" // something goes on, or somebody should know
	bad    tone = "bad"    // somebody should do something
)

// state is how something is: a word, and the rest of the sentence.
type state struct {
	tone tone
	word string
	rest string
}

func wordsOfProgram(program api.Program, now time.Time) state {
	last := ""
	if program.LastExit != nil {
		last = program.LastExit.String() + ", " + age(program.LastExit.At, now) + " ago"
	}
	switch program.State {
	case api.Running:
		s := state{good, "Running", ""}
		if program.CrashLooping {
			s.tone = bad
		}
		if program.Started != nil {
			s.rest = "for " + age(*program.Started, now)
		}
		if program.Phase != nil && *program.Phase != "ready" {
			s.rest = join(", ", s.rest, *program.Phase)
		}
		return s
	case api.Finished:
		return state{plain, "Finished", last}
	case api.Backoff:
		return state{bad, "Failed", join("; ", last, "it is started again after a pause")}
	case api.Equipping:
		return state{notice, "Getting ready", "its environment is made, then it is started"}
	case api.Stopped:
		return state{notice, "Stopped", "on request"}
	case api.Waiting:
		return state{notice, "Waiting", "for the first upload"}
	}
	return state{plain, "Not known", "nobody looks after the program"}
}

func wordsOfRelease(s api.ReleaseState) state {
	switch s {
	case api.Confirmed:
		return state{good, "confirmed", "it proved itself"}
	case api.Trial:
		return state{notice, "on trial", "it has not yet proved itself"}
	case api.RolledBack:
		return state{bad, "rolled back", ""}
	}
	return state{plain, string(s), ""}
}

func wordsOfDeposit(deposit api.Deposit) state {
	much := ""
	if deposit.Files > 0 {
		much = amount.Count(deposit.Files, "file", "files") + ", " + amount.Size(deposit.Bytes)
	}
	switch deposit.State {
	case api.Empty:
		if deposit.Arriving != nil {
			return state{notice, "Uploading", wordsOfProgress(*deposit.Arriving)}
		}
		return state{plain, "Empty", "what is put here becomes the next release"}
	case api.Receiving:
		return state{notice, "Receiving", much}
	case api.Checking:
		return state{notice, "Checking", much}
	case api.Held:
		return state{bad, "Held", much}
	case api.Deferred:
		return state{notice, "Ready, and waiting", much}
	case api.Switching:
		return state{notice, "Switching", much}
	}
	return state{plain, "Not known", "nobody looks at deposit/"}
}

func wordsOfProgress(progress api.Progress) string {
	words := amount.Size(progress.Received)
	if progress.Bytes > 0 {
		words = strconv.FormatInt(100*progress.Received/progress.Bytes, 10) + " %, " + words + " of " + amount.Size(progress.Bytes)
	}
	return words + ", " + strconv.Itoa(progress.Done) + " of " + amount.Count(progress.Files, "file", "files")
}

// adviceOnDeposit says what to do, or what will happen.
func adviceOnDeposit(s api.DepositState) string {
	switch s {
	case api.Receiving:
		return "It is used as soon as it is complete. What it waits for:"
	case api.Held:
		return "This upload is not used; the program runs on without it. Upload a corrected file: it is laid over what is here."
	case api.Deferred:
		return "All checks have passed. What it waits for:"
	case api.Checking:
		return "The program runs on until all checks have passed."
	}
	return ""
}

// join joins what is not empty.
func join(between string, texts ...string) string {
	var parts []string
	for _, text := range texts {
		if text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, between)
}

// age is how long ago something was, in the one unit that matters.
func age(then, now time.Time) string {
	d := now.Sub(then)
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	default:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
}

// momentText leaves out the year as long as it is this one.
func momentText(at, now time.Time) string {
	at, now = at.Local(), now.Local()
	if at.Year() == now.Year() {
		return at.Format("2 Jan, 15:04")
	}
	return at.Format("2 Jan 2006, 15:04")
}

// number writes a coordinate with a tenth, and none where it is zero, like the
// modules do.
func number(value float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0")
}
