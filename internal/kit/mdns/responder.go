package mdns

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// lane is one interface of the machine in one family of addresses.
type lane struct {
	index    int  // of the interface
	isIPv6   bool // of the packets; prefixes are of both families
	prefixes []netip.Prefix
	// write sends a packet, to the group unless an address is given.
	write func(packet []byte, to netip.AddrPort) error
}

// arrival is a packet that came over a lane.
type arrival struct {
	index  int
	isIPv6 bool
	from   netip.AddrPort
	data   []byte
}

// wire is what a responder hears and speaks through: the [network] of this
// machine, or one in the memory of a test.
type wire interface {
	// lanes are those that there are now, of interfaces whose prefixes are wanted.
	// Nothing is open on others.
	lanes(wanted func([]netip.Prefix) bool) ([]lane, error)
	// heed lets only packets through that may be about one of these names; of
	// none: all.
	heed(names ...domain)
}

// Options say what is announced, and to whom that is told.
type Options struct {
	Service Service
	// Text brings another text of the service, while it is announced.
	Text <-chan []string
	// Named is called when it is settled what the service is called: other than
	// was wished where that was somebody else's name.
	Named func(instance string)
	// Stays tells, at the end, whether the service goes on under the same names, so
	// that nobody has to forget it.
	Stays func() bool
}

// phase is how far it is with the names.
type phase string

const (
	probing    phase = "probing"    // whether they are anybody's
	announcing phase = "announcing" // that they are ours
	settled    phase = "settled"
)

// How often and after how long things are said (6, 8.1, 8.3).
const (
	probes        = 3
	probePause    = 250 * time.Millisecond
	announcements = 2
	sayAgain      = time.Second            // a record is not multicast more often than that
	defendAgain   = 250 * time.Millisecond // but to who wants one of our names
	deferProbe    = time.Second            // to who wins the comparison of 8.2
	// After so many conflicts each further one costs a pause, until there was none
	// for a while (8.1).
	manyConflicts = 15
	conflictPause = 5 * time.Second
	conflictQuiet = 10 * time.Second
	// echoes is how long what we have said ourselves may still come back: by another
	// link to the same network, out of a wifi that keeps it for who sleeps, or out
	// of the queue of a socket.
	echoes = 10 * time.Second
	// unicasts is how many answers go to single askers in a second: so nobody makes
	// this machine send much to who has not asked.
	unicasts = 20
	// mostLegacy is how many questions of who speaks plain DNS are repeated to him.
	mostLegacy = 4
)

// responder is the life of a service on the network. One goroutine owns it.
type responder struct {
	options  Options
	wire     wire
	names    names
	on       []*link
	phase    phase
	step     int // of the phase
	due      time.Time
	renamed  struct{ instance, host int } // how often
	wished   struct{ instance, host string }
	former   []former
	fights   int       // how many conflicts there were, none long after the one before
	fought   time.Time // when the last one was
	second   time.Time // in which unicasts are counted
	unicasts int
}

// link is what was said and is to be said on a lane.
type link struct {
	lane
	records []record
	said    [atAddresses + mostAddresses]time.Time // when each was multicast last
	held    bool                                   // the names were won here, and nobody has contradicted since
	pending set                                    // to be multicast
	due     time.Time
	// asker may send more known answers (7.2); not valid: nobody, or several.
	asker netip.AddrPort
	// deaf: something could not be sent, as happens before an address is usable.
	deaf bool
}

// former is a record of ours that may have been replaced.
type former struct {
	record
	until time.Time // it may come back
}

// respond announces the service until ctx ends. Packets come over the network's
// links, and changed says that there may be others now.
func respond(ctx context.Context, wire wire, packets <-chan arrival, changed <-chan struct{}, options Options) error {
	r := &responder{options: options, wire: wire}
	r.wished.instance, r.wished.host = options.Service.Instance, options.Service.Host
	r.names = namesOf(&r.options.Service)
	if err := r.look(); err != nil {
		return err
	}
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		if next := r.next(); next.IsZero() {
			alarm.Stop()
		} else {
			alarm.Reset(time.Until(next))
		}
		select {
		case packet := <-packets:
			r.hear(packet)
		case <-alarm.C:
			r.act(time.Now())
		case <-changed:
			if err := r.look(); err != nil {
				return err
			}
		case r.options.Service.Text = <-options.Text:
			r.retell()
		case <-ctx.Done():
			r.leave()
			return nil
		}
	}
}

// next is when there is something to do; zero: there is nothing.
func (r *responder) next() time.Time {
	next := r.due
	for _, l := range r.on {
		if l.pending != 0 && (next.IsZero() || l.due.Before(next)) {
			next = l.due
		}
	}
	return next
}

// act does what is due.
func (r *responder) act(now time.Time) {
	if !r.due.IsZero() && !now.Before(r.due) {
		switch r.phase {
		case probing:
			r.probe(now)
		case announcing:
			r.announce(now)
		}
	}
	for _, l := range r.on {
		if l.pending != 0 && !now.Before(l.due) {
			l.answer(now)
		}
	}
}

// look finds out which links there are. On a new one the names have to be
// claimed; a new address is only told (8.4). One over which something could not
// be sent is new as soon as a question gets through; until then, as where a
// firewall holds all back, the others are left in peace.
func (r *responder) look() error {
	now := time.Now()
	found, err := r.wire.lanes(func(prefixes []netip.Prefix) bool { return len(served(&r.options.Service, prefixes)) > 0 })
	if err != nil {
		return err
	}
	r.remember(now)
	isNew, isOther := false, false
	var on []*link
	for _, one := range found {
		l := r.linkOf(one.index, one.isIPv6)
		if l == nil || l.deaf && one.write(r.claimOn(l), netip.AddrPort{}) == nil {
			l, isNew = &link{}, true
		}
		if told := records(&r.options.Service, r.names, one.prefixes); !sameAddresses(l.records, told) {
			l.records, l.pending, isOther = told, 0, true
		}
		l.lane = one
		on = append(on, l)
	}
	r.on = on
	switch {
	case len(on) == 0:
		r.phase, r.due = settled, time.Time{}
	case isNew:
		r.claim(now)
	case isOther && r.phase != probing:
		r.tell(now)
	}
	return nil
}

func sameAddresses(x, y []record) bool {
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if i >= atAddresses && !x[i].same(&y[i]) {
			return false
		}
	}
	return true
}

func (r *responder) linkOf(index int, isIPv6 bool) *link {
	for _, l := range r.on {
		if l.index == index && l.isIPv6 == isIPv6 {
			return l
		}
	}
	return nil
}

// remember keeps what is to be replaced: it is no conflict when it comes back.
func (r *responder) remember(now time.Time) {
	for _, l := range r.on {
		for i := range l.records {
			r.former = slices.DeleteFunc(r.former, func(one former) bool { return one.same(&l.records[i]) })
			r.former = append(r.former, former{l.records[i], now.Add(echoes)})
		}
	}
}

// forget drops what can't come back any more.
func (r *responder) forget(now time.Time) {
	r.former = slices.DeleteFunc(r.former, func(one former) bool { return now.After(one.until) })
}

// rewrite makes all records anew.
func (r *responder) rewrite() {
	r.remember(time.Now())
	r.names = namesOf(&r.options.Service)
	for _, l := range r.on {
		l.records = records(&r.options.Service, r.names, l.prefixes)
	}
}

// retell announces another text.
func (r *responder) retell() {
	r.rewrite()
	if r.phase != probing && len(r.on) > 0 {
		r.tell(time.Now())
	}
}

// claim begins to ask whether the names are anybody's. Machines that a power cut
// has started all at once don't ask all at once (8.1).
func (r *responder) claim(now time.Time) {
	pause := rand.N(probePause)
	if r.fights >= manyConflicts {
		pause = conflictPause
	}
	r.claimAt(now.Add(pause))
}

func (r *responder) claimAt(begin time.Time) {
	r.phase, r.step, r.due = probing, 0, begin
	for _, l := range r.on {
		l.pending = 0
	}
	r.wire.heed()
}

// probe asks once more, or takes the names. It asks for answers by multicast,
// against what 8.1 recommends: where several programs share the port, an answer
// by unicast comes to any one of them.
func (r *responder) probe(now time.Time) {
	if r.step == probes {
		for _, l := range r.on {
			l.held = true
		}
		r.wire.heed(r.names.service, r.names.types, r.names.instance, r.names.host)
		if r.options.Named != nil {
			r.options.Named(r.options.Service.Instance)
		}
		r.tell(now)
		return
	}
	for _, l := range r.on {
		l.send(r.claimOn(l))
	}
	r.step++
	r.due = now.Add(probePause)
}

// claimOn is the question whether the names are anybody's.
func (r *responder) claimOn(l *link) (packet []byte) {
	m := message{questions: []question{{name: r.names.instance, kind: typeAny}, {name: r.names.host, kind: typeAny}}}
	for _, one := range l.some(announced &^ shared) {
		one.flush = false // (10.2)
		m.authority = append(m.authority, one)
	}
	return m.pack()
}

// tell begins to announce, as soon as that may be said again.
func (r *responder) tell(now time.Time) {
	begin := now
	for _, l := range r.on {
		begin = later(begin, l.mayAgain(announced, sayAgain))
	}
	r.phase, r.step, r.due = announcing, 0, begin
}

func later(x, y time.Time) time.Time {
	if x.After(y) {
		return x
	}
	return y
}

// announce tells all at once, and once more after a second (8.3).
func (r *responder) announce(now time.Time) {
	for _, l := range r.on {
		l.multicast(announced, 0, now)
	}
	r.step++
	r.due = now.Add(sayAgain)
	if r.step == announcements {
		r.phase, r.due = settled, time.Time{}
	}
}

// leave says good-bye where the names are ours (10.1); elsewhere somebody else may
// have them.
func (r *responder) leave() {
	if r.options.Stays != nil && r.options.Stays() {
		return
	}
	for _, l := range r.on {
		if !l.held {
			continue
		}
		for i := range l.records {
			l.records[i].ttl = 0
		}
		l.multicast(announced&^(1<<atTypes), 0, time.Now()) // others may have that type too
	}
}

// mayAgain is when all of these records may be multicast again.
func (l *link) mayAgain(which set, pause time.Duration) (at time.Time) {
	for i := range l.records {
		if which>>i&1 != 0 && !l.said[i].IsZero() {
			at = later(at, l.said[i].Add(pause))
		}
	}
	return at
}

// multicast says these records to all, and more of them for who may need them.
func (l *link) multicast(which, more set, now time.Time) {
	m := message{response: true, answers: l.some(which), more: l.some(more)}
	if len(m.answers) == 0 {
		return
	}
	l.send(m.pack())
	for i := range l.said {
		if (which|more)>>i&1 != 0 {
			l.said[i] = now
		}
	}
	l.pending &^= which
}

// some are the records of a set.
func (l *link) some(which set) (list []record) {
	for i, one := range l.records {
		if which>>i&1 != 0 {
			list = append(list, one)
		}
	}
	return list
}

func (l *link) send(packet []byte) {
	if l.write(packet, netip.AddrPort{}) != nil {
		l.deaf = true
	}
}
