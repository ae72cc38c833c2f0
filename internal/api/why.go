package api

import "time"

// Why is what `ota why --json` prints: what holds deposit/, and why a release
// failed.
type Why struct {
	Release  *int          `json:"release"` // nil: none has failed
	State    *ReleaseState `json:"state"`   // of that release now
	Reason   *string       `json:"reason"`  // of its being rolled back; nil: it is not
	Held     List[Reason]  `json:"held"`    // what holds deposit/ now
	Evidence *Evidence     `json:"evidence"`
}

// Evidence is what was seen of a release when it failed its trial.
type Evidence struct {
	At        time.Time         `json:"at"`
	Why       string            `json:"why"`       // one sentence
	Exit      *Ending           `json:"exit"`      // nil: the program had not ended
	Traceback *Traceback        `json:"traceback"` // nil: none was seen
	Probes    List[ProbeAnswer] `json:"probes"`
	BackTo    *int              `json:"back_to"` // the release that was gone back to; nil: there was none
	Files     List[FileChange]  `json:"files"`   // by what it differs from that one
	Output    List[string]      `json:"output"`  // the last lines of the program
}

// Ending is how a process ended: by an exit code or by a signal.
type Ending struct {
	Code   *int    `json:"code"`   // nil: ended by a signal
	Signal *string `json:"signal"` // "SIGSEGV"; nil: ended by itself
}

// Traceback is the place and the message of a Python exception.
type Traceback struct {
	Error    string  `json:"error"` // "ValueError: boom"
	File     Path    `json:"file"`
	Line     int     `json:"line"`
	Function *string `json:"function"` // nil: not known
	Source   *string `json:"source"`   // the text of the line; nil: not known
}

// ProbeAnswer is what a probe said of the release, and of the one before it.
type ProbeAnswer struct {
	Probe  string  `json:"probe"`
	Answer string  `json:"answer"` // OK, BAD or UNKNOWN
	Detail *string `json:"detail"` // nil: there is no more to say
	Before *string `json:"before"` // the answer for the release before; nil: it was not asked
}
