package mdns

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTheFilter in the kernel: what is about others wakes nobody.
func TestTheFilter(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	to, err := net.Dial("udp4", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	n := namesOf(new(greenhouse()))
	s := &socket{UDPConn: conn}
	s.heed([]domain{n.service, n.types, n.instance, n.host})
	others := domainOf("_googlecast", "_tcp", "local")
	say := func(name domain) message {
		return message{response: true, answers: []record{{name, typeTXT, true, ttlOther, []byte{0}}}}
	}
	several := asks(typePTR, others)
	several.questions = append(several.questions, several.questions[0])
	for _, test := range []struct {
		name   string
		m      message
		passes bool
	}{
		{"who asks for us", asks(typePTR, n.service), true},
		{"in capitals", asks(typePTR, domainOf("_OTA", "_TCP", "local")), true},
		{"which types there are", asks(typePTR, n.types), true},
		{"an address of ours", asks(typeA, n.host), true},
		{"who asks for others", asks(typePTR, others), false},
		{"several questions", several, true},
		{"more known answers", message{answers: say(others).answers}, true},
		{"what others say of themselves", say(others), false},
		{"what others say of our name", say(n.instance), true},
	} {
		m := test.m
		if _, err := to.Write(m.pack()); err != nil {
			t.Fatal(err)
		}
		// The kernel has decided when Write returns: over the loopback address a
		// packet is in the queue then, or nowhere.
		if got := isThere(t, conn); got != test.passes {
			t.Errorf("%s: passes: %v", test.name, got)
		}
	}
	s.heed(nil)
	if _, err := to.Write((&message{}).pack()); err != nil {
		t.Fatal(err)
	}
	if !isThere(t, conn) {
		t.Error("without names it does not pass all")
	}
}

// isThere takes a packet out of the queue, if there is one.
func isThere(t *testing.T, conn *net.UDPConn) bool {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	there := false
	err = raw.Read(func(fd uintptr) bool {
		_, _, err := unix.Recvfrom(int(fd), make([]byte, mostBytes), unix.MSG_DONTWAIT)
		there = err == nil
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return there
}
