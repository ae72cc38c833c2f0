package access

import (
	"fmt"
	"math"
	"net/netip"
	"time"
)

const (
	// freeTries are those of an address that cost nothing; each after them costs
	// twice the pause before, from firstPause to lastPause.
	freeTries  = 5
	firstPause = time.Second
	lastPause  = 5 * time.Minute
	// forgetAfter is when an address without tries is as good as a new one.
	forgetAfter = time.Hour
	// maxAddresses bounds what somebody with many addresses can make us remember.
	maxAddresses = 256
	// allTries can be wrong at once from all addresses, and one more in each pause:
	// five in a minute, 2.6 million in a year.
	allTries = 50
	allPause = 12 * time.Second
)

// SlowDown is the error for who has tried too often, or while another password
// is being checked. What was shown was not looked at.
type SlowDown struct {
	After time.Duration // when to try again
}

// Error says it to a person.
func (s *SlowDown) Error() string {
	return fmt.Sprintf("too many tries: try again in %d s", s.Seconds())
}

// Seconds is when to try again, as Retry-After has it.
func (s *SlowDown) Seconds() int { return int(math.Ceil(s.After.Seconds())) }

// Hint says how to come in all the same.
func (s *SlowDown) Hint() string { return `a link that "ota web" makes on the device lets in at once` }

// brake slows down wrong tries.
type brake struct {
	addresses map[netip.Prefix]*tries
	// behind is when the wrong tries of all addresses would be paid, one in each
	// allPause.
	behind time.Duration
	told   bool // that it slows down everybody; until all are paid
}

// tries are the wrong ones of an address.
type tries struct {
	wrong int
	last  time.Duration
	until time.Duration // nothing of it is looked at before
}

// slowing is what a wrong try has set off.
type slowing string

const (
	slowsNobody  slowing = ""
	slowsAddress slowing = "address"
	slowsAll     slowing = "all"
)

// check returns a *SlowDown where nothing from this address is looked at now.
func (b *brake) check(from netip.Addr, now time.Duration) error {
	wait := b.behind - now - (allTries-1)*allPause
	if one := b.addresses[sourceOf(from)]; one != nil {
		wait = max(wait, one.until-now)
	}
	if wait <= 0 {
		return nil
	}
	return &SlowDown{After: wait}
}

// wrong counts a wrong try.
func (b *brake) wrong(from netip.Addr, now time.Duration) slowing {
	if b.behind <= now {
		b.behind, b.told = now, false
	}
	b.behind += allPause
	source := sourceOf(from)
	one := b.addresses[source]
	if one == nil || now-one.last >= forgetAfter {
		one = b.remember(source)
	}
	one.wrong, one.last = one.wrong+1, now
	if one.wrong >= freeTries {
		one.until = now + pauseAfter(one.wrong-freeTries)
	}
	switch {
	case !b.told && b.behind-now > (allTries-1)*allPause:
		b.told = true
		return slowsAll
	case one.wrong == freeTries:
		return slowsAddress
	default:
		return slowsNobody
	}
}

func pauseAfter(more int) time.Duration {
	pause := firstPause
	for range more {
		if pause = 2 * pause; pause >= lastPause {
			return lastPause
		}
	}
	return pause
}

// right forgets the wrong tries of an address.
func (b *brake) right(from netip.Addr) { delete(b.addresses, sourceOf(from)) }

// remember begins to count for a source; the one whose last try is longest ago
// makes room.
func (b *brake) remember(source netip.Prefix) *tries {
	if b.addresses == nil {
		b.addresses = map[netip.Prefix]*tries{}
	}
	if len(b.addresses) >= maxAddresses {
		var oldest netip.Prefix
		last := time.Duration(math.MaxInt64)
		for other, one := range b.addresses {
			if one.last < last {
				oldest, last = other, one.last
			}
		}
		delete(b.addresses, oldest)
	}
	one := &tries{}
	b.addresses[source] = one
	return one
}

// sourceOf is what one person surely has: an address of IPv4, or the 64 bits of
// a network of IPv6, within which addresses can be had at will.
func sourceOf(from netip.Addr) netip.Prefix {
	from = from.Unmap().WithZone("")
	bits := 64
	if from.Is4() {
		bits = 32
	}
	prefix, _ := from.Prefix(bits) // of no address: the zero prefix, one source more
	return prefix
}
