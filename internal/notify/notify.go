// Package notify tells somebody far away what has happened on the device.
//
// In: how things stand, at each change. Out: one message for each happening that
// somebody wants to know of: a POST to a webhook, a run of a command, or both.
// Never: a wait of anybody else for a receiver; a happening told twice under two
// ids, or a crash loop told more than once; a clock that is trusted; a try
// without a growing pause after it.
//
// What is to be told is in a file, written before it is sent and rewritten when
// it has arrived. A power cut in between sends it again, with the same id. What
// happened while ota did not run is found by comparing how things stand with
// what was known last; only a first look tells nothing.
package notify

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Options say what happens, and whom to tell of it.
type Options struct {
	File string // what is still to be told
	On   []Kind // of what somebody is told
	// Ways lead to the receivers. A message is told by each of them.
	Ways []Way
	// Stand says how things stand. It is called by the goroutine of Run only.
	Stand func() Stand
	// Changed returns a channel that is closed when Stand may say something new.
	Changed func() <-chan struct{}
	// Here is what every message says of the device.
	Here func() Here
	Log  *slog.Logger
}

// Way is one way to a receiver.
type Way interface {
	// Name is a word for the file and the log.
	Name() string
	// Send tries once. Its end is soon after that of ctx.
	Send(ctx context.Context, message Message) Result
}

// Outcome is what became of one try.
type Outcome string

// The outcomes.
const (
	Delivered Outcome = "delivered"
	Refused   Outcome = "refused" // another try would be as well
	Again     Outcome = "again"   // it may be well later
)

// Result is what one try came to.
type Result struct {
	Outcome Outcome
	Status  int           // of the answer over HTTP, or the exit code; see Known
	Known   bool          // whether there is a Status
	Why     string        // it was not delivered
	Said    string        // by the receiver, in short
	Hint    string        // what a person can do; empty: nothing is known
	After   time.Duration // not to be tried again before; 0: as ever
	Most    int           // after how many tries it is given up; 0: see longest
	Soon    bool          // what hinders passes by itself, and not in hours
}

// Room keeps what is to be told until it is told.
type Room struct {
	options Options
	words   map[Kind]bool

	mutex  sync.Mutex // guards what follows
	kept   kept
	bucket bucket
	lanes  []*lane
}

// New remembers the options.
func New(options Options) *Room {
	r := &Room{options: options, words: map[Kind]bool{}}
	for _, kind := range options.On {
		r.words[kind] = true
	}
	for _, way := range options.Ways {
		r.lanes = append(r.lanes, &lane{way: way, fresh: make(chan struct{}, 1)})
	}
	return r
}

const (
	// gathering is from a change to the look at it, for changes come in swarms.
	gathering = 250 * time.Millisecond
	// calmLook is between two looks while the end of a crash loop is waited for,
	// of which nothing else tells.
	calmLook = 15 * time.Second
)

// Run tells what happens until ctx ends. It may be called again.
func (r *Room) Run(ctx context.Context) error {
	r.open()
	var sending sync.WaitGroup
	defer sending.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, one := range r.lanes {
		sending.Go(func() { r.drive(ctx, one) })
	}
	next := time.NewTimer(0)
	defer next.Stop()
	var changed <-chan struct{}
	for {
		select {
		case <-changed:
			changed = nil
			next.Reset(gathering)
		case <-next.C:
			changed = r.options.Changed()
			if again := r.look(); again > 0 {
				next.Reset(again)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// look takes in how things stand, and returns after how long to look again by
// itself; 0: there is no need.
func (r *Room) look() time.Duration {
	now := r.options.Stand()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	before := r.kept.Mark
	happened := r.kept.Mark.take(now)
	added := r.release()
	for _, one := range happened {
		if r.words[one.Kind] {
			r.add(one)
			added = true
		}
	}
	if added || before != r.kept.Mark {
		r.write()
	}
	var again time.Duration
	if r.kept.Mark.Looping {
		again = calmLook
	}
	if r.kept.Late != nil {
		if wait := r.bucket.wait(time.Now()); again == 0 || wait < again {
			again = wait
		}
	}
	return again
}
