package mdns

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// wireOf is a network in memory: what the responder says is kept, with the time.
type wireOf struct {
	t       *testing.T
	began   time.Time
	on      []lane
	said    []saying
	packets chan arrival
	changed chan struct{}
	texts   chan []string
	heeded  []domain

	mutex  sync.Mutex   // guards said and broken
	broken map[int]bool // links that send nothing
}

// saying is a packet that the responder sent.
type saying struct {
	after time.Duration
	index int
	to    netip.AddrPort // not valid: to all
	message
}

func (w *wireOf) lanes(wanted func([]netip.Prefix) bool) ([]lane, error) {
	return slices.DeleteFunc(slices.Clone(w.on), func(l lane) bool { return !wanted(l.prefixes) }), nil
}

func (w *wireOf) heed(names ...domain) { w.heeded = names }

// add makes one more link, with addresses such as "192.168.1.20/24".
func (w *wireOf) add(index int, prefixes ...string) {
	one := lane{index: index}
	for _, prefix := range prefixes {
		one.prefixes = append(one.prefixes, netip.MustParsePrefix(prefix))
	}
	one.write = func(packet []byte, to netip.AddrPort) error {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		if w.broken[index] {
			return errors.New("network is unreachable")
		}
		m, ok := parse(packet)
		if !ok || len(packet) > 1400 {
			w.t.Errorf("%d bytes were sent that are no packet: %x", len(packet), packet)
		}
		w.said = append(w.said, saying{time.Since(w.began), index, to, m})
		return nil
	}
	w.on = append(w.on, one)
}

const (
	here      = "192.168.1.20/24"
	neighbour = "192.168.1.7"
)

func greenhouse() Service {
	return Service{
		Type: "_ota._tcp", Instance: "greenhouse", Host: "ota-1a2b3c4d", Port: 8484, Text: []string{"txtvers=1"},
		Serves: func(netip.Addr) bool { return true },
	}
}

// within runs a responder in virtual time, until do returns.
func within(t *testing.T, options Options, do func(*wireOf)) *wireOf {
	w := &wireOf{broken: map[int]bool{}}
	synctest.Test(t, func(t *testing.T) {
		w.t, w.began = t, time.Now()
		w.packets, w.changed, w.texts = make(chan arrival), make(chan struct{}), make(chan []string)
		options.Text = w.texts
		w.add(1, here)
		if options.Service.Type == "" {
			options.Service = greenhouse()
		}
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- respond(ctx, w, w.packets, w.changed, options) }()
		synctest.Wait()
		do(w)
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

// pass lets time go by.
func (w *wireOf) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// hear brings a packet of the neighbour, from a port.
func (w *wireOf) hear(port uint16, m message) {
	w.hearFrom(netip.AddrPortFrom(netip.MustParseAddr(neighbour), port), m)
}

func (w *wireOf) hearFrom(from netip.AddrPort, m message) { w.hearOn(1, from, m) }

func (w *wireOf) hearOn(index int, from netip.AddrPort, m message) {
	w.packets <- arrival{index: index, from: from, data: m.pack()}
	synctest.Wait()
}

// change says that there may be other links.
func (w *wireOf) change() {
	w.changed <- struct{}{}
	synctest.Wait()
}

// echo brings what was said before.
func (w *wireOf) echo(said ...saying) {
	for _, one := range said {
		w.hearFrom(netip.AddrPortFrom(netip.MustParsePrefix(here).Addr(), sharedPort), one.message)
	}
}

// fresh returns what was said since the last call.
func (w *wireOf) fresh() []saying {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	said := w.said
	w.said = nil
	return said
}

// breaks says whether nothing can be sent over a link from now on.
func (w *wireOf) breaks(index int, broken bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.broken[index] = broken
}

// settle waits until the names are announced, and everything is silent.
func (w *wireOf) settle() {
	w.pass(time.Minute)
	w.fresh()
}

func asks(kind kind, name domain) message {
	return message{questions: []question{{name: name, kind: kind}}}
}

// kinds are the answers of a packet, in letters that can be compared.
func kinds(list []record) string {
	var all []string
	for _, one := range list {
		all = append(all, map[kind]string{typeA: "A", typeAAAA: "AAAA", typePTR: "PTR", typeSRV: "SRV", typeTXT: "TXT", typeNSEC: "NSEC"}[one.kind])
	}
	return strings.Join(all, " ")
}

// TestTheNamesAreProbedAndAnnounced: three questions a quarter of a second apart,
// then two announcements a second apart, and then nothing for a day.
func TestTheNamesAreProbedAndAnnounced(t *testing.T) {
	named := ""
	w := within(t, Options{Named: func(name string) { named = name }}, func(w *wireOf) { w.pass(24 * time.Hour) })
	if len(w.said) != 6 {
		t.Fatalf("%d packets were sent: %v", len(w.said), w.said)
	}
	first := w.said[0].after
	if first >= probePause {
		t.Errorf("the first question came after %v", first)
	}
	for i, after := range []time.Duration{0, 250, 500, 750, 1750} {
		said := w.said[i]
		if said.after-first != after*time.Millisecond || said.to.IsValid() {
			t.Errorf("packet %d was sent after %v, to %v", i, said.after-first, said.to)
		}
		if said.response != (i >= probes) {
			t.Errorf("packet %d: a response is %v", i, said.response)
		}
	}
	if probe := w.said[0]; kinds(probe.authority) != "SRV TXT A" || len(probe.questions) != 2 || probe.questions[0].kind != typeAny {
		t.Errorf("it is probed for %s with %v", kinds(probe.authority), probe.questions)
	}
	if told := w.said[3]; kinds(told.answers) != "PTR PTR SRV TXT A" || told.answers[0].flush || !told.answers[2].flush {
		t.Errorf("announced: %s, %v", kinds(told.answers), told.answers)
	}
	if bye := w.said[5]; kinds(bye.answers) != "PTR SRV TXT A" || bye.answers[0].ttl != 0 {
		t.Errorf("at the end: %s, %v", kinds(bye.answers), bye.answers)
	}
	if named != "greenhouse" {
		t.Errorf("it is called %q", named)
	}
}

// TestWhoGoesOnSaysNoGoodBye: as when another ota takes over.
func TestWhoGoesOnSaysNoGoodBye(t *testing.T) {
	w := within(t, Options{Stays: func() bool { return true }}, (*wireOf).settle)
	if len(w.said) != 0 {
		t.Errorf("said: %v", w.said)
	}
}

// TestGoodByeIsSaidWhereItWasAnnounced, and not where the names are only asked
// for: there they may be somebody else's.
func TestGoodByeIsSaidWhereItWasAnnounced(t *testing.T) {
	w := within(t, Options{}, func(w *wireOf) {
		w.settle()
		w.add(2, "10.0.0.2/8")
		w.change()
		w.pass(300 * time.Millisecond)
		w.fresh()
	})
	if len(w.said) != 1 || w.said[0].index != 1 || kinds(w.said[0].answers) != "PTR SRV TXT A" || w.said[0].answers[0].ttl != 0 {
		t.Errorf("said: %v", w.said)
	}
}

// TestNothingIsTakenThatIsSomebodys: one who answers while we probe has the name;
// we are the second one of it then.
func TestNothingIsTakenThatIsSomebodys(t *testing.T) {
	named := ""
	w := within(t, Options{Named: func(name string) { named = name }}, func(w *wireOf) {
		w.pass(300 * time.Millisecond)
		theirs := namesOf(new(greenhouse()))
		w.hear(sharedPort, message{response: true, answers: []record{{theirs.instance, typeSRV, true, 120, []byte("\x00\x00\x00\x00\x00\x50\x05other\x05local\x00")}}})
		w.pass(time.Minute)
	})
	if named != "greenhouse-2" {
		t.Errorf("it is called %q", named)
	}
	for _, said := range w.said {
		if said.response && domain(said.answers[0].data).first() == "greenhouse" {
			t.Errorf("the name of somebody else was announced: %v", said)
		}
	}
}

// TestSimultaneousProbes: the one whose records are greater goes on, the other
// one waits for a second, and then hears that the name is taken.
func TestSimultaneousProbes(t *testing.T) {
	theirs := namesOf(new(greenhouse()))
	for _, port := range []string{"\x00\x50", "\xff\xff"} { // theirs is less, and more
		w := within(t, Options{}, func(w *wireOf) {
			w.pass(300 * time.Millisecond)
			w.fresh()
			w.hear(sharedPort, message{
				questions: []question{{name: theirs.instance, kind: typeAny}},
				authority: []record{
					{theirs.instance, typeTXT, false, ttlOther, []byte("\x09txtvers=1")},
					{theirs.instance, typeSRV, false, ttlHost, []byte("\x00\x00\x00\x00" + port + "\x05other\x05local\x00")},
				},
			})
			w.pass(900 * time.Millisecond)
		})
		announced := slices.ContainsFunc(w.said, func(s saying) bool { return s.response })
		if isMore := port == "\xff\xff"; announced == isMore {
			t.Errorf("theirs is greater: %v; we took the name: %v", isMore, announced)
		}
	}
}

// TestANameIsDefended: who probes for our name hears at once that it is taken,
// also if all heard it half a second ago.
func TestANameIsDefended(t *testing.T) {
	ours := namesOf(new(greenhouse()))
	within(t, Options{}, func(w *wireOf) {
		w.settle()
		w.hear(sharedPort, asks(typePTR, ours.service))
		w.pass(200 * time.Millisecond)
		w.hear(sharedPort, asks(typePTR, ours.service)) // its answer is put off for most of a second
		w.pass(defendAgain)
		w.fresh()
		for range 2 {
			w.hear(sharedPort, message{
				questions: []question{{name: ours.instance, kind: typeAny, unicast: true}},
				authority: []record{{ours.instance, typeSRV, false, 120, []byte("\x00\x00\x00\x00\x00\x50\x05other\x05local\x00")}},
			})
			if said := w.fresh(); len(said) != 1 || kinds(said[0].answers) != "SRV TXT" || said[0].to.IsValid() {
				w.t.Errorf("said: %v", said)
			}
			w.pass(defendAgain)
		}
	})
}

// TestANameIsDefendedWhileItIsClaimedElsewhere: a new network is no reason to let
// go what is ours in the others.
func TestANameIsDefendedWhileItIsClaimedElsewhere(t *testing.T) {
	ours := namesOf(new(greenhouse()))
	within(t, Options{}, func(w *wireOf) {
		w.settle()
		w.add(2, "10.0.0.2/8")
		w.change()
		w.pass(300 * time.Millisecond)
		w.fresh()
		w.hear(sharedPort, message{
			questions: []question{{name: ours.instance, kind: typeAny}},
			authority: []record{{ours.instance, typeSRV, false, 120, []byte("\xff\xff\xff\xff\xff\xff\x05other\x05local\x00")}},
		})
		if said := w.fresh(); len(said) != 1 || kinds(said[0].answers) != "SRV TXT" {
			w.t.Errorf("said: %v", said)
		}
	})
}

// TestWhoSaysOtherwiseMakesUsAskAgain: a name that two have, as after two
// networks have become one, is probed for again.
func TestWhoSaysOtherwiseMakesUsAskAgain(t *testing.T) {
	ours := namesOf(new(greenhouse()))
	within(t, Options{}, func(w *wireOf) {
		w.settle()
		claim := message{response: true, answers: []record{{ours.host, typeA, true, 120, []byte{192, 168, 1, 7}}}}
		w.hear(5000, claim)
		w.pass(time.Minute)
		if said := w.fresh(); len(said) != 0 {
			w.t.Errorf("a response from another port counts: %v", said)
		}
		w.hear(sharedPort, claim)
		w.pass(time.Minute)
		if said := w.fresh(); len(said) != 5 || said[0].response {
			w.t.Errorf("said: %v", said)
		}
	})
}

// TestManyConflictsCostAPause, and are forgotten after a while without one (8.1).
func TestManyConflictsCostAPause(t *testing.T) {
	host := namesOf(new(greenhouse())).host
	within(t, Options{}, func(w *wireOf) {
		w.settle()
		asksSoon := func() bool {
			w.hear(sharedPort, message{response: true, answers: []record{{host, typeA, true, 120, []byte{192, 168, 1, 7}}}})
			w.pass(probePause)
			said := w.fresh()
			if len(said) > 0 {
				host = said[0].questions[1].name
			}
			return len(said) > 0
		}
		for i := range manyConflicts - 1 {
			if !asksSoon() {
				w.t.Fatalf("after %d conflicts there is a pause", i+1)
			}
		}
		if asksSoon() {
			w.t.Error("after many conflicts there is no pause")
		}
		w.pass(conflictPause)
		host = w.fresh()[0].questions[1].name
		w.settle()
		if !asksSoon() {
			w.t.Error("the conflicts are never forgotten")
		}
	})
}

// TestOurOwnWordsAreNoConflict, also if they come back after others have taken
// their place: as over a second way into the same network.
func TestOurOwnWordsAreNoConflict(t *testing.T) {
	var names []string
	within(t, Options{Named: func(name string) { names = append(names, name) }}, func(w *wireOf) {
		w.add(2, "192.168.1.21/24")
		w.change()
		w.pass(time.Minute)
		before := w.fresh()
		w.texts <- []string{"release=2"}
		w.echo(before...)
		w.pass(time.Second)
		if said := w.fresh(); slices.ContainsFunc(said, func(s saying) bool { return !s.response }) {
			w.t.Errorf("it asks whether its names are its own: %v", said)
		}
		w.on = w.on[:1]
		w.change()
		w.add(3, "10.0.0.2/8") // for which it asks
		w.change()
		w.echo(before...)
		w.settle()
		for _, name := range names {
			if name != "greenhouse" {
				w.t.Errorf("it is called %q", name)
			}
		}
		w.echo(before...)
		w.pass(time.Second)
		if said := w.fresh(); !slices.ContainsFunc(said, func(s saying) bool { return !s.response }) {
			w.t.Errorf("what was long ago is somebody else's: %v", said)
		}
	})
}

// TestOurOwnQuestionIsNotAnswered: it comes back from each socket of this machine
// that has joined the group.
func TestOurOwnQuestionIsNotAnswered(t *testing.T) {
	within(t, Options{}, func(w *wireOf) {
		w.settle()
		w.add(2, "10.0.0.2/8")
		w.change()
		w.pass(probePause)
		w.echo(w.fresh()...)
		if said := w.fresh(); slices.ContainsFunc(said, func(s saying) bool { return s.response }) {
			w.t.Errorf("said to itself: %v", said)
		}
	})
}

// TestWhatIsOursOnAnotherLinkIsNoConflict: one network may be reached by cable
// and by wifi.
func TestWhatIsOursOnAnotherLinkIsNoConflict(t *testing.T) {
	ours := namesOf(new(greenhouse()))
	within(t, Options{}, func(w *wireOf) {
		w.add(2, "192.168.1.21/24")
		w.change()
		w.settle()
		w.hear(sharedPort, message{response: true, answers: []record{{ours.host, typeA, true, 120, []byte{192, 168, 1, 21}}}})
		w.pass(time.Minute)
		if said := w.fresh(); len(said) != 0 {
			w.t.Errorf("said: %v", said)
		}
	})
}

// TestQuestions are those that there are, each answered by what belongs to it.
func TestQuestions(t *testing.T) {
	ours := namesOf(new(greenhouse()))
	loud := domainOf("_OTA", "_tcp", "LOCAL")
	for _, test := range []struct {
		name    string
		ask     message
		port    uint16
		answers string
		more    string
		toAll   bool
		atOnce  bool
	}{
		{"who is there", asks(typePTR, ours.service), sharedPort, "PTR", "SRV TXT A", true, false},
		{"in capitals", asks(typePTR, loud), sharedPort, "PTR", "SRV TXT A", true, false},
		{"which types are there", asks(typePTR, ours.types), sharedPort, "PTR", "", true, false},
		{"where is it", asks(typeSRV, ours.instance), sharedPort, "SRV", "A", true, true},
		{"what is said of it", asks(typeTXT, ours.instance), sharedPort, "TXT", "", true, true},
		{"all of it", asks(typeAny, ours.instance), sharedPort, "SRV TXT", "A", true, true},
		{"its address", asks(typeA, ours.host), sharedPort, "A", "", true, true},
		{"an address that it has not", asks(typeAAAA, ours.host), sharedPort, "NSEC", "", true, true},
		{"of another", asks(typeA, domainOf("other", "local")), sharedPort, "", "", true, true},
		{"plain DNS", asks(typePTR, ours.service), 40000, "PTR", "SRV TXT A", false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			within(t, Options{}, func(w *wireOf) {
				w.settle()
				w.hear(test.port, test.ask)
				said := w.fresh()
				if (len(said) > 0) != (test.atOnce && test.answers != "") {
					w.t.Errorf("at once: %v", said)
				}
				w.pass(120 * time.Millisecond)
				said = append(said, w.fresh()...)
				if test.answers == "" && len(said) == 0 {
					return
				}
				if len(said) != 1 {
					w.t.Fatalf("said: %v", said)
				}
				if got := kinds(said[0].answers); got != test.answers {
					w.t.Errorf("answers: %q, not %q", got, test.answers)
				}
				if got := kinds(said[0].more); got != test.more {
					w.t.Errorf("more: %q, not %q", got, test.more)
				}
				if said[0].to.IsValid() == test.toAll {
					w.t.Errorf("sent to %v", said[0].to)
				}
			})
		})
	}
}

// TestPlainDNSIsAnsweredAsItExpects: its number, its question, no bit that it
// does not know, and nothing to be kept for long (6.7).
func TestPlainDNSIsAnsweredAsItExpects(t *testing.T) {
	ours := namesOf(new(greenhouse()))
	within(t, Options{}, func(w *wireOf) {
		w.settle()
		ask := asks(typeSRV, ours.instance)
		ask.id = 4711
		w.hear(40000, ask)
		said := w.fresh()
		if len(said) != 1 || said[0].id != 4711 || len(said[0].questions) != 1 {
			w.t.Fatalf("said: %v", said)
		}
		if one := said[0].answers[0]; one.flush || one.ttl > ttlLegacy {
			w.t.Errorf("said: %v", one)
		}
	})
}

// TestWhatIsKnownIsNotSaid, also when that comes in a second packet (7.1, 7.2).
func TestWhatIsKnownIsNotSaid(t *testing.T) {
	ours := namesOf(new(greenhouse()))
	pointer := record{ours.service, typePTR, false, ttlOther, []byte(ours.instance)}
	old := pointer
	old.ttl = ttlOther/2 - 1
	for _, test := range []struct {
		name  string
		say   []message
		heard int
	}{
		{"known", []message{{questions: asks(typePTR, ours.service).questions, answers: []record{pointer}}}, 0},
		{"known for too long", []message{{questions: asks(typePTR, ours.service).questions, answers: []record{old}}}, 1},
		{"in a second packet", []message{{truncated: true, questions: asks(typePTR, ours.service).questions}, {answers: []record{pointer}}}, 0},
		{"by somebody else", []message{asks(typePTR, ours.service), {truncated: true, questions: asks(typePTR, ours.service).questions}, {answers: []record{pointer}}}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			within(t, Options{}, func(w *wireOf) {
				w.settle()
				for i, m := range test.say {
					from := netip.AddrPortFrom(netip.MustParseAddr(neighbour), sharedPort)
					if test.name == "by somebody else" && i == 0 {
						from = netip.AddrPortFrom(netip.MustParseAddr("192.168.1.8"), sharedPort)
					}
					w.hearFrom(from, m)
				}
				w.pass(time.Second)
				if said := w.fresh(); len(said) != test.heard {
					w.t.Errorf("said: %v", said)
				}
			})
		})
	}
}

// TestNobodyMakesItTalkMuch: a record is multicast once in a second at most,
// however often it is asked for, and single askers get twenty answers together.
func TestNobodyMakesItTalkMuch(t *testing.T) {
	ours := namesOf(new(greenhouse()))
	for _, port := range []uint16{sharedPort, 40000} {
		within(t, Options{}, func(w *wireOf) {
			w.settle()
			const seconds = 5
			for range seconds * 100 {
				w.hear(port, asks(typePTR, ours.service))
				w.pass(10 * time.Millisecond)
			}
			w.pass(2 * time.Second)
			most := seconds + 1
			if port != sharedPort {
				most = seconds * unicasts
			}
			if said := len(w.fresh()); said > most || said < seconds {
				w.t.Errorf("to port %d: %d packets were sent in %d seconds", port, said, seconds)
			}
		})
	}
}

// TestWhoIsElsewhereIsNotAnswered: an address of no network of ours is that of
// somebody who is to be flooded, or one who should not hear of us (11).
func TestWhoIsElsewhereIsNotAnswered(t *testing.T) {
	ours := namesOf(new(greenhouse()))
	within(t, Options{}, func(w *wireOf) {
		w.settle()
		for _, port := range []uint16{sharedPort, 40000} {
			w.hearFrom(netip.AddrPortFrom(netip.MustParseAddr("203.0.113.5"), port), asks(typePTR, ours.service))
		}
		w.pass(time.Second)
		if said := w.fresh(); len(said) != 0 {
			w.t.Errorf("said: %v", said)
		}
	})
}

// TestUnicastIfAskedFor: who wants it gets it alone, unless it is long ago that
// all have heard it (5.4).
func TestUnicastIfAskedFor(t *testing.T) {
	ours := namesOf(new(greenhouse()))
	ask := asks(typeTXT, ours.instance)
	ask.questions[0].unicast = true
	within(t, Options{}, func(w *wireOf) {
		w.settle()
		w.hear(sharedPort, ask)
		if said := w.fresh(); len(said) != 1 || !said[0].to.IsValid() {
			w.t.Errorf("said: %v", said)
		}
		w.pass(ttlOther * time.Second)
		w.hear(sharedPort, ask)
		if said := w.fresh(); len(said) != 1 || said[0].to.IsValid() {
			w.t.Errorf("said: %v", said)
		}
	})
}

// TestNetworksComeAndGo: without one there is nothing to do; on a new one the
// names are claimed, a new address is told, and what is gone is left alone.
func TestNetworksComeAndGo(t *testing.T) {
	within(t, Options{}, func(w *wireOf) {
		w.settle()
		w.on = nil
		w.change()
		w.pass(time.Hour)
		if said := w.fresh(); len(said) != 0 {
			w.t.Errorf("said into nothing: %v", said)
		}
		w.add(2, "10.0.0.2/8")
		w.change()
		w.pass(time.Hour)
		if said := w.fresh(); len(said) != 5 || said[0].index != 2 || said[0].response {
			w.t.Errorf("on a new network: %v", said)
		}
		w.on = nil
		w.add(2, "10.0.0.3/8")
		w.change()
		w.pass(time.Hour)
		if said := w.fresh(); len(said) != 2 || !said[0].response || kinds(said[0].answers) != "PTR PTR SRV TXT A" {
			w.t.Errorf("with a new address: %v", said)
		}
		w.change()
		w.pass(time.Hour)
		if said := w.fresh(); len(said) != 0 {
			w.t.Errorf("nothing has changed: %v", said)
		}
	})
}

// TestNothingIsOursWhereThereIsNoNetwork: on the next one somebody else may have
// the names.
func TestNothingIsOursWhereThereIsNoNetwork(t *testing.T) {
	ours := namesOf(new(greenhouse()))
	within(t, Options{}, func(w *wireOf) {
		w.settle()
		w.on = nil
		w.change()
		w.add(2, "10.0.0.2/8")
		w.change()
		w.pass(300 * time.Millisecond)
		w.fresh()
		w.hearOn(2, netip.MustParseAddrPort("10.0.0.7:5353"), asks(typeSRV, ours.instance))
		if said := w.fresh(); len(said) != 0 {
			w.t.Errorf("said before it was asked for: %v", said)
		}
	})
}

// TestALinkThatCouldNotSend is claimed anew when something has changed: an
// address may not be usable as soon as it is there. Until then the other links
// are left in peace, however often something changes: a firewall may hold back
// all for good.
func TestALinkThatCouldNotSend(t *testing.T) {
	within(t, Options{}, func(w *wireOf) {
		w.breaks(2, true)
		w.add(2, "10.0.0.2/8")
		w.change()
		w.settle()
		for range 3 {
			w.change()
			w.pass(time.Minute)
		}
		if said := w.fresh(); len(said) != 0 {
			w.t.Errorf("nothing can be sent yet, and all is said again: %v", said)
		}
		w.breaks(2, false)
		w.change()
		w.pass(time.Minute)
		said := slices.DeleteFunc(w.fresh(), func(s saying) bool { return s.index != 2 })
		if len(said) != 1+probes+announcements {
			w.t.Errorf("said: %v", said)
		}
	})
}

// TestAnotherText is told, not more often than once in a second.
func TestAnotherText(t *testing.T) {
	within(t, Options{}, func(w *wireOf) {
		w.settle()
		for i := range 3 {
			w.texts <- []string{"release=" + string(rune('1'+i))}
			synctest.Wait()
		}
		w.pass(time.Minute)
		said := w.fresh()
		if len(said) == 0 || len(said) > 3 || !strings.Contains(string(said[len(said)-1].answers[3].data), "release=3") {
			w.t.Errorf("said: %v", said)
		}
	})
}

// TestOnlyWhatIsServedIsTold: a page at one address is not announced on others.
func TestOnlyWhatIsServedIsTold(t *testing.T) {
	service := greenhouse()
	service.Serves = func(a netip.Addr) bool { return a == netip.MustParseAddr("192.168.1.20") }
	within(t, Options{Service: service}, func(w *wireOf) {
		w.add(2, "10.0.0.2/8")
		w.change()
		w.pass(time.Minute)
		for _, said := range w.fresh() {
			if said.index != 1 {
				w.t.Errorf("said elsewhere: %v", said)
			}
		}
	})
}
