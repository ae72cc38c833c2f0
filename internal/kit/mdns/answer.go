package mdns

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// hear takes a packet. It is the only way in for what others say.
func (r *responder) hear(packet arrival) {
	l := r.linkOf(packet.index, packet.isIPv6)
	if l == nil || !isOnLink(packet.from.Addr(), l.prefixes) {
		return
	}
	m, ok := parse(packet.data)
	if !ok {
		return
	}
	now := time.Now()
	r.forget(now)
	switch {
	case m.response:
		if packet.from.Port() == sharedPort { // (6)
			r.compare(&m, now)
		}
	case r.phase == probing && !l.held:
		r.tiebreak(l, &m, now)
	case packet.from.Port() != sharedPort:
		r.answerLegacy(l, &m, packet.from, now)
	default:
		r.answer(l, &m, packet.from, now)
	}
}

// wanted are the records that a question is about. Of a name that is ours alone
// it is said, too, that there is nothing of that type (6.1).
func (r *responder) wanted(l *link, q question) (which set) {
	for i, one := range l.records {
		isAsked := one.kind == q.kind || q.kind == typeAny && set(1)<<i&negative == 0
		if isAsked && one.name.is(q.name) {
			which |= 1 << i
		}
	}
	if which == 0 {
		switch {
		case q.name.is(r.names.host):
			which = 1 << atNoHost
		case q.name.is(r.names.instance):
			which = 1 << atNoInstance
		}
	}
	return which
}

// known are the records that who asks has already, for half of their time at
// least (7.1).
func (l *link) known(m *message) (which set) {
	for i := range l.records {
		for j := range m.answers {
			if m.answers[j].same(&l.records[i]) && m.answers[j].ttl >= l.records[i].ttl/2 {
				which |= 1 << i
			}
		}
	}
	return which
}

// besides are the records that who gets these will ask for next (RFC 6763, 12).
func besides(which set) (more set) {
	const addresses = announced &^ (1<<atAddresses - 1)
	if which&(1<<atPointer) != 0 {
		more |= 1<<atServer | 1<<atText | addresses
	}
	if which&(1<<atServer) != 0 {
		more |= addresses
	}
	return more &^ which
}

// answer answers who speaks Multicast DNS.
func (r *responder) answer(l *link, m *message, from netip.AddrPort, now time.Time) {
	known := l.known(m)
	if len(m.questions) == 0 { // more of what he knows (7.2)
		if l.asker == from {
			l.pending &^= known
		}
		return
	}
	if isProbe := len(m.authority) > 0; isProbe && !slices.ContainsFunc(m.authority, func(one record) bool { return !r.isOurs(&one) }) {
		return // one of our own, as programs of this machine are to hear us
	}
	var toAll, toOne set
	for _, q := range m.questions {
		if which := r.wanted(l, q); q.unicast && len(m.authority) == 0 {
			toOne |= which
		} else {
			toAll |= which
		}
	}
	// What the others have not heard for long, they hear too (5.4).
	for i, one := range l.records {
		quarter := time.Duration(one.ttl) * time.Second / 4
		if toOne>>i&1 != 0 && (l.said[i].IsZero() || now.Sub(l.said[i]) > quarter) {
			toAll |= 1 << i
		}
	}
	toAll, toOne = toAll&^known, toOne&^(toAll|known)
	if toOne != 0 && r.mayUnicast(now) {
		l.unicast(message{response: true, answers: l.some(toOne), more: l.some(besides(toOne) &^ known)}, from)
	}
	l.prepare(toAll, m, from, now)
}

// prepare puts off what is to be multicast as long as it has to be: not at all
// where nobody else can answer, a moment where others may, and long enough for
// the known answers that were promised (6, 7.2). Who wants one of our names is
// told at once (8.1).
func (l *link) prepare(which set, m *message, from netip.AddrPort, now time.Time) {
	if which == 0 {
		return
	}
	if len(m.authority) > 0 {
		l.defend(which, now)
		return
	}
	pause := time.Duration(0)
	switch {
	case m.truncated:
		pause = 400*time.Millisecond + rand.N(100*time.Millisecond)
	case which&shared != 0:
		pause = 20*time.Millisecond + rand.N(100*time.Millisecond)
	}
	due := later(now.Add(pause), l.mayAgain(which, sayAgain))
	l.asker = from
	if l.pending != 0 { // those who ask all the time must not put it off for ever
		due = later(l.due, l.mayAgain(which, sayAgain))
		l.asker = netip.AddrPort{}
	}
	l.pending, l.due = l.pending|which, due
}

// defend tells who probes that these are ours, before he has asked three times,
// whatever else is put off.
func (l *link) defend(which set, now time.Time) {
	due := l.mayAgain(which, defendAgain)
	if !due.After(now) {
		l.multicast(which, 0, now)
		return
	}
	if l.pending == 0 || due.Before(l.due) {
		l.due = due
	}
	l.pending |= which
}

// answer multicasts what was put off.
func (l *link) answer(now time.Time) {
	more := besides(l.pending)
	for i := range l.records {
		if now.Sub(l.said[i]) < sayAgain { // all have just heard that
			more &^= 1 << i
		}
	}
	l.multicast(l.pending, more, now)
	l.pending = 0
}

// answerLegacy answers who speaks plain DNS from a port of his own, as he expects
// it: with his question, and nothing that only Multicast DNS knows (6.7).
func (r *responder) answerLegacy(l *link, m *message, to netip.AddrPort, now time.Time) {
	if len(m.questions) > mostLegacy {
		return
	}
	var which set
	for _, q := range m.questions {
		which |= r.wanted(l, q)
	}
	known := l.known(m)
	if which &^= known; which == 0 || !r.mayUnicast(now) {
		return
	}
	said := message{id: m.id, response: true, questions: m.questions, answers: l.some(which), more: l.some(besides(which) &^ known)}
	for _, list := range [][]record{said.answers, said.more} {
		for i := range list {
			list[i].flush, list[i].ttl = false, min(list[i].ttl, ttlLegacy)
		}
	}
	l.unicast(said, to)
}

func (l *link) unicast(m message, to netip.AddrPort) {
	// Who can't be reached does not make the link deaf: he may be anybody.
	_ = l.write(m.pack(), to)
}

// mayUnicast counts the answers to single askers.
func (r *responder) mayUnicast(now time.Time) bool {
	if now.Sub(r.second) >= time.Second {
		r.second, r.unicasts = now, 0
	}
	r.unicasts++
	return r.unicasts <= unicasts
}

// compare looks for somebody who says something else of our names. While we only
// ask for them they are his; later on both have to ask again (9).
func (r *responder) compare(m *message, now time.Time) {
	instance, host := false, false
	for _, list := range [][]record{m.answers, m.more} {
		for i := range list {
			if r.contradicts(&list[i]) {
				instance = instance || list[i].name.is(r.names.instance)
				host = host || list[i].name.is(r.names.host)
			}
		}
	}
	if !instance && !host {
		return
	}
	if now.Sub(r.fought) > conflictQuiet {
		r.fights = 0
	}
	r.fights++
	r.fought = now
	for _, l := range r.on {
		l.held = false
	}
	if r.phase == probing {
		r.rename(instance, host)
	}
	r.claim(now)
}

// contradicts tells whether a record is about a name of ours, and not ours.
// Good-byes contradict nobody.
func (r *responder) contradicts(one *record) bool {
	if one.ttl == 0 || one.kind == typeNSEC || !r.names.unique(one.name) || r.isOurs(one) {
		return false
	}
	return r.phase == probing || slices.ContainsFunc(r.on, func(l *link) bool {
		return slices.ContainsFunc(l.records, func(ours record) bool { return ours.kind == one.kind && ours.name.is(one.name) })
	})
}

// isOurs tells whether we say that, or have just said it, on any link: one
// network may be reached by two of them.
func (r *responder) isOurs(one *record) bool {
	return slices.ContainsFunc(r.former, func(ours former) bool { return ours.same(one) }) ||
		slices.ContainsFunc(r.on, func(l *link) bool {
			return slices.ContainsFunc(l.records, func(ours record) bool { return ours.same(one) })
		})
}

// rename takes the next name for what is somebody else's.
func (r *responder) rename(instance, host bool) {
	service := &r.options.Service
	if instance {
		r.renamed.instance++
		service.Instance = another(r.wished.instance, 1+r.renamed.instance)
	}
	if host {
		r.renamed.host++
		service.Host = another(r.wished.host, 1+r.renamed.host)
	}
	r.rewrite()
}

// tiebreak decides between two who ask for the same name at the same time: whose
// records are the greater ones has it, and the other one asks again later (8.2).
func (r *responder) tiebreak(l *link, m *message, now time.Time) {
	for _, name := range []domain{r.names.instance, r.names.host} {
		isOther := false
		for i := range m.authority {
			isOther = isOther || m.authority[i].name.is(name) && r.contradicts(&m.authority[i])
		}
		if isOther && slices.Compare(inOrder(l.some(announced&^shared), name), inOrder(m.authority, name)) < 0 {
			r.claimAt(now.Add(deferProbe))
			return
		}
	}
}

// inOrder are the records of a name as they are compared: by their types, then
// by their data, the least first (8.2.1).
func inOrder(list []record, name domain) (bytes []string) {
	for i := range list {
		if list[i].name.is(name) {
			bytes = append(bytes, string([]byte{byte(list[i].kind >> 8), byte(list[i].kind)})+string(list[i].data))
		}
	}
	slices.Sort(bytes)
	return bytes
}
