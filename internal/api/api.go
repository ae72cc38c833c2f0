// Package api is the face that other programs see: HTTP and JSON over the
// control socket .ota/control.sock, and the client that the command line uses.
//
// In: requests of the folder's owner, and of root. Out: what the agent says of
// itself, as JSON; what it was told to do, done. Never: a decision; a room; a
// request of anybody else.
//
// What went wrong is told as problem details (RFC 9457). In JSON, times are
// RFC 3339 and what is absent is null.
package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"ota/internal/kit/escape"
	"ota/internal/reason"
)

// Status is what `ota status --json` prints.
type Status struct {
	Running bool     `json:"running"` // whether `ota run` is
	PID     *int     `json:"pid"`     // of `ota run`; nil: not running
	Version string   `json:"version"`
	Dir     Path     `json:"dir"` // absolute
	Program Program  `json:"program"`
	Release *Release `json:"release"` // in main/; nil: none
	Deposit Deposit  `json:"deposit"`
	Web     Web      `json:"web"`
	MQTT    *MQTT    `json:"mqtt"`    // nil: no broker is told anything
	Source  *Source  `json:"source"`  // nil: releases are fetched from nowhere
	History int      `json:"history"` // grows when what History returns has changed
}

// MQTT is how things stand with the broker.
type MQTT struct {
	Broker  string    `json:"broker"` // "mqtt://host:1883"
	State   MQTTState `json:"state"`
	Problem *string   `json:"problem"` // why it is not connected; nil: it is, or that is not known yet
}

// MQTTState is whether the broker listens.
type MQTTState string

// The states of the connection.
const (
	Connecting   MQTTState = "connecting" // for the first time
	Connected    MQTTState = "connected"
	Disconnected MQTTState = "disconnected" // it is tried again
)

// Source is how things stand with the place that releases are fetched from.
type Source struct {
	From    string  `json:"from"`    // its address
	Reached bool    `json:"reached"` // at the last look; before the first it counts as reached
	Problem *string `json:"problem"` // why not, or why what is there is not taken; nil: neither
}

// ProgramState is what the program does. The empty state is null in JSON:
// nobody looks after the program, so nobody knows.
type ProgramState string

// The states of the program.
const (
	Running   ProgramState = "running"
	Finished  ProgramState = "finished"  // ended by itself with exit code 0
	Backoff   ProgramState = "backoff"   // failed, and is started again after a pause
	Equipping ProgramState = "equipping" // its environment is made; then it is started
	Stopped   ProgramState = "stopped"   // on request
	Waiting   ProgramState = "waiting"   // there is no program yet
)

// MarshalJSON writes the empty state as null.
func (s ProgramState) MarshalJSON() ([]byte, error) { return nullIfEmpty(string(s)) }

// Program is what is known of the program in main/.
type Program struct {
	State    ProgramState `json:"state"`
	PID      *int         `json:"pid"`       // nil: no process
	Started  *time.Time   `json:"started"`   // of that process
	Restarts int          `json:"restarts"`  // after a crash, since the release was switched in
	LastExit *Exit        `json:"last_exit"` // nil: it has not ended yet
	// CrashLooping: it crashed five times in a row after it was confirmed. It
	// is started again all the same.
	CrashLooping bool `json:"crash_looping"`
	// Phase is what the program says of itself: "ready", "reloading" or
	// "stopping"; nil: nothing. StatusText is the rest of it, in its own words.
	Phase      *string `json:"phase"`
	StatusText *string `json:"status_text"`
	// Doing is what takes its time before a start, as in "installing numpy (2 of
	// 5)"; nil: nothing.
	Doing *string `json:"doing"`
	// Notice is what its owner should know of how it runs, as when the system's
	// Python was replaced under its environment; nil: nothing.
	Notice *string `json:"notice"`
}

// Exit is how the program ended: by an exit code or by a signal.
type Exit struct {
	Code   *int      `json:"code"`   // nil: ended by a signal
	Signal *string   `json:"signal"` // "SIGSEGV"; nil: ended by itself
	Cause  *string   `json:"cause"`  // why, where that does not tell: "watchdog", "out of memory"; nil: it tells
	At     time.Time `json:"at"`
}

// String is the end in words: "exit code 1", "killed by SIGKILL (out of memory)".
func (e Exit) String() string {
	text := "ended"
	switch {
	case e.Signal != nil:
		text = "killed by " + *e.Signal
	case e.Code != nil:
		text = fmt.Sprintf("exit code %d", *e.Code)
	}
	if e.Cause != nil {
		text += " (" + *e.Cause + ")"
	}
	return text
}

// ReleaseState is how far a release has come.
type ReleaseState string

// The states of a release.
const (
	Adopted    ReleaseState = "adopted"     // was in main/ before the first `ota run`
	Trial      ReleaseState = "trial"       // runs and has not yet proved itself
	Confirmed  ReleaseState = "confirmed"   // proved itself
	Superseded ReleaseState = "superseded"  // another was laid over it before it had proved itself
	RolledBack ReleaseState = "rolled back" // failed its trial, or was taken back during it
)

// Release is the release in main/.
type Release struct {
	Number int          `json:"number"`
	Digest string       `json:"digest"` // "sha256:" and 64 hexadecimal digits
	State  ReleaseState `json:"state"`
	Pinned bool         `json:"pinned"` // never dropped
	Packed *Packed      `json:"packed"` // nil: it came without a manifest
}

// Packed is what a packed release says of itself; nil where a release came
// without a manifest.
type Packed struct {
	Version  *string      `json:"version"`
	Serial   int64        `json:"serial"`
	Message  *string      `json:"message"`
	SignedBy List[string] `json:"signed_by"` // the people whose signatures were right
}

// Name is how people call the release; "" if they don't.
func (p *Packed) Name() string {
	if p == nil || p.Version == nil {
		return ""
	}
	return *p.Version
}

// DepositState is what happens to deposit/. The empty state is null in JSON:
// nobody looks at deposit/.
type DepositState string

// The states of deposit/.
const (
	Empty     DepositState = "empty"
	Receiving DepositState = "receiving" // an upload is not complete yet
	Checking  DepositState = "checking"  // complete, and being judged
	Held      DepositState = "held"      // refused, with reasons
	Deferred  DepositState = "deferred"  // good, and waiting for its time
	Switching DepositState = "switching" // on its way into main/
)

// MarshalJSON writes the empty state as null.
func (s DepositState) MarshalJSON() ([]byte, error) { return nullIfEmpty(string(s)) }

// Deposit is the upload in deposit/.
type Deposit struct {
	State   DepositState `json:"state"`
	Files   int          `json:"files"`
	Bytes   int64        `json:"bytes"`
	Reasons List[Reason] `json:"reasons"` // what holds the upload, or what it waits for
	Doing   *string      `json:"doing"`   // what takes its time, as in "installing numpy (2 of 5)"; nil: nothing
	// Arriving is what comes through the page or the API and is not in deposit/
	// yet; nil: nothing.
	Arriving *Progress `json:"arriving"`
}

// Progress is how far something has come.
type Progress struct {
	Files    int   `json:"files"` // that have begun or are announced
	Done     int   `json:"done"`  // files that are whole
	Bytes    int64 `json:"bytes"`
	Received int64 `json:"received"`
}

// Reason is one thing that keeps an upload in deposit/.
type Reason struct {
	Path    *Path   `json:"path"`   // below deposit/; nil: it concerns no single file
	Line    *int    `json:"line"`   // from 1; nil: no line
	Column  *int    `json:"column"` // from 1, in characters of the line; nil: not known
	Source  *string `json:"source"` // the line itself; nil: not known
	Message string  `json:"message"`
	Hint    *string `json:"hint"` // what to do about it; nil: nothing is known
}

// Reasons makes the reasons of the rooms those of the API.
func Reasons(from []reason.Reason) List[Reason] {
	reasons := make(List[Reason], len(from))
	for i, one := range from {
		reasons[i].Message = one.Message
		if one.Path != "" {
			reasons[i].Path = new(Path(one.Path))
		}
		if one.Line != 0 {
			reasons[i].Line = new(one.Line)
		}
		if one.Column != 0 {
			reasons[i].Column = new(one.Column)
		}
		if one.Source != "" {
			reasons[i].Source = new(one.Source)
		}
		if one.Hint != "" {
			reasons[i].Hint = new(one.Hint)
		}
	}
	return reasons
}

// String is the reason as a person reads it: "main.py:3: message".
func (r Reason) String() string { return r.plain().String() }

// Lines is the reason with the line that it is about, and what to do.
func (r Reason) Lines() []string {
	one := r.plain()
	lines := []string{one.String()}
	for _, line := range one.Excerpt() {
		lines = append(lines, "    "+line)
	}
	if one.Hint != "" {
		lines = append(lines, "  "+one.Hint)
	}
	return lines
}

func (r Reason) plain() reason.Reason {
	text := func(of *string) string {
		if of == nil {
			return ""
		}
		return string(escape.Line(nil, []byte(*of)))
	}
	one := reason.Reason{Message: text(&r.Message), Hint: text(r.Hint)}
	if r.Path != nil {
		one.Path = string(*r.Path)
	}
	if r.Line != nil {
		one.Line = *r.Line
	}
	if r.Column != nil {
		one.Column = *r.Column
	}
	if r.Source != nil {
		one.Source = *r.Source
	}
	return one
}

// HistoryEntry is one release in what `ota history --json` prints.
type HistoryEntry struct {
	Number  int              `json:"number"`
	Digest  string           `json:"digest"`
	State   ReleaseState     `json:"state"`
	Current bool             `json:"current"` // it is in main/
	Pinned  bool             `json:"pinned"`  // never dropped
	From    *int             `json:"from"`    // the release it was laid over; nil: none
	Created time.Time        `json:"created"`
	Files   List[FileChange] `json:"files"`
	Bytes   *int64           `json:"bytes"`  // of the files that it brought; nil: not known
	Reason  *string          `json:"reason"` // why it was rolled back; nil: it was not
	// Environment names the environment that it runs with; nil: it needs none.
	Environment *string `json:"environment"`
	Packed      *Packed `json:"packed"` // nil: it came without a manifest
}

// ChangeKind is what a release did to a file.
type ChangeKind string

// What a release can do to a file.
const (
	Added    ChangeKind = "added"
	Replaced ChangeKind = "replaced"
	Removed  ChangeKind = "removed"
)

// FileChange is a file that a release changed.
type FileChange struct {
	Path   Path       `json:"path"` // below main/, slash-separated
	Change ChangeKind `json:"change"`
}

// Outcome is what became of `ota apply` and `ota retry`.
type Outcome string

// The outcomes.
const (
	Applied        Outcome = "applied"         // it is a release now
	NothingChanged Outcome = "nothing changed" // it was the same as main/
	NotTaken       Outcome = "held"            // the reasons say why
	Postponed      Outcome = "deferred"        // good; the reasons say what it waits for
	NothingThere   Outcome = "empty"           // deposit/ holds nothing to apply
	Busy           Outcome = "busy"            // another upload is being switched in
)

// ApplyResult is the answer to `ota apply` and `ota retry`.
type ApplyResult struct {
	Outcome Outcome      `json:"outcome"`
	Release *int         `json:"release"` // the new release; nil: none was made
	Reasons List[Reason] `json:"reasons"`
}

// Discarded is the answer to `ota discard`.
type Discarded struct {
	Files  int   `json:"files"`  // that were moved; 0: deposit/ was empty
	Folder *Path `json:"folder"` // where they are now, such as .ota/discarded/3; nil: nowhere
}

// Rollback says what to go back to.
type Rollback struct {
	Release int  // 0: the last one that was good before the current one
	NoTrial bool // it counts as confirmed at once
}

// WentBack is the answer to `ota rollback`.
type WentBack struct {
	Release int          `json:"release"` // in main/ now
	State   ReleaseState `json:"state"`
}

// Path is a file's path of any bytes. In JSON, which knows text only, one that
// is not UTF-8 has those bytes escaped as in Go's %q; it is for looking at and
// can't be turned back.
type Path string

// MarshalText writes the path.
func (p Path) MarshalText() ([]byte, error) {
	if utf8.ValidString(string(p)) {
		return []byte(p), nil
	}
	return []byte(escape.Name(string(p))), nil
}

// String is the path as a person reads it: nothing in it can touch a terminal.
func (p Path) String() string { return escape.Name(string(p)) }

// List is a slice that is [] in JSON when it is nil, so that readers may loop
// over it without a thought.
type List[T any] []T

// MarshalJSON writes the list.
func (l List[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return encode([]T(l))
}

// encode is json.Marshal without the escapes that only a web page needs: they
// make "a & b" hard to read for a person.
func encode(v any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return text.Bytes(), err
}

func nullIfEmpty(s string) ([]byte, error) {
	if s == "" {
		return []byte("null"), nil
	}
	return strconv.AppendQuote(nil, s), nil
}
