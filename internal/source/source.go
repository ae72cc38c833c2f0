// Package source fetches releases from where the owner of a device publishes
// them: a file on a web server, or a branch of a git repository.
//
// In: an address, and what came from there last. Out: a packed release, whole,
// which the house puts into deposit/ as an upload like any other. Never: a
// second way into main/; the same content twice; a release while somebody's own
// upload waits; two sources; a look at the address more often than asked for.
//
// What is known of the address is in .ota/source.json, what is on its way in
// .ota/source/.
package source

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"ota/internal/kit/durable"
	"ota/internal/kit/hint"
)

// Place is where releases come from. One goroutine uses it.
type Place interface {
	// String is its address, without anything secret.
	String() string
	// Fetch asks what is there. It returns nil if that is what was there before.
	Fetch(ctx context.Context, before Seen) (*Fetched, error)
}

// Seen is what was at a place, as the place itself tells it apart from other
// things that may be there.
type Seen struct {
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"last_modified,omitempty"`
	Commit   string `json:"commit,omitempty"`
}

// Fetched is a packed release in a file of its own.
type Fetched struct {
	Path string
	Name string // that it has in deposit/
	Seen Seen
	// Signers are the people who have signed what the release was made of, where
	// that is no packed release itself.
	Signers []string
	// Refused is why this is no release; empty: it is one. Then there is no file.
	Refused string
}

// House takes what was fetched.
type House interface {
	// Judge reads a release, until ctx ends. The error says why it is no packed
	// release at all.
	Judge(ctx context.Context, fetched *Fetched) (Judged, error)
	// Waits reports whether deposit/ holds something else than what Deliver has
	// put there, and than the files of a release that failed.
	Waits(placed Placed) (bool, error)
	// Deliver puts the file into deposit/. The file is there no more then.
	Deliver(ctx context.Context, path, name string) (Placed, error)
}

// Judged is what a release says of itself, and whether it would be taken.
type Judged struct {
	Name    string // its version
	Sum     string // of its manifest, in hexadecimal
	Content string // of the whole file
	Refused string // why not; empty: it would be taken
}

// Placed is a file in deposit/, and by what it is known.
type Placed struct {
	Name string `json:"name,omitempty"`
	Size int64  `json:"size,omitempty"`
	Time int64  `json:"time,omitempty"` // of the last change, in nanoseconds
}

// Options are what a Source must be told.
type Options struct {
	Place   Place
	Record  string        // path of source.json
	Poll    time.Duration // about how long between two looks; 0: only on request
	House   House
	Changed func() // is called when State has changed
	Log     *slog.Logger
}

// Outcome is what came of a look.
type Outcome string

// The outcomes.
const (
	Brought   Outcome = "brought"   // a release is in deposit/
	Unchanged Outcome = "unchanged" // there is nothing new
	Refused   Outcome = "refused"   // what is there is not taken
	Waits     Outcome = "waits"     // somebody's upload goes first
)

// Result is what came of a look, for people.
type Result struct {
	Outcome Outcome
	Release string // what was brought or refused; may be empty
	Reason  string // of Refused
}

// State is how things stand.
type State struct {
	From    string
	Problem string // why the last look failed, or what is there is refused; empty: neither
	IsAway  bool   // it failed
}

// Source looks after one place. Any number of goroutines may ask it.
type Source struct {
	options Options
	asked   chan chan<- answer
	ended   chan struct{} // closed when Run has returned

	mutex    sync.Mutex
	state    State
	failures int // looks in a row
	after    time.Duration
}

type answer struct {
	result Result
	err    error
}

// New remembers the options.
func New(options Options) *Source {
	if options.Changed == nil {
		options.Changed = func() {}
	}
	return &Source{options: options, asked: make(chan chan<- answer), ended: make(chan struct{}), state: State{From: options.Place.String()}}
}

// State says how things stand.
func (s *Source) State() State {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.state
}

// Pauses.
const (
	firstLook    = 10 * time.Second // after the start: the network comes up, too
	firstAgain   = time.Minute      // after a failure; each further one doubles it
	longestAgain = 6 * time.Hour
	longestFetch = time.Hour // a file goes on at the next look where it was
)

// errEnded is the error of who asks too late.
var errEnded = errors.New("ota is ending")

// Run looks now and then, and whenever somebody asks, until ctx ends. It may be
// called once.
func (s *Source) Run(ctx context.Context) error {
	defer close(s.ended)
	next := time.NewTimer(spread(firstLook))
	defer next.Stop()
	if s.options.Poll == 0 {
		next.Stop()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case who := <-s.asked:
			result, err := s.look(ctx, true)
			who <- answer{result, err}
		case <-next.C:
			// Who asked for nothing is told by the log and by State.
			_, _ = s.look(ctx, false)
		}
		if s.options.Poll > 0 {
			next.Reset(s.pause())
		}
	}
}

// Poll looks now, and returns what came of it.
func (s *Source) Poll(ctx context.Context) (Result, error) {
	reply := make(chan answer, 1)
	select {
	case s.asked <- reply:
	case <-s.ended:
		return Result{}, errEnded
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	select {
	case got := <-reply:
		return got.result, got.err
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

// pause is how long it is to the next look: never less than the place has asked
// for, but for one that asks for more than six hours.
func (s *Source) pause() time.Duration {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.failures == 0 {
		return spread(s.options.Poll)
	}
	again := firstAgain
	for range s.failures - 1 {
		again = min(2*again, longestAgain)
	}
	return max(spread(again), spread(min(s.after, longestAgain)*5/4))
}

// spread keeps devices that were switched on together from asking together: up to
// a fifth more or less.
func spread(pause time.Duration) time.Duration {
	fifth := int64(pause / 5)
	return pause - time.Duration(fifth) + time.Duration(rand.Int64N(2*fifth+1))
}

// look looks once, and keeps how that went. Of a place that fails again and again
// for the same reason the log tells once.
func (s *Source) look(ctx context.Context, insists bool) (Result, error) {
	result, err := s.bring(ctx, insists)
	if errors.Is(err, context.Canceled) {
		return result, err
	}
	s.mutex.Lock()
	before := s.state
	s.state.Problem, s.state.IsAway = result.Reason, err != nil
	if err == nil {
		s.failures, s.after = 0, 0
	} else {
		s.failures++
		s.state.Problem, s.after = err.Error(), 0
		if later, ok := errors.AsType[*laterError](err); ok {
			s.after = later.after
		}
	}
	now := s.state
	s.mutex.Unlock()
	switch {
	case now == before:
	case err != nil:
		told := []any{"from", now.From, "error", err}
		if advice := hint.Of(err); advice != "" {
			told = append(told, "hint", advice)
		}
		s.options.Log.Warn("no release can be fetched", told...)
	case result.Outcome == Refused:
		s.options.Log.Warn("the release that is offered is not taken", "from", now.From, "release", result.Release, "reason", result.Reason)
	case before.IsAway:
		s.options.Log.Info("releases can be fetched again", "from", now.From)
	}
	if now != before {
		s.options.Changed()
	}
	return result, err
}

// laterError is the error of a place that has said when it can be asked again.
type laterError struct {
	error
	after time.Duration
}

func (l *laterError) Unwrap() error { return l.error }

// step is how far a release has come.
type step string

const (
	delivering step = "delivering" // it is fetched, and may be in deposit/ or not
	delivered  step = "delivered"
	refused    step = "refused"
)

// record is the content of source.json.
type record struct {
	From    string   `json:"from"`
	Step    step     `json:"step"`
	Seen    Seen     `json:"seen"`
	Content string   `json:"sha256,omitempty"` // of the file
	Release string   `json:"release,omitempty"`
	Reason  string   `json:"reason,omitempty"` // of refused
	Path    string   `json:"path,omitempty"`   // of delivering
	Placed  Placed   `json:"placed"`
	Sum     string   `json:"manifest,omitempty"`
	Signers []string `json:"signed_by,omitempty"`
}

// read returns what is known of this place; a damaged record is none.
func (s *Source) read() (record, error) {
	var known record
	err := durable.ReadJSON(s.options.Record, &known)
	if onDisk := (*fs.PathError)(nil); errors.As(err, &onDisk) && !errors.Is(err, fs.ErrNotExist) {
		return record{}, err
	}
	if from := s.options.Place.String(); err != nil || known.From != from {
		return record{From: from, Placed: known.Placed}, nil
	}
	return known, nil
}

func (s *Source) write(now record) error { return writeJSON(s.options.Record, now) }

// Vouched returns who has signed what the release with this manifest was made of;
// nil: it does not come from here, or nobody has.
func Vouched(path, sum string) []string {
	var known record
	if err := durable.ReadJSON(path, &known); err != nil || known.Sum != sum {
		return nil
	}
	return known.Signers
}

// bring does what is to be done. The record is written before the file goes into
// deposit/: so a power cut between both brings it once.
func (s *Source) bring(ctx context.Context, insists bool) (Result, error) {
	known, err := s.read()
	if err != nil {
		return Result{}, err
	}
	waits, err := s.options.House.Waits(known.Placed)
	if err != nil {
		return Result{}, err
	}
	if waits {
		return Result{Outcome: Waits}, nil
	}
	if known.Step == delivering {
		if _, err := os.Lstat(known.Path); err == nil {
			return s.deliver(ctx, known)
		}
		known.Step, known.Path = delivered, ""
		if err := s.write(known); err != nil {
			return Result{}, err
		}
	}
	before := known.Seen
	again := insists && known.Step == refused
	if again { // it may be for keys that the device has by now
		before, known.Content = Seen{}, ""
	}
	fetched, err := s.fetch(ctx, before)
	if err != nil {
		return Result{}, err
	}
	if fetched == nil {
		return known.unchanged(), nil
	}
	return s.take(ctx, known, fetched)
}

// fetch asks the place. What has come in time is judged and delivered without
// haste: else a slow line would bring it anew at each look.
func (s *Source) fetch(ctx context.Context, before Seen) (*Fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, longestFetch)
	defer cancel()
	return s.options.Place.Fetch(ctx, before)
}

// unchanged is what a look comes to that finds what was there before.
func (r record) unchanged() Result {
	if r.Step == refused {
		return Result{Outcome: Refused, Release: r.Release, Reason: r.Reason}
	}
	return Result{Outcome: Unchanged}
}

// take decides about what was fetched.
func (s *Source) take(ctx context.Context, known record, fetched *Fetched) (Result, error) {
	next := record{From: known.From, Step: refused, Seen: fetched.Seen, Reason: fetched.Refused, Placed: known.Placed}
	if fetched.Refused == "" {
		judged, err := s.options.House.Judge(ctx, fetched)
		if err != nil {
			return Result{}, errors.Join(err, removeIfThere(fetched.Path))
		}
		if judged.Content == known.Content { // the same under another name
			known.Seen = fetched.Seen
			return known.unchanged(), errors.Join(s.write(known), removeIfThere(fetched.Path))
		}
		next.Content, next.Release, next.Reason = judged.Content, judged.Name, judged.Refused
		next.Sum, next.Signers = judged.Sum, fetched.Signers
	}
	if next.Reason != "" {
		next.Sum, next.Signers = "", nil
		return Result{Outcome: Refused, Release: next.Release, Reason: next.Reason}, errors.Join(s.write(next), removeIfThere(fetched.Path))
	}
	next.Step, next.Path, next.Placed.Name = delivering, fetched.Path, fetched.Name
	if err := s.write(next); err != nil {
		return Result{}, err
	}
	return s.deliver(ctx, next)
}

// deliver puts what was fetched into deposit/.
func (s *Source) deliver(ctx context.Context, now record) (Result, error) {
	placed, err := s.options.House.Deliver(ctx, now.Path, now.Placed.Name)
	if err != nil {
		return Result{}, err
	}
	now.Step, now.Path, now.Placed = delivered, "", placed
	if err := s.write(now); err != nil {
		return Result{}, err
	}
	s.options.Log.Info("a release was fetched", "from", now.From, "release", now.Release)
	return Result{Outcome: Brought, Release: now.Release}, nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
