package notify

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"ota/internal/kit/durable"
)

// most is how many messages are kept for who can't be reached.
const most = 32

// kept is the content of the file.
type kept struct {
	Name     string         `json:"name"` // begins each id, and is of this file only
	Next     int            `json:"next"` // the number of the next message
	Mark     mark           `json:"mark"`
	Messages []*entry       `json:"messages"`       // oldest first
	Late     *Message       `json:"late,omitempty"` // the newest of those that were too many at once
	Lost     map[string]int `json:"lost,omitempty"` // by the name of a way: how many it never told
}

// entry is a message on its way.
type entry struct {
	Message Message            `json:"message"`
	Ways    map[string]*course `json:"ways"` // those on which it has not arrived
	since   time.Time          // when Waited was last counted
}

// course is how far a message has come on a way.
type course struct {
	Tries  int      `json:"tries"`
	Waited duration `json:"waited"` // while ota ran
}

// duration is a time.Duration that is text in JSON: "1h2m3s".
type duration time.Duration

func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = duration(parsed)
	return err
}

// open reads the file. One that can't be read is begun anew: what was to be told
// is lost, and what will happen is not.
func (r *Room) open() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var found kept
	err := durable.ReadJSON(r.options.File, &found)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.options.Log.Warn("what was still to be told can't be read", "error", err)
	}
	if err != nil || found.Name == "" {
		found = kept{Name: strings.ToLower(rand.Text()[:10])}
	}
	now := time.Now()
	found.Messages = slices.DeleteFunc(found.Messages, func(one *entry) bool {
		return one == nil || !one.clean(r.lanes, now)
	})
	if found.Lost == nil {
		found.Lost = map[string]int{}
	}
	r.kept, r.bucket = found, bucket{}
	for _, one := range r.lanes {
		one.sending = nil
	}
}

// clean leaves out the ways that are not there any more, and reports whether
// there is one.
func (e *entry) clean(lanes []*lane, now time.Time) bool {
	e.since = now
	maps.DeleteFunc(e.Ways, func(name string, way *course) bool {
		return way == nil || !slices.ContainsFunc(lanes, func(one *lane) bool { return one.way.Name() == name })
	})
	return len(e.Ways) > 0
}

// write keeps what is to be told. A disk that takes nothing is no reason not to
// tell it.
func (r *Room) write() {
	data, err := json.MarshalIndent(r.kept, "", "  ")
	if err == nil {
		err = durable.WriteFile(r.options.File, append(data, '\n'), 0o600)
	}
	if err != nil {
		r.options.Log.Warn("what is to be told can't be kept: a power cut may lose it, or have it told twice", "error", err)
	}
}

// add takes in a happening to be told, or only counts it if there were too many
// of late.
func (r *Room) add(one Happening) {
	now := time.Now()
	r.kept.Next++
	message := messageOf(one, r.options.Here(), now)
	message.ID = fmt.Sprintf("%s-%d", r.kept.Name, r.kept.Next)
	if r.kept.Late != nil || !r.bucket.take(now) {
		if r.kept.Late != nil {
			message.Missed = r.kept.Late.Missed + 1
		}
		r.kept.Late = &message
		return
	}
	r.put(message, now)
}

// release lets a message go that was too much when it came.
func (r *Room) release() bool {
	now := time.Now()
	if r.kept.Late == nil || !r.bucket.take(now) {
		return false
	}
	r.put(*r.kept.Late, now)
	r.kept.Late = nil
	return true
}

// put lets a message go on all ways, and gives up the oldest if there are too
// many.
func (r *Room) put(message Message, now time.Time) {
	one := &entry{Message: message, Ways: map[string]*course{}, since: now}
	for _, lane := range r.lanes {
		one.Ways[lane.way.Name()] = &course{}
	}
	r.kept.Messages = append(r.kept.Messages, one)
	for len(r.kept.Messages) > most {
		r.lose(slices.IndexFunc(r.kept.Messages, r.isWaiting))
	}
	for _, lane := range r.lanes {
		select {
		case lane.fresh <- struct{}{}:
		default:
		}
	}
}

// isWaiting reports whether nobody is sending a message just now.
func (r *Room) isWaiting(one *entry) bool {
	return !slices.ContainsFunc(r.lanes, func(lane *lane) bool { return lane.sending == one })
}

// lose gives up a message on all its ways; the next one says so.
func (r *Room) lose(i int) {
	for name := range r.kept.Messages[i].Ways {
		r.kept.Lost[name] += 1 + r.kept.Messages[i].Message.Missed
	}
	r.kept.Messages = slices.Delete(r.kept.Messages, i, i+1)
}

// Somebody who is told too often does not listen any more: so many at once, and
// then one more after each pause.
const (
	atOnce  = 12
	perHour = 12
	refill  = time.Hour / perHour
)

// bucket counts how many messages there were of late.
type bucket struct {
	full time.Time // when all of atOnce are free again
}

func (b *bucket) take(now time.Time) bool {
	if b.wait(now) > 0 {
		return false
	}
	if b.full.Before(now) {
		b.full = now
	}
	b.full = b.full.Add(refill)
	return true
}

// wait is how long until there is room for one.
func (b *bucket) wait(now time.Time) time.Duration {
	if b.full.Before(now) {
		return 0
	}
	return max(0, b.full.Sub(now)-(atOnce-1)*refill)
}
