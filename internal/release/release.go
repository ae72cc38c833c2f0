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
//	releases/3.why.json      why release 3 failed, with the evidence
//	aside.json               what was replaced and is in no release
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
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ota/internal/kit/durable"
)

// State is how far a release has come.
type State string

// The states a release can be in. A release that is current is adopted, on
// trial or confirmed; the other states are those of releases that were.
const (
	Adopted    State = "adopted"     // was in main/ before the first start; counts as confirmed
	Trial      State = "trial"       // runs and has not yet proved itself
	Confirmed  State = "confirmed"   // proved itself; a rollback goes to it
	Superseded State = "superseded"  // another was laid over it before it had proved itself
	RolledBack State = "rolled back" // failed its trial, or was taken back during it
)

// Good reports whether a release in this state is one to go back to.
func (s State) Good() bool { return s == Adopted || s == Confirmed }

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

// Kept is a file or link that a release replaced although it was in none: made
// or changed by the program or a person. See [Aside].
type Kept struct {
	Path  Name  `json:"path"`
	Entry Entry `json:"was"`
}

// Origin is where a release came from.
type Origin string

// The origins.
const (
	FromDeposit Origin = ""        // an upload
	FromMain    Origin = "adopted" // it was in main/ before the first start: its contents are there only
)

// Record is what is known of one release.
type Record struct {
	Number  int       `json:"number"`
	Digest  Sum       `json:"digest"` // SHA-256 of the topmost listing
	State   State     `json:"state"`
	Was     State     `json:"was,omitempty"` // on trial after a rollback: its state before that
	Origin  Origin    `json:"origin,omitempty"`
	From    int       `json:"from"` // the release it was laid over; 0: none
	Turn    int       `json:"turn"` // counts switches: the release with the highest turn is the current one
	Created time.Time `json:"created"`
	Files   []Touched `json:"files"`
	Bytes   *int64    `json:"bytes,omitempty"` // of the files that it brought; nil: it was made before this was noted
	Kept    []Kept    `json:"kept,omitempty"`  // what it replaced that was in no release
	Reason  string    `json:"reason,omitempty"`
	Pinned  bool      `json:"pinned,omitempty"` // never pruned
	// ReadyAfter is how long it took from its start to be ready, when it was
	// confirmed; zero if it did not say.
	ReadyAfter Duration `json:"ready_after,omitzero"`
	// Exempt are the probes that can't fail it: the release before it did not
	// pass them either, or could not be asked.
	Exempt []string `json:"exempt,omitempty"`
	// Environment names the environment that the release was checked with;
	// empty: it needs none.
	Environment string `json:"environment,omitempty"`
	// Packed is what a packed release says of itself; nil: it came without a
	// manifest.
	Packed *Packed `json:"packed,omitempty"`
}

// Packed is what the manifest of a release says for people and for later
// releases.
type Packed struct {
	Manifest   Sum      `json:"manifest"` // SHA-256 of it
	App        string   `json:"app,omitempty"`
	Version    string   `json:"version,omitempty"`
	Serial     int64    `json:"serial"`
	Message    string   `json:"message,omitempty"`
	SignedBy   []string `json:"signed_by,omitempty"`
	RollbackTo int64    `json:"allow_rollback_to,omitempty"`
	// Signers and Threshold are trusted once the release is confirmed.
	Signers   string `json:"allowed_signers,omitempty"`
	Threshold int    `json:"threshold,omitempty"`
	// Replaces is the SHA-256 of the list in the place of which they are trusted.
	Replaces string `json:"replaces,omitempty"`
}

// Duration is a time.Duration that is text in JSON: "1.5s".
type Duration time.Duration

// MarshalText writes the duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// Room keeps the releases of one folder. Its methods may be called by several
// goroutines; those that write take turns.
type Room struct {
	dir   string
	store *Store

	writing sync.Mutex // held while records and state.json are written
	mutex   sync.Mutex // guards state
	state   state

	revision atomic.Int64
}

// Open reads what is kept in dir (.ota). A damaged state.json is rebuilt from
// the records; Open then returns a warning that says so. Another says that
// nothing new can be kept, as a folder can't be made.
func Open(dir string) (room *Room, warning string, err error) {
	room = &Room{dir: dir, store: &Store{filepath.Join(dir, "store")}}
	made := room.makeFolders()
	room, warning, err = room.load()
	if made != nil {
		warning = made.Error()
	}
	return room, warning, err
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

// Revision grows whenever what History, Current or Evidence return may have
// changed.
func (r *Room) Revision() int { return int(r.revision.Load()) }

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

// Before returns the release that a rollback from number goes to: the first
// good one among those that it was laid over. Where one of them was pruned the
// search goes on with what is below it. 0: there is none. The error says that
// this can't be told now, as the system has no room for it.
func (r *Room) Before(number int) (int, error) {
	numbers, err := r.numbers()
	if err != nil {
		return 0, fmt.Errorf("cannot look for an earlier release: %w", err)
	}
	record, err := r.Record(number)
	if IsPassing(err) {
		return 0, err
	}
	for next := record.From; err == nil && next > 0; {
		record, err := r.Record(next)
		switch {
		case IsPassing(err):
			return 0, err
		case err != nil: // pruned, or damaged
			next = highest(numbers[:sort.SearchInts(numbers, next)])
		case record.State.Good():
			return next, nil
		default:
			next = record.From
		}
	}
	return 0, nil
}

// IsPassing reports whether an error says nothing of what was to be read.
func IsPassing(err error) bool {
	return slices.ContainsFunc([]error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN},
		func(one error) bool { return errors.Is(err, one) })
}

// Diff lists by what release b differs from release a, in the order of paths.
func (r *Room) Diff(a, b int) ([]Difference, error) {
	before, err := r.Tree(a)
	if err != nil {
		return nil, err
	}
	after, err := r.Tree(b)
	if err != nil {
		return nil, err
	}
	return Differences(before, after)
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
	data, err := durable.Lines(v)
	if err != nil {
		return err
	}
	return durable.ReplaceWhole(path, data, 0o600)
}
