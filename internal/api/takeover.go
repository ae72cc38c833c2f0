package api

import (
	"context"
	"net/http"
	"time"
)

// Heir lets another ota take over, in the same process.
type Heir interface {
	// TakeOver has binary look at what it would get ("": the file that this ota
	// was started from), waits until nothing is on its way, and tells waits for
	// what. Its answer is the ID by which TakenOver knows it, and comes just before
	// this ota leaves; an error says that it stays.
	TakeOver(ctx context.Context, binary string, waits func(reason string)) (id string, err error)
	// TakenOver says what became of the last takeover; nil: there was none.
	TakenOver() *TakenOver
}

// TakenOver is what became of a takeover.
type TakenOver struct {
	ID      string       `json:"id"`
	Outcome TakenOutcome `json:"outcome"`
	From    string       `json:"from"`   // version
	To      string       `json:"to"`     // version
	Reason  *string      `json:"reason"` // why it went back; nil: it did not
	At      time.Time    `json:"at"`
}

// TakenOutcome is how a takeover ended.
type TakenOutcome string

// The outcomes.
const (
	TakingOver TakenOutcome = "under way"
	TookOver   TakenOutcome = "taken over"
	WentBackTo TakenOutcome = "went back" // the new one did not come up
)

// heirBytes is room for a path of any length.
const heirBytes = 32 << 10

// heirRoutes are of who may replace ota itself.
func (s *Server) heirRoutes() []route {
	return []route{
		{http.MethodPost, prefix + "/takeover", owning, heirBytes, s.takeOver},
		{http.MethodGet, prefix + "/takeover", owning, 0, s.takenOver},
	}
}

// heirWanted is what is asked for.
type heirWanted struct {
	Binary string `json:"binary"`
}

// takeoverStep is a line of the answer.
type takeoverStep struct {
	WaitsFor *string  `json:"waits_for"` // what is in the way
	Leaves   *string  `json:"leaves"`    // the ID: from now on the other ota answers
	Problem  *Problem `json:"problem"`   // it stays
}

// takeOver writes a JSON object a line: what it waits for, and at last that it
// leaves, or why not.
func (s *Server) takeOver(w http.ResponseWriter, r *http.Request) error {
	var asked heirWanted
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	takeTime(w)
	control := http.NewResponseController(w)
	begun := false
	tell := func(step takeoverStep) {
		if !begun {
			begun = true
			w.Header().Set("Content-Type", "application/jsonl")
		}
		// Who does not read is not told: what was asked for is done.
		text, err := encode(step)
		if err == nil && control.SetWriteDeadline(time.Now().Add(writeTime)) == nil {
			_, _ = w.Write(text)
			_ = control.Flush()
		}
	}
	id, err := s.house.TakeOver(r.Context(), asked.Binary, func(reason string) { tell(takeoverStep{WaitsFor: &reason}) })
	switch {
	case err != nil && !begun:
		return err
	case err != nil:
		tell(takeoverStep{Problem: problemOf(r.Context(), err)})
	default:
		tell(takeoverStep{Leaves: &id})
	}
	return nil
}

func (s *Server) takenOver(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, s.house.TakenOver())
}
