package release

import (
	"path/filepath"
	"strconv"
	"time"

	"ota/internal/kit/durable"
)

// Evidence is why a release failed its trial, kept beside its record.
type Evidence struct {
	Release   int           `json:"release"`
	Turn      int           `json:"turn"` // of the switch that had brought it
	At        time.Time     `json:"at"`
	Why       string        `json:"why"` // one sentence
	Exit      *Exit         `json:"exit,omitempty"`
	Traceback *Traceback    `json:"traceback,omitempty"`
	Probes    []ProbeAnswer `json:"probes,omitempty"`
	BackTo    int           `json:"back_to"` // the release that was gone back to; 0: there was none
	Files     []Touched     `json:"files"`   // by what it differs from that one
	Output    []string      `json:"output"`  // the last lines of the program
}

// Exit is how the program ended: by an exit code, or by a signal.
type Exit struct {
	Code   int    `json:"code"`             // 128 + signal after a signal
	Signal string `json:"signal,omitempty"` // "SIGSEGV"
}

// Traceback is the place and the message of a Python exception.
type Traceback struct {
	Error    string `json:"error"` // "ValueError: boom"
	File     string `json:"file"`
	Line     int    `json:"line"`
	Function string `json:"function,omitempty"`
	Source   string `json:"source,omitempty"`
}

// ProbeAnswer is what a probe said of the release, and of the one before it.
type ProbeAnswer struct {
	Probe  string `json:"probe"`
	Answer string `json:"answer"`
	Detail string `json:"detail,omitempty"`
	Before string `json:"before,omitempty"` // of the release before; empty: it was not asked
}

// SetEvidence keeps the evidence, without a sync.
func (r *Room) SetEvidence(evidence Evidence) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	defer r.revision.Add(1)
	evidence.Turn = r.now().Turn
	return replaceJSON(r.evidencePath(evidence.Release), evidence)
}

// Evidence returns why a release failed. The error is fs.ErrNotExist if it did
// not, or names the damaged file.
func (r *Room) Evidence(number int) (Evidence, error) {
	var found Evidence
	err := durable.ReadJSON(r.evidencePath(number), &found)
	return found, err
}

// LastFailed is the release that failed last; 0: none has.
func (r *Room) LastFailed() int {
	numbers, err := r.numbers()
	if err != nil {
		return 0
	}
	last, turn := 0, -1
	for _, number := range numbers {
		if found, err := r.Evidence(number); err == nil && found.Turn >= turn {
			last, turn = number, found.Turn
		}
	}
	return last
}

func (r *Room) evidencePath(number int) string {
	return filepath.Join(r.dir, "releases", strconv.Itoa(number)+".why.json")
}
