package mdns

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWhatTheKernelSays: a look is worth what is about addresses, and a cable that
// was plugged in or out; not that a wifi has counted something.
func TestWhatTheKernelSays(t *testing.T) {
	word := func(kind uint16, index, flags uint32) []byte {
		message := make([]byte, unix.SizeofNlMsghdr+unix.SizeofIfInfomsg+4)
		binary.NativeEndian.PutUint32(message, uint32(len(message)))
		binary.NativeEndian.PutUint16(message[4:], kind)
		binary.NativeEndian.PutUint32(message[unix.SizeofNlMsghdr+4:], index)
		binary.NativeEndian.PutUint32(message[unix.SizeofNlMsghdr+8:], flags)
		return message
	}
	const up, connected = unix.IFF_UP, unix.IFF_UP | unix.IFF_RUNNING
	known := states{}
	for _, test := range []struct {
		name      string
		said      []byte
		isChanged bool
	}{
		{"an interface of which nothing was heard", word(unix.RTM_NEWLINK, 2, up), true},
		{"the same again", word(unix.RTM_NEWLINK, 2, up), false},
		{"a cable", word(unix.RTM_NEWLINK, 2, connected), true},
		{"another flag", word(unix.RTM_NEWLINK, 2, connected|unix.IFF_PROMISC), false},
		{"cut off after what counts", word(unix.RTM_NEWLINK, 2, connected)[:unix.SizeofNlMsghdr+unix.SizeofIfInfomsg], false},
		{"no cable", word(unix.RTM_NEWLINK, 2, up), true},
		{"an address", word(unix.RTM_NEWADDR, 2, 0), true},
		{"an address behind something", slices.Concat(word(unix.RTM_NEWLINK, 2, up), word(unix.RTM_DELADDR, 2, 0)), true},
		{"something behind a cable", slices.Concat(word(unix.RTM_NEWLINK, 2, connected), word(unix.RTM_NEWLINK, 2, connected)), true},
		{"an interface that has gone", word(unix.RTM_DELLINK, 2, 0), true},
		{"nothing", nil, false},
	} {
		if got := known.areChanged(test.said); got != test.isChanged {
			t.Errorf("%s: changed: %v", test.name, got)
		}
	}
}
