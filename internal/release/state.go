package release

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"ota/internal/kit/durable"
)

// Tries counts how often the release on trial has failed so far, across
// restarts of ota and of the device.
type Tries struct {
	Crashes int `json:"crashes"` // the program ended badly
	Downs   int `json:"downs"`   // ota ended, or the device, without being told to
}

// state is the content of state.json. But for Tries, what it says can be found
// out from the records too, so that its loss loses nothing.
type state struct {
	Current int   `json:"current"` // the release in main/; 0: none
	Last    int   `json:"last"`    // the highest number ever used
	Turn    int   `json:"turn"`    // how many switches there were
	Tries   Tries `json:"trial"`   // of the current release, if it is on trial
	Unswept int   `json:"unswept"` // releases dropped since the store was last swept
}

// Tries returns how often the current release has failed its trial so far.
func (r *Room) Tries() Tries { return r.now().Tries }

// NoteTries writes the count of a release down, without a sync. Notes may come
// in any order and late: a count only grows, and one of a release that is not
// current any more is nobody's.
func (r *Room) NoteTries(release int, tries Tries) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	next := r.now()
	if next.Current != release {
		return nil
	}
	next.Tries = Tries{max(next.Tries.Crashes, tries.Crashes), max(next.Tries.Downs, tries.Downs)}
	return r.setState(next)
}

// Enter writes the record of a new release and makes it current. A release that
// was on trial until then is superseded; one that had proved itself before, and
// was on trial again, is what it was. It does not sync: the caller syncs the
// file system before it relies on it. It may be done twice.
func (r *Room) Enter(record Record, tries Tries) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if err := r.makeFolders(); err != nil {
		return err
	}
	next := r.now()
	if next.Current != record.Number {
		next.Turn++
		if err := r.supersede(next.Current); err != nil {
			return err
		}
	}
	next.Current, next.Last, next.Tries = record.Number, max(next.Last, record.Number), tries
	record.Turn = next.Turn
	err := r.write(record)
	if err == nil { // what is current has a record
		err = r.setState(next)
	}
	if err != nil {
		return fmt.Errorf("cannot record release %d: %w", record.Number, err)
	}
	return nil
}

func (r *Room) supersede(number int) error {
	record, err := r.Record(number)
	if IsPassing(err) {
		return err
	}
	if err != nil || record.State != Trial {
		return nil // none, or damaged: there is nothing to mark
	}
	record.leave(Superseded)
	return r.write(record)
}

// leave ends a trial without a verdict.
func (r *Record) leave(state State) {
	if r.Was.Good() {
		state = r.Was
	}
	r.State, r.Was = state, ""
}

// Reversal says what a rollback did.
type Reversal struct {
	From, To int
	// Verdict is RolledBack if From has failed. Else it stays what it is, or was
	// before its trial.
	Verdict State
	Reason  string // why From was rolled back
	Left    []Kept // what stood in main/ in place of From's files
	Trial   bool   // whether To is on trial now
	Tries   Tries  // of that
	Exempt  []string
}

// Reverse records a rollback: release To is current again. It does not sync,
// and may be done twice.
func (r *Room) Reverse(reversal Reversal) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	to, err := r.Record(reversal.To)
	if err != nil {
		return fmt.Errorf("cannot record the rollback: %w", err)
	}
	next := r.now()
	if next.Current != reversal.To {
		next.Turn++
	}
	next.Current, next.Tries = reversal.To, reversal.Tries
	to.Turn = next.Turn
	to.comeBack(reversal)
	from, err := r.Record(reversal.From)
	if IsPassing(err) {
		return fmt.Errorf("cannot record the rollback to release %d: %w", reversal.To, err)
	}
	writeErr := r.write(to)
	if err == nil { // a damaged one is not needed
		from.goAway(reversal)
		writeErr = errors.Join(writeErr, r.write(from))
	}
	if writeErr == nil {
		writeErr = r.setState(next)
	}
	if writeErr != nil {
		return fmt.Errorf("cannot record the rollback to release %d: %w", reversal.To, writeErr)
	}
	return nil
}

// comeBack is what becomes of the release that is current again.
func (r *Record) comeBack(reversal Reversal) {
	r.Exempt = reversal.Exempt
	switch {
	case reversal.Trial:
		if r.State.Good() {
			r.Was = r.State
		}
		r.State, r.Reason = Trial, ""
	case !r.State.Good():
		r.State, r.Was, r.Reason = Confirmed, "", ""
	}
}

// goAway is what becomes of the release that is left.
func (r *Record) goAway(reversal Reversal) {
	switch {
	case reversal.Verdict == RolledBack:
		r.State, r.Was, r.Reason = RolledBack, "", reversal.Reason
	case r.State == Trial:
		if r.leave(RolledBack); r.State == RolledBack {
			r.Reason = reversal.Reason
		}
	}
}

// Confirm records that a release has proved itself. It does not sync.
func (r *Room) Confirm(number int, readyAfter Duration) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	record, err := r.Record(number)
	if err != nil {
		return fmt.Errorf("cannot confirm release %d: %w", number, err)
	}
	record.State, record.Was, record.Reason, record.ReadyAfter = Confirmed, "", "", readyAfter
	if err := r.write(record); err != nil {
		return fmt.Errorf("cannot confirm release %d: %w", number, err)
	}
	next := r.now()
	if next.Current == number {
		next.Tries = Tries{}
	}
	return r.setState(next)
}

// NoteEnvironment takes down which environment a release needs, if that is not
// known already. It does not sync. A release without a record is none that needs
// one kept.
func (r *Room) NoteEnvironment(number int, environment string) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	record, err := r.Record(number)
	if errors.Is(err, fs.ErrNotExist) || err == nil && record.Environment == environment {
		return nil
	}
	if err != nil {
		return err
	}
	record.Environment = environment
	return r.write(record)
}

// Pin makes a release one that is never pruned, or takes that back. It does not
// sync. The error is fs.ErrNotExist if there is no such release.
func (r *Room) Pin(number int, pinned bool) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	record, err := r.Record(number)
	if err != nil {
		return err
	}
	record.Pinned = pinned
	return r.write(record)
}

// Recorded reports whether this very release is recorded and current.
func (r *Room) Recorded(record Record) bool {
	known, err := r.Record(record.Number)
	return err == nil && known.Digest == record.Digest && r.Current() == record.Number
}

// Merge adds to what is known to be kept, one entry a path: the first counts, as
// what is written down twice after an interruption is found again in part only.
func (r Record) Merge(more []Kept) []Kept {
	result := slices.Clone(r.Kept)
	for _, one := range more {
		if !slices.ContainsFunc(result, func(k Kept) bool { return k.Path == one.Path }) {
			result = append(result, one)
		}
	}
	return result
}

func (r *Room) write(record Record) error {
	defer r.revision.Add(1)
	return replaceJSON(r.recordPath(record.Number), record)
}

func (r *Room) setState(next state) error {
	defer r.revision.Add(1)
	if err := replaceJSON(r.statePath(), next); err != nil {
		return err
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.state = next
	return nil
}

func (r *Room) statePath() string { return filepath.Join(r.dir, "state.json") }

func (r *Room) load() (*Room, string, error) {
	numbers, err := r.numbers()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", err
	}
	err = durable.ReadJSON(r.statePath(), &r.state)
	if err == nil && (r.state.Current == 0 || slices.Contains(numbers, r.state.Current)) {
		r.state.Last = max(r.state.Last, highest(numbers))
		return r, "", nil
	}
	if errors.Is(err, fs.ErrNotExist) && len(numbers) == 0 {
		return r, "", nil
	}
	if err == nil {
		err = fmt.Errorf("%s names release %d, of which there is no record", r.statePath(), r.state.Current)
	}
	r.state = r.rebuilt(numbers)
	return r, fmt.Sprintf("%s is lost or damaged (%v): found again that release %d is current", r.statePath(), err, r.state.Current), nil
}

// rebuilt finds the release of the last switch.
func (r *Room) rebuilt(numbers []int) state {
	found := state{Last: highest(numbers)}
	for _, number := range numbers {
		if record, err := r.Record(number); err == nil && record.Turn >= found.Turn {
			found.Current, found.Turn = number, record.Turn
		}
	}
	return found
}
