package notify

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// Pauses after a try that came to nothing, and for how long it is tried at all.
const (
	firstPause = 10 * time.Second
	lastPause  = 6 * time.Hour
	soonPause  = time.Minute
	longest    = 7 * 24 * time.Hour // of a running ota
)

// lane sends what is to be told by one way, one after the other.
type lane struct {
	way     Way
	fresh   chan struct{} // there is something new
	sending *entry        // guarded by the room's mutex; nil: none
	lost    int           // how many are told to be lost with it
	pause   time.Duration // after the next failure; 0: nothing has failed
	said    string        // the last trouble that was logged
}

// drive sends until ctx ends.
func (r *Room) drive(ctx context.Context, l *lane) {
	for ctx.Err() == nil {
		one, message := r.next(l)
		if one == nil {
			select {
			case <-l.fresh:
			case <-ctx.Done():
			}
			continue
		}
		result := l.way.Send(ctx, message)
		if ctx.Err() != nil && result.Outcome != Delivered {
			return
		}
		if wait := r.settle(l, one, result); wait > 0 {
			l.rest(ctx, wait)
		}
	}
}

// rest waits, or until there is something new: then whoever could not be reached
// may be again.
func (l *lane) rest(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.fresh:
	case <-ctx.Done():
	}
}

// next is the oldest message that has not arrived on a way, as it is told there.
func (r *Room) next(l *lane) (*entry, Message) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, one := range r.kept.Messages {
		if one.Ways[l.way.Name()] != nil {
			l.sending, l.lost = one, r.kept.Lost[l.way.Name()]
			return one, one.Message.having(l.lost)
		}
	}
	return nil, Message{}
}

// settle writes down what became of a try, and returns how long to wait before
// the next.
func (r *Room) settle(l *lane, one *entry, result Result) (wait time.Duration) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	defer r.write()
	l.sending = nil
	now, name := time.Now(), l.way.Name()
	r.count(now)
	course := one.Ways[name]
	course.Tries++
	about := []any{"event", string(one.Message.Event), "by", name}
	if result.Said != "" && result.Outcome != Delivered {
		about = append(about, "said", result.Said)
	}
	switch {
	case result.Outcome == Delivered:
		r.arrived(one, name)
		r.kept.Lost[name] -= l.lost
		l.pause, l.said = 0, ""
		r.options.Log.Info("somebody was told", about...)
	case result.Outcome == Refused, result.Most > 0 && course.Tries >= result.Most:
		r.giveUp(one, name, result.Why, about)
		l.pause = 0
	case time.Duration(course.Waited) >= longest:
		r.giveUp(one, name, fmt.Sprintf("%s, for %d days", result.Why, longest/(24*time.Hour)), about)
	default:
		wait = l.wait(result)
		if l.said != result.Why {
			r.options.Log.Warn("nobody can be told; it is tried again", append(about, "error", result.Why)...)
		}
		l.said = result.Why
	}
	return wait
}

// giveUp ends the way of a message that can't arrive.
func (r *Room) giveUp(one *entry, name, why string, about []any) {
	r.arrived(one, name)
	r.kept.Lost[name] += 1 + one.Message.Missed
	r.options.Log.Warn("nobody was told, and it is given up", append(about, "error", why)...)
}

// arrived ends the way of a message.
func (r *Room) arrived(one *entry, name string) {
	delete(one.Ways, name)
	if len(one.Ways) == 0 {
		r.kept.Messages = slices.DeleteFunc(r.kept.Messages, func(other *entry) bool { return other == one })
	}
}

// count adds the time that has passed to all that wait.
func (r *Room) count(now time.Time) {
	for _, one := range r.kept.Messages {
		for course := range maps.Values(one.Ways) {
			course.Waited += duration(now.Sub(one.since))
		}
		one.since = now
	}
}

// wait is the pause after a failure: ever longer, and not the same on all
// devices that have lost the same receiver.
func (l *lane) wait(result Result) time.Duration {
	l.pause = min(max(2*l.pause, firstPause), lastPause)
	wait := l.pause*3/4 + rand.N(l.pause/2)
	if result.Soon {
		wait = min(wait, soonPause)
	}
	return min(max(wait, result.After), lastPause)
}
