package deposit

import (
	"fmt"
	"time"

	"ota/internal/reason"
)

// event is what the system tells of deposit/.
type event string

const (
	written  event = "written"  // a file was made or written and may be open still
	settled  event = "settled"  // something was closed, renamed, removed; a folder was made
	touched  event = "touched"  // mode, owner or times
	released event = "released" // .hold is gone
	moved    event = "moved"    // deposit/ itself, or a mount, is another than before
)

// basis is why an upload is taken for complete.
type basis string

const (
	byQuiet basis = "quiet"
	byMark  basis = ".hold removed"
	byOrder basis = "apply"
	byList  basis = "all is there that its manifest lists"
)

// stage is how far an upload is from complete.
type stage string

const (
	absent     stage = "absent"     // there is none
	held       stage = "held"       // .hold is there
	unfinished stage = "unfinished" // it has names of unfinished files
	settling   stage = "settling"   // the quiet period is not over
	ripe       stage = "ripe"       // complete unless somebody has a file open
	announced  stage = "announced"  // complete, and nothing has changed since
)

const (
	// pausesToKeep is how many times the longest pause seen in an upload the
	// quiet period is, up to longestQuiet.
	pausesToKeep = 4
	longestQuiet = 10 * time.Second
	// blindFactor lengthens the quiet period where nothing tells whether
	// somebody has a file open.
	blindFactor = 5
)

// judge decides from events and walks whether the upload is complete. It has no
// clock, no disk and no goroutine; times are monotonic ones.
type judge struct {
	configured func() time.Duration // the quiet period
	basis      basis
	ordered    map[string]*item // what is meant by an order
	last       *tree            // the newest walk
	steady     time.Time        // of the first walk since which all was the same; zero: an event came
	active     time.Time        // of the last event or change; zero: no upload goes on
	lastEvent  event            // written or settled
	pause      time.Duration
	pending    map[string]pending // unfinished files
	announced  *Snapshot
}

// pending is an unfinished file.
type pending struct {
	id    identity
	since time.Time // it has been like this
	told  telling
}

// telling is whether the log says that a file no longer holds the rest up.
type telling string

const (
	untold telling = "untold"
	told   telling = "told"
)

// verdict is what the judge makes of all it knows.
type verdict struct {
	stage   stage
	waiting []reason.Reason
	again   time.Time // when time alone changes the verdict; zero: never
}

func newJudge(quiet func() time.Duration) *judge {
	return &judge{configured: quiet, basis: byQuiet, pending: map[string]pending{}}
}

// quiet is the quiet period that this upload needs.
func (j *judge) quiet() time.Duration {
	return max(j.configured(), min(pausesToKeep*j.pause, longestQuiet))
}

// event takes in what the system told at a time.
func (j *judge) event(at time.Time, what event) {
	if what == moved {
		return
	}
	if what == released {
		j.basis = byMark
		what = settled
	}
	// A pause between files begins when one is done; how long a stalled client
	// keeps one open says nothing about the next.
	if !j.active.IsZero() && j.lastEvent == settled {
		j.pause = max(j.pause, at.Sub(j.active))
	}
	j.active = at
	j.steady = time.Time{}
	if what != touched {
		j.lastEvent = what
	}
}

// look takes in a walk made at a time, polled being the interval between walks
// where no events come. It returns the unfinished files that from now on no
// longer hold the upload up.
func (j *judge) look(at time.Time, seen *tree, polled time.Duration) (given []string) {
	switch {
	case j.last == nil:
		j.steady = at
	case !j.last.equal(seen):
		j.changed(at, polled)
	case j.steady.IsZero():
		j.steady = at
	}
	wasHeld := j.last != nil && j.last.held()
	switch {
	case seen.held() && j.basis == byMark:
		j.basis = byQuiet
	case wasHeld && !seen.held() && j.basis == byQuiet:
		j.basis = byMark
	}
	if j.announced != nil && !j.announced.tree.sameUpload(seen) {
		j.announced = nil
	}
	j.keepOrder(seen)
	j.last = seen
	return j.age(at, seen.others)
}

// changed notes a difference between walks. Where events come, they have told
// of it already; the pauses between walks are no pauses of the uploader.
func (j *judge) changed(at time.Time, polled time.Duration) {
	if polled > 0 {
		if !j.active.IsZero() {
			j.pause = max(j.pause, at.Sub(j.active)-polled)
		}
		j.active = at
	}
	j.steady = at
}

// list takes in whether all is there that a manifest lists.
func (j *judge) list(isWhole bool) {
	switch {
	case isWhole && j.basis == byQuiet && j.announced == nil:
		j.basis = byList
	case !isWhole && j.basis == byList:
		j.basis = byQuiet
	}
}

// lost forgets what walks have seen, because one could not be made.
func (j *judge) lost() {
	j.steady = time.Time{}
	j.announced = nil
}

// order takes in that a person wants what the next walk will see.
func (j *judge) order() {
	j.announced = nil
	j.basis = byOrder
	j.ordered = nil
}

// keepOrder ends an order when more arrives: nobody has said that of it.
func (j *judge) keepOrder(seen *tree) {
	switch {
	case j.basis != byOrder:
	case j.ordered == nil:
		j.ordered = seen.names()
	default:
		for i := range seen.items {
			if _, meant := j.ordered[seen.items[i].path]; !meant {
				j.basis = byQuiet
				return
			}
		}
	}
}

// age keeps the times since when unfinished files are as they are.
func (j *judge) age(at time.Time, others []item) (given []string) {
	now := make(map[string]pending, len(others))
	for _, other := range others {
		known, there := j.pending[other.path]
		if !there || known.id != other.id {
			known = pending{id: other.id, since: at, told: untold}
		}
		if at.Sub(known.since) >= other.class.patience() && known.told == untold {
			known.told = told
			given = append(given, other.path)
		}
		now[other.path] = known
	}
	j.pending = now
	return given
}

// verdict says how far the upload is at a time not before the last walk.
func (j *judge) verdict(at time.Time) verdict {
	waiting, until := j.waitingForNames()
	if j.last.content == nothing && j.basis == byOrder {
		j.basis = byQuiet
	}
	switch {
	case j.last.content == nothing && !j.last.held() && len(waiting) == 0:
		j.reset()
		return verdict{stage: absent}
	case j.announced != nil && (j.announced.Forced() || j.announced.basis == byList): // it stands until something changes
		return verdict{stage: announced}
	case j.last.held() && j.basis != byOrder:
		return verdict{stage: held, waiting: []reason.Reason{{Path: HoldName, Message: "nothing is taken while this file is there"}}}
	case len(waiting) > 0 && j.basis != byOrder && j.basis != byList:
		return verdict{stage: unfinished, waiting: waiting, again: until}
	case j.announced != nil && j.basis == byQuiet:
		return verdict{stage: announced}
	case j.basis == byQuiet && at.Before(j.steady.Add(j.quiet())):
		return verdict{stage: settling, again: j.steady.Add(j.quiet())}
	default:
		return verdict{stage: ripe}
	}
}

// blindUntil is when an upload is ripe of which nothing tells whether it is
// being written.
func (j *judge) blindUntil() time.Time {
	if j.basis != byQuiet {
		return time.Time{}
	}
	return j.steady.Add(blindFactor * j.quiet())
}

// complete makes the upload of the last walk the announced one.
func (j *judge) complete() *Snapshot {
	upload := &Snapshot{tree: j.last, basis: j.basis}
	j.reset()
	j.announced = upload
	return upload
}

// doubt takes an announcement back, because somebody writes again.
func (j *judge) doubt() { j.announced = nil }

// reset makes ready for the next upload.
func (j *judge) reset() {
	j.announced = nil
	j.basis = byQuiet
	j.ordered = nil
	j.pause = 0
	j.active = time.Time{}
}

// mostNamed is how many files a view names as waited for.
const mostNamed = 10

// waitingForNames lists the unfinished files that hold the upload up, and when
// the first of them no longer will.
func (j *judge) waitingForNames() (waiting []reason.Reason, until time.Time) {
	var holding []string
	for _, other := range j.last.others {
		known := j.pending[other.path]
		if known.told == told {
			continue
		}
		holding = append(holding, other.path)
		ends := known.since.Add(other.class.patience())
		if until.IsZero() || ends.Before(until) {
			until = ends
		}
	}
	return nameAll(holding, "the name is one of an unfinished file"), until
}

// nameAll makes a reason for each path, and one for all that are too many.
func nameAll(paths []string, message string) []reason.Reason {
	var reasons []reason.Reason
	for i, one := range paths {
		if i == mostNamed {
			return append(reasons, reason.Reason{Message: fmt.Sprintf("and %d more", len(paths)-i)})
		}
		reasons = append(reasons, reason.Reason{Path: one, Message: message})
	}
	return reasons
}
