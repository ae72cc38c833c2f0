// Package activate makes main/ become a release. It is the only writer of
// main/.
//
// In: a [Plan], the list of what has to change in main/, with contents to copy
// from. Out: main/ as the plan wants it, wholly or not at all, and the versions
// that were there before. Never: a decision whether to switch, a process, the
// history.
//
// While the program runs, [Room.Prepare] puts every new file beside main/, on
// the same mount, writes down the plan in the journal and syncs. Between the
// program's end and its start, [Room.Switch] marks the journal and exchanges
// names; nothing there grows with the size of main/ or of a file. After the
// start, [Room.Finish] hands out the old versions and removes the journal.
// [Room.Recover] brings an interrupted switch to its end.
package activate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"ota/internal/kit/beneath"
	"ota/internal/kit/durable"
	"ota/internal/release"
)

// Action is what is done at a path.
type Action string

// The actions.
const (
	Put    Action = "put"    // the entry comes into place, replacing a file
	Remove Action = "remove" // the file, link or empty folder goes away
)

// Change is one path of a plan.
type Change struct {
	Path    release.Name  `json:"path"`
	Action  Action        `json:"action"`
	Entry   release.Entry `json:"entry,omitzero"`
	ModTime time.Time     `json:"mtime,omitzero"` // of a file; zero: that of its content
	Source  string        `json:"-"`              // path of a file's content
}

// Plan is a switch of main/ from one release to another.
type Plan struct {
	Changes []Change `json:"changes"`
	// Stale are sources (paths of .py files) whose bytecode has to go.
	Stale []release.Name `json:"stale,omitempty"`
	// Compiled is bytecode of the new sources, put beside them once they are all
	// in place. It is no part of the switch: after an interruption Python makes
	// its own.
	Compiled []Compiled `json:"-"`
	// Sparing moves contents from their sources instead of copying them, where
	// there is no room for copies. The sources are gone then.
	Sparing bool `json:"-"`
	// Note is the caller's, kept in the journal and given back by Recover.
	Note json.RawMessage `json:"note,omitempty"`
}

// Compiled is the bytecode of one source.
type Compiled struct {
	Path string // below main/: "lib/__pycache__/helper.cpython-311.pyc"
	File string // where its content is now
}

// Old is a version that was in main/ before the switch.
type Old struct {
	Path string // in main/
	File string // path of the file itself, to be moved away; gone after Finish
}

// Options are the folders, and what the room must be told.
type Options struct {
	Main string // main/
	Dir  string // .ota
	// Bytecode tells, for the source at path (below main/), the folder in which
	// its bytecode lies (below main/ or absolute) and which names there are its.
	Bytecode func(path string) (folder string, owns func(name string) bool)
}

// Room switches main/. One goroutine at a time may use it.
type Room struct {
	options Options
	ready   *prepared // from Prepare or Recover until the switch is ended
}

// prepared is a plan whose journal is written, and the folders it works in.
type prepared struct {
	plan Plan
	made []release.Name // folders that the plan makes, those above first
	work *work
}

// New remembers the options.
func New(options Options) *Room { return &Room{options: options} }

// stageName is the folder for files on their way into main/ and out of it:
// below .ota where that is on main/'s mount, else below main/.ota.
const stageName = "stage"

// Prepare readies everything for the switch, while the program runs: after it,
// Switch has only names to exchange. An error means that nothing has happened;
// it holds *reason.Refused if main/ stands against the plan, and the system's
// error (no space, for one) otherwise.
func (r *Room) Prepare(ctx context.Context, plan Plan) error {
	end := r.Discard
	if r.ready != nil { // a switch that was undone, and could not be ended
		end = r.endUndone
	}
	if err := end(); err != nil {
		return err
	}
	err := r.prepare(ctx, plan)
	if err != nil {
		return errors.Join(fmt.Errorf("cannot prepare the switch: %w", err), r.Discard())
	}
	return nil
}

func (r *Room) prepare(ctx context.Context, plan Plan) error {
	synced, err := r.openFileSystems()
	if err != nil {
		return err
	}
	defer synced.close()
	work, err := r.openWork()
	if err != nil {
		return err
	}
	r.ready = &prepared{plan: plan, work: work}
	if err := work.refuseConflicts(plan); err != nil {
		return err
	}
	for i, change := range plan.Changes {
		if err := work.bring(ctx, i, change, plan.Sparing); err != nil {
			return err
		}
	}
	for i, compiled := range plan.Compiled {
		if err := work.bringCompiled(ctx, i, compiled); err != nil {
			return fmt.Errorf("cannot stage the bytecode %q: %w", compiled.Path, err)
		}
	}
	if r.ready.made, err = work.missingFolders(plan); err != nil {
		return err
	}
	if err := r.writeJournal(*r.ready); err != nil {
		return err
	}
	return synced.sync()
}

// Switch makes main/ what the prepared plan says. The program must not be
// running. If it fails, all that was done is undone; if that fails too, the
// error is a *Torn and Recover has to be called until it succeeds.
func (r *Room) Switch() error {
	if r.ready == nil {
		return errors.New("cannot switch: nothing is prepared")
	}
	plan, work := r.ready.plan, r.ready.work
	if err := work.stillFits(plan); err != nil {
		return errors.Join(err, r.Discard())
	}
	if err := r.markJournal(); err != nil {
		return errors.Join(fmt.Errorf("cannot switch: %w", err), r.Discard())
	}
	for i, change := range plan.Changes {
		if err := work.forward(i, change); err != nil {
			return r.undo(i+1, fmt.Errorf("cannot switch: %w", err))
		}
	}
	if err := r.removeStale(); err != nil {
		return r.undo(len(plan.Changes), fmt.Errorf("cannot switch: %w", err))
	}
	for i, compiled := range plan.Compiled {
		// What can't be put there Python compiles itself.
		_ = work.placeCompiled(i, compiled)
	}
	return nil
}

// Finish is called when the new release is in main/ (and the program may run
// again). It syncs main/, gives the old versions to save, which records the
// release, syncs that, and removes the journal. It may be repeated after an
// error or an interruption.
func (r *Room) Finish(save func([]Old) error) error {
	if r.ready == nil {
		return errors.New("cannot finish the switch: none was made")
	}
	synced, err := r.openFileSystems()
	if err != nil {
		return err
	}
	defer synced.close()
	if err := save(r.ready.work.olds(r.ready.plan)); err != nil {
		return err
	}
	if err := synced.sync(); err != nil {
		return err
	}
	return r.Discard()
}

// Recovered says what Recover found.
type Recovered string

// What Recover can find.
const (
	Nothing  Recovered = "nothing"  // no switch was under way, or it had not begun
	Switched Recovered = "switched" // the new release is in main/; call Finish
	Undone   Recovered = "undone"   // it could not be ended: the old one is back
)

// Recover is called before the program is started for the first time. It
// carries a switch that had begun to its end and returns the plan's note. If
// neither the end nor the beginning can be reached the error is a *Torn: call
// it again when the cause is gone, and do not start the program before.
func (r *Room) Recover() (Recovered, json.RawMessage, error) {
	found, begun, err := r.readJournal()
	if errors.Is(err, fs.ErrNotExist) || err == nil && !begun {
		return Nothing, nil, r.Discard()
	}
	if _, unread := errors.AsType[*fs.PathError](err); unread { // it may say anything
		return Nothing, nil, &Torn{err}
	}
	if err != nil {
		return Nothing, nil, r.setAside(err)
	}
	if found.work, err = r.openWork(); err != nil {
		return Nothing, nil, &Torn{err}
	}
	r.close()
	r.ready = &found
	for i, change := range found.plan.Changes {
		if err := found.work.forwardAgain(i, change); err != nil {
			return Undone, found.plan.Note, r.undo(len(found.plan.Changes), err)
		}
	}
	if err := r.removeStale(); err != nil {
		return Undone, found.plan.Note, r.undo(len(found.plan.Changes), err)
	}
	return Switched, found.plan.Note, nil
}

// Discard ends a switch that has not begun, or one that is finished. After an
// error it is not ended, and Discard or Finish has to be called again.
func (r *Room) Discard() error {
	if r.ready != nil {
		r.ready.work.close() // these folders are about to be removed
	}
	if err := r.discard(); err != nil {
		return fmt.Errorf("cannot end the switch: %w", err)
	}
	r.ready = nil
	return nil
}

// discard removes what a switch has written. The journal goes first and for
// good, so that no stage is missed by a journal. Should it be gone already, its
// removal may not have reached the disk.
func (r *Room) discard() error {
	if _, err := os.Lstat(r.journalPath()); err == nil || r.ready != nil {
		if err := durable.Remove(r.journalPath()); err != nil {
			return err
		}
	}
	var failed []error
	for _, stage := range r.stagePaths() {
		failed = append(failed, os.RemoveAll(stage))
	}
	if len(failed) > 1 { // there is a main/.ota; it goes when it is empty
		os.Remove(filepath.Dir(r.stageInside()))
	}
	return errors.Join(failed...)
}

// Torn is the error of a switch that could be neither ended nor undone: main/
// is a mixture, and the program must not be started before Recover succeeded.
type Torn struct {
	Err error
}

// Error says what stood in the way.
func (t *Torn) Error() string {
	return "main/ is between two releases and can't be brought to either: " + t.Err.Error()
}

// Unwrap returns what stood in the way.
func (t *Torn) Unwrap() error { return t.Err }

// undo takes back the first count changes. The journal stays marked until all
// is undone, so that a power cut meanwhile is carried forward instead: both
// ends are whole releases. If it can't be removed then, main/ still is the old
// release, and the next Prepare tries again.
func (r *Room) undo(count int, cause error) error {
	if err := r.takeBack(count); err != nil {
		return &Torn{errors.Join(cause, err)}
	}
	return errors.Join(cause, r.endUndone())
}

func (r *Room) takeBack(count int) error {
	for i := count - 1; i >= 0; i-- {
		if err := r.ready.work.backward(i, r.ready.plan.Changes[i]); err != nil {
			return err
		}
	}
	for _, folder := range slices.Backward(r.ready.made) {
		r.ready.work.removeFolder(string(folder))
	}
	return nil
}

// endUndone ends a switch that was undone, once that is on the disk.
func (r *Room) endUndone() error {
	synced, err := r.openFileSystems()
	if err != nil {
		return err
	}
	defer synced.close()
	if err := synced.sync(); err != nil {
		return err
	}
	return r.Discard()
}

// setAside keeps a journal that can't be read, and what was staged with it, for
// a person to look at. It was synced whole before any name was exchanged, so
// that an unreadable one means a switch that had not begun.
func (r *Room) setAside(damage error) error {
	place := filepath.Join(r.options.Dir, "discarded", "journal-"+strconv.FormatInt(time.Now().UnixNano(), 36))
	if err := os.MkdirAll(place, 0o700); err != nil {
		return err
	}
	for _, stage := range r.stagePaths() {
		if err := os.Rename(stage, filepath.Join(place, stageName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(r.journalPath(), filepath.Join(place, "journal.json")); err != nil {
		return err
	}
	return fmt.Errorf("the journal was damaged and is kept in %s: %w", place, damage)
}

// openMain opens main/.
func (r *Room) openMain() (*beneath.Tree, error) {
	if err := r.makeFolders(); err != nil {
		return nil, err
	}
	return beneath.Open(r.options.Main)
}

// makeFolders makes main/ and .ota where somebody has removed them.
func (r *Room) makeFolders() error {
	return errors.Join(os.MkdirAll(r.options.Main, 0o755), os.MkdirAll(r.options.Dir, 0o700))
}

// close gives back the folders that Prepare or Recover opened.
func (r *Room) close() {
	if r.ready != nil {
		r.ready.work.close()
		r.ready = nil
	}
}

func (r *Room) stageOutside() string { return filepath.Join(r.options.Dir, stageName) }

func (r *Room) stageInside() string { return filepath.Join(r.options.Main, ".ota", stageName) }

// stagePlaces lists where a stage may be made. A link main/.ota is somebody
// else's: nothing is made or removed behind it.
func (r *Room) stagePlaces() []string {
	_, err := os.Lstat(filepath.Dir(r.stageInside()))
	if errors.Is(err, fs.ErrNotExist) {
		return []string{r.stageOutside(), r.stageInside()}
	}
	return r.stagePaths()
}

// stagePaths lists where a stage may be.
func (r *Room) stagePaths() []string {
	paths := []string{r.stageOutside()}
	if info, err := os.Lstat(filepath.Dir(r.stageInside())); err == nil && info.IsDir() {
		paths = append(paths, r.stageInside())
	}
	return paths
}

// removeStale removes the bytecode of sources that changed: Python takes a
// source of the same size and second for unchanged (importlib, "pyc
// invalidation"). What is left of it would be run beside the new sources, so
// that a failure is one of the switch. Where a link or a file is in the way of a
// folder for bytecode there is none.
func (r *Room) removeStale() error {
	owners := map[string][]func(name string) bool{} // each folder is listed once
	for _, source := range r.ready.plan.Stale {
		folder, owns := r.options.Bytecode(string(source))
		owners[folder] = append(owners[folder], owns)
	}
	for _, folder := range slices.Sorted(maps.Keys(owners)) {
		owned := func(name string) bool {
			return slices.ContainsFunc(owners[folder], func(owns func(string) bool) bool { return owns(name) })
		}
		remove := r.ready.work.removeOwned
		if filepath.IsAbs(folder) { // PYTHONPYCACHEPREFIX
			remove = removeOwned
		}
		if err := remove(folder, owned); err != nil {
			return fmt.Errorf("cannot remove the old bytecode in %s: %w", folder, err)
		}
	}
	r.removeEmptied()
	return nil
}

// removeEmptied removes folders that only bytecode had kept from being empty.
func (r *Room) removeEmptied() {
	for _, change := range r.ready.plan.Changes {
		if change.Action != Remove {
			continue
		}
		at := string(change.Path)
		if change.Entry.Kind != release.Folder {
			at, _ = r.options.Bytecode(at)
		}
		if at != "" && !filepath.IsAbs(at) {
			r.ready.work.removeFolder(at)
		}
	}
}

func removeOwned(folder string, owns func(name string) bool) error {
	entries, err := os.ReadDir(folder)
	failed := []error{ignoreMissing(err)}
	for _, entry := range entries {
		if owns(entry.Name()) {
			failed = append(failed, ignoreMissing(os.Remove(filepath.Join(folder, entry.Name()))))
		}
	}
	return errors.Join(failed...)
}

// fileSystems are those of main/ and .ota, which may be the same one.
type fileSystems []*durable.FS

func (r *Room) openFileSystems() (fileSystems, error) {
	if err := r.makeFolders(); err != nil {
		return nil, err
	}
	var open fileSystems
	for _, dir := range []string{r.options.Main, r.options.Dir} {
		system, err := durable.OpenFS(dir)
		if err != nil {
			open.close()
			return nil, err
		}
		if len(open) > 0 && open[0].Same(system) {
			system.Close()
			continue
		}
		open = append(open, system)
	}
	return open, nil
}

func (f fileSystems) sync() error {
	for _, system := range f {
		if err := system.Sync(); err != nil {
			return err
		}
	}
	return nil
}

func (f fileSystems) close() {
	for _, system := range f {
		system.Close()
	}
}
