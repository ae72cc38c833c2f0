// Package release makes an upload a numbered, immutable release, and knows all
// that there have been.
//
// In: sealed files with their SHA-256. Out: a [Record] for each release, a
// [Tree] of what it consists of, and a [Store] that holds every content once.
// Never: main/, processes, the clock for order (releases are ordered by number
// alone).
//
// Everything is a plain file below .ota:
//
//	state.json               which release is current, the highest number used
//	releases/3.json          the record of release 3
//	store/ab/abcdef…         a content, named by its SHA-256 (see sha256sum)
//
// The manifest of a release is a tree: for each folder one listing, itself a
// content in the store, that names each file with size, mode and SHA-256, and
// each folder with the SHA-256 of its listing. The digest of a release is the
// SHA-256 of its topmost listing. So an update writes the listings of the
// folders that it changes and no others, two releases are compared without
// reading what they share, and `sha256sum` checks all of it.
package release

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"ota/internal/kit/durable"
)

// State is how far a release has come.
type State string

// The states a release can be in. A release that is current is adopted, on
// trial or confirmed; the other states are those of releases that were.
const (
	Adopted    State = "adopted"     // was in main/ before the first start
	Trial      State = "trial"       // runs and has not yet proved itself
	Confirmed  State = "confirmed"   // proved itself; a rollback goes to it
	RolledBack State = "rolled back" // failed its trial
)

// Effect is what a release did to a path.
type Effect string

// The effects.
const (
	Added    Effect = "added"
	Replaced Effect = "replaced"
	Removed  Effect = "removed"
)

// Touched is a path that a release changed.
type Touched struct {
	Path   Name   `json:"path"`
	Effect Effect `json:"change"`
}

// Kept is a file that a release replaced although it was in none: made by the
// program or a person. Its content is in the store.
type Kept struct {
	Path  Name  `json:"path"`
	Entry Entry `json:"was"`
}

// Record is what is known of one release.
type Record struct {
	Number  int       `json:"number"`
	Digest  Sum       `json:"digest"` // SHA-256 of the topmost listing
	State   State     `json:"state"`
	From    int       `json:"from"` // the release it was laid over; 0: none
	Created time.Time `json:"created"`
	Files   []Touched `json:"files"`
	Kept    []Kept    `json:"kept,omitempty"`
	Reason  string    `json:"reason,omitempty"` // why it was rolled back
}

// state is the content of state.json. What it says can be found out from the
// records too, so that its loss loses nothing.
type state struct {
	Current int `json:"current"` // the release in main/; 0: none
	Last    int `json:"last"`    // the highest number ever used
}

// Room keeps the releases of one folder. One goroutine may write while others
// read.
type Room struct {
	dir   string
	store *Store

	mutex sync.Mutex // guards state
	state state
}

// Open reads what is kept in dir (.ota). A damaged state.json is rebuilt from
// the records; Open then returns a warning that says so.
func Open(dir string) (room *Room, warning string, err error) {
	room = &Room{dir: dir, store: &Store{filepath.Join(dir, "store")}}
	if err := room.makeFolders(); err != nil {
		return nil, "", err
	}
	return room.load()
}

// OpenRead is Open for looking only: it makes and repairs nothing.
func OpenRead(dir string) (*Room, error) {
	room, _, err := (&Room{dir: dir, store: &Store{filepath.Join(dir, "store")}}).load()
	return room, err
}

// Store is where the contents are.
func (r *Room) Store() *Store { return r.store }

// Current is the number of the release in main/, 0 if there is none.
func (r *Room) Current() int { return r.now().Current }

// Next is the number for a new release: never one that was used before.
func (r *Room) Next() int { return r.now().Last + 1 }

// Record returns the record of a release. The error is fs.ErrNotExist if there
// is none, or says which file is damaged.
func (r *Room) Record(number int) (Record, error) {
	var record Record
	err := durable.ReadJSON(r.recordPath(number), &record)
	return record, err
}

// History returns the records of all releases, newest first. A damaged one is
// left out and named in the error, beside those that could be read.
func (r *Room) History() ([]Record, error) {
	numbers, err := r.numbers()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var records []Record
	var damaged []error
	for _, number := range slices.Backward(numbers) {
		record, err := r.Record(number)
		if err != nil {
			damaged = append(damaged, err)
			continue
		}
		records = append(records, record)
	}
	return records, errors.Join(damaged...)
}

// Tree is what release number consists of; that of release 0 is empty.
func (r *Room) Tree(number int) (*Tree, error) {
	if number == 0 {
		return r.store.Empty(), nil
	}
	record, err := r.Record(number)
	if err != nil {
		return nil, fmt.Errorf("cannot read release %d: %w", number, err)
	}
	return r.store.Tree(record.Digest), nil
}

// Recorded reports whether the record of this very release is written and
// current, so that writing it twice after an interruption changes nothing.
func (r *Room) Recorded(record Record) bool {
	known, err := r.Record(record.Number)
	return err == nil && known.Digest == record.Digest && r.Current() == record.Number
}

// Enter writes the record of a release and makes it current. It does not sync:
// the caller syncs the file system before it relies on it.
func (r *Room) Enter(record Record) error {
	if err := r.makeFolders(); err != nil {
		return err
	}
	next := state{Current: record.Number, Last: max(r.now().Last, record.Number)}
	if err := errors.Join(
		replaceJSON(r.recordPath(record.Number), record),
		replaceJSON(r.statePath(), next),
	); err != nil {
		return fmt.Errorf("cannot record release %d: %w", record.Number, err)
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.state = next
	return nil
}

func (r *Room) now() state {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.state
}

func (r *Room) makeFolders() error {
	for _, dir := range []string{r.dir, filepath.Join(r.dir, "releases"), r.store.dir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("cannot make folder %s: %w", dir, err)
		}
	}
	return nil
}

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
	r.state = r.rebuilt(numbers)
	return r, fmt.Sprintf("%s was damaged: found again that release %d is current", r.statePath(), r.state.Current), nil
}

// rebuilt finds the newest release that was not rolled back.
func (r *Room) rebuilt(numbers []int) state {
	found := state{Last: highest(numbers)}
	for _, number := range slices.Backward(numbers) {
		if record, err := r.Record(number); err == nil && record.State != RolledBack {
			found.Current = number
			break
		}
	}
	return found
}

func (r *Room) statePath() string { return filepath.Join(r.dir, "state.json") }

func (r *Room) recordPath(number int) string {
	return filepath.Join(r.dir, "releases", strconv.Itoa(number)+".json")
}

// numbers lists the releases that have a record, in order.
func (r *Room) numbers() ([]int, error) {
	entries, err := os.ReadDir(filepath.Join(r.dir, "releases"))
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, entry := range entries {
		text, isRecord := strings.CutSuffix(entry.Name(), ".json")
		if number, err := strconv.Atoi(text); isRecord && err == nil && number > 0 {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func highest(numbers []int) int {
	if len(numbers) == 0 {
		return 0
	}
	return numbers[len(numbers)-1]
}

// replaceJSON writes a record or the state. They are written again while they
// count, so that a power cut must not leave them empty.
func replaceJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return durable.ReplaceWhole(path, append(data, '\n'), 0o600)
}
