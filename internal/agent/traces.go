package agent

import (
	"io/fs"
	"path"
	"path/filepath"
	"time"

	"ota/internal/config"
	"ota/internal/python/venv"
)

// trace tells a file of main/ from every other one that may take its place, and
// from what it was before it was changed: the time of the last change of an
// inode can't be set. The zero trace is that of a file that is not there.
type trace struct {
	inode   uint64
	size    int64
	changed time.Time
	mode    fs.FileMode
}

// racy is how old the last change of a file must be for its trace to tell it
// from the next one: the kernel's clock for files goes in steps.
const racy = time.Second

// lasts reports whether a file can't be changed without its trace: a link
// could be, at its other end.
func (t trace) lasts(now time.Time) bool {
	isPlain := t.mode.IsRegular() || t.mode.IsDir()
	return t == trace{} || isPlain && now.Sub(t.changed) > racy
}

// traces are those of the files that something was found out from, by their
// path below main/.
type traces map[string]trace

// are reports whether all of them are still so.
func (t traces) are(main string) bool {
	for at, was := range t {
		if now, ok := traceOf(filepath.Join(main, filepath.FromSlash(at))); !ok || now != was {
			return false
		}
	}
	return true
}

// reading is that of files of main/ for something that is to be
// remembered.
type reading struct {
	main  string
	now   time.Time
	found traces // nil: it can't be remembered
}

func (o *outfit) reading() *reading { return &reading{o.main, o.now(), traces{}} }

// at takes the trace of a file that is about to be read, and of the folders
// above it.
func (l *reading) at(name string) {
	for ; name != "." && l.found != nil; name = path.Dir(name) {
		found, ok := traceOf(filepath.Join(l.main, filepath.FromSlash(name)))
		was, seen := l.found[name]
		if !ok || !found.lasts(l.now) || seen && was != found {
			l.found = nil
			return
		}
		l.found[name] = found
	}
}

// knownSettings are what main/ota.toml was found to say.
type knownSettings struct {
	from   traces // nil: nothing is known
	config config.Config
}

// knownNeed is the environment that main/ was found to need.
type knownNeed struct {
	from        traces // nil: nothing is known
	python      config.Python
	interpreter string
	need        need
}

// knownNeed is what main/ needs, if that is known: what was found out before the
// program was stopped is not read again while none runs.
func (o *outfit) knownNeed(v version, interpreter string) (need, bool) {
	o.mu.Lock()
	known := o.needed
	o.mu.Unlock()
	python := v.settings.Python
	if known.from == nil || known.interpreter != interpreter ||
		known.python.Environment != python.Environment || known.python.Isolated != python.Isolated || !known.from.are(o.main) {
		return need{}, false
	}
	return known.need, true
}

// noteNeed remembers what was found out from files that are in main/ already.
func (o *outfit) noteNeed(v version, interpreter string, from traces, found need) {
	if from == nil || len(found.recipe.Local()) > 0 {
		return // it depends on more than can be looked at quickly
	}
	for _, gone := range v.gone {
		if _, read := from[gone]; read || path.Dir(gone) == venv.WheelFolder {
			return
		}
	}
	for _, arrival := range v.arrivals {
		if _, read := from[arrival.Path]; read || path.Dir(arrival.Path) == venv.WheelFolder {
			return // what was read is not in main/ yet
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.needed = knownNeed{from: from, python: v.settings.Python, interpreter: interpreter, need: found}
}
