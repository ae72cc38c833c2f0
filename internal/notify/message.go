package notify

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"ota/internal/kit/amount"
	"ota/internal/kit/escape"
)

// Kind says what has happened.
type Kind string

// The kinds.
const (
	Failed       Kind = "failed"        // a release failed its trial
	RolledBack   Kind = "rolled-back"   // an earlier release is in main/ again
	CrashLooping Kind = "crash-looping" // the program crashes again and again
	Recovered    Kind = "recovered"     // it has run for a minute since
	Held         Kind = "held"          // an upload is held
	Confirmed    Kind = "confirmed"     // a release has proved itself
)

// Happening is what has happened, by itself.
type Happening struct {
	Kind     Kind
	Release  int // that it is about; 0: none
	From     int // that was in main/ before it; 0: none
	Reason   string
	Evidence *Evidence
}

// Here is the device, as a message tells of it.
type Here struct {
	Device   string
	Folder   string
	ClockSet *bool // nil: not known
}

// Message is what a receiver gets.
type Message struct {
	ID       string    `json:"id"`    // the same at each try
	Event    Kind      `json:"event"` // what has happened
	Device   string    `json:"device"`
	Folder   string    `json:"folder"`
	Time     time.Time `json:"time"`      // by the clock of the device
	ClockSet *bool     `json:"clock_set"` // whether that was right; null: not known
	Release  *int      `json:"release"`   // that it is about; null: none
	From     *int      `json:"from"`      // that was in main/ before it; null: none
	Reason   *string   `json:"reason"`    // null: there is none
	Evidence *Evidence `json:"evidence"`  // null: there is none
	Message  string    `json:"message"`   // all of it in one sentence
	Missed   int       `json:"missed"`    // how many before it were never sent
	Test     bool      `json:"test"`      // sent by `ota notify`: nothing has happened
}

// Evidence is what was seen of the program, in short.
type Evidence struct {
	Code   *int     `json:"exit_code"` // null: ended by a signal, or not ended
	Signal *string  `json:"signal"`    // "SIGSEGV"; null: none
	Error  *string  `json:"error"`     // "ValueError: boom"; null: no traceback
	File   *string  `json:"file"`      // where that was
	Line   *int     `json:"line"`
	Output []string `json:"output"` // the last lines of the program
}

// Bounds of a message.
const (
	longestText   = 500 // characters
	longestLine   = 200
	evidenceLines = 5
)

// messageOf is a happening as it is told from here.
func messageOf(one Happening, here Here, now time.Time) Message {
	m := Message{
		Event: one.Kind, Device: plain(here.Device, longestLine), Folder: here.Folder, Time: now.Truncate(time.Second), ClockSet: here.ClockSet,
		Release: number(one.Release), From: number(one.From), Reason: text(plain(one.Reason, longestText)), Evidence: one.Evidence.short(),
	}
	if !utf8.ValidString(m.Folder) {
		m.Folder = escape.Name(m.Folder)
	}
	m.Message = plain(m.Device+": "+sentence(one), longestText)
	return m
}

// sentence says what has happened.
func sentence(one Happening) string {
	because := ""
	if one.Reason != "" {
		because = ": " + one.Reason
	}
	switch one.Kind {
	case Failed:
		return fmt.Sprintf("release %d failed", one.Release) + because
	case RolledBack:
		if one.From == 0 {
			return fmt.Sprintf("release %d is in main/ again", one.Release) + because
		}
		return fmt.Sprintf("release %d is in main/ again, instead of release %d", one.Release, one.From) + because
	case CrashLooping:
		return "the program crashes again and again" + because
	case Recovered:
		return "the program runs again: a minute without a crash"
	case Held:
		return "the upload in deposit/ is held" + because
	case Confirmed:
		return fmt.Sprintf("release %d is confirmed: it has proved itself", one.Release)
	}
	return string(one.Kind) + because
}

// having is the message with how many before it were lost on a way.
func (m Message) having(lost int) Message {
	if m.Missed += lost; m.Missed > 0 {
		m.Message += fmt.Sprintf(" (and %s before it)", amount.Count(m.Missed, "more message", "more messages"))
	}
	return m
}

// short is the evidence within its bounds.
func (e *Evidence) short() *Evidence {
	if e == nil {
		return nil
	}
	short := *e
	if e.Error != nil {
		short.Error = text(plain(*e.Error, longestLine))
	}
	if e.File != nil {
		short.File = text(plain(*e.File, longestLine))
	}
	short.Output = []string{}
	for _, line := range e.Output[max(0, len(e.Output)-evidenceLines):] {
		short.Output = append(short.Output, plain(line, longestLine))
	}
	return &short
}

// plain is a text on one line, harmless and not too long.
func plain(text string, longest int) string {
	text = string(escape.Line(nil, []byte(strings.TrimSpace(text))))
	if utf8.RuneCountInString(text) <= longest {
		return text
	}
	return string([]rune(text)[:longest-1]) + "…"
}

func number(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

func text(of string) *string {
	if of == "" {
		return nil
	}
	return &of
}

// TestMessage is one about nothing, to try the ways with.
func TestMessage(kind Kind, here Here, id string) Message {
	one := Happening{Kind: kind, Release: 7, From: 6, Reason: "exit code 1, failed twice during its trial"}
	switch kind {
	case Failed, CrashLooping:
		one.Evidence = &Evidence{Code: new(1), Error: new("ValueError: boom"), File: new("main.py"), Line: new(12), Output: []string{"ValueError: boom"}}
	case RolledBack:
		one.Release, one.From = 6, 7
	case Held:
		one.Release, one.From, one.Reason = 0, 0, "main.py:12: SyntaxError: '(' was never closed"
	default:
		one.Reason = ""
	}
	if kind == CrashLooping {
		one.From, one.Reason = 0, "exit code 1"
	}
	if kind == Recovered {
		one.From = 0
	}
	m := messageOf(one, here, time.Now())
	m.ID, m.Test, m.Message = id, true, "a test: "+m.Message
	return m
}
