// Package mdns makes a service known on the local network, and finds services
// there: Multicast DNS (RFC 6762) and as much of DNS-Based Service Discovery
// (RFC 6763) as one service of one type needs.
//
// In: packets of anybody on the same link; the service to be announced, or the
// type that is looked for. Out: the service, under names that are nobody else's;
// or who says that he has such a service. Never: an answer to who is not on the
// link; a timer while nothing is going on; a belief in what others say.
//
// The numbers in the comments are the sections of RFC 6762 where nothing else
// stands before them.
package mdns

import (
	"net/netip"
	"slices"
	"strings"
)

// sharedPort is that of Multicast DNS. All programs of a machine that speak it
// listen there.
const sharedPort = 5353

// The groups that all who speak it have joined.
var (
	group4 = netip.AddrFrom4([4]byte{224, 0, 0, 251})
	group6 = netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 0xfb})
)

// groupOf is the group of one family of addresses.
func groupOf(isIPv6 bool) netip.Addr {
	if isIPv6 {
		return group6
	}
	return group4
}

// domain is a name of the DNS as it stands in a packet, without compression: each
// label behind its length, and a zero byte at the end. So a label may hold any
// byte, dots too.
type domain string

// longestLabel and longestName are what the DNS has room for (RFC 1035, 2.3.4).
const (
	longestLabel = 63
	longestName  = 255
)

// domainOf makes a name of labels. What is too long of a label is cut off.
func domainOf(labels ...string) domain {
	var name []byte
	for _, label := range labels {
		label = cut(label, longestLabel)
		name = append(append(name, byte(len(label))), label...)
	}
	return domain(append(name, 0))
}

// below is the name of a label in front of another name.
func below(label string, name domain) domain {
	first := domainOf(label)
	return first[:len(first)-1] + name
}

// local is the name of a service type, or of a host, on the local link.
func local(dotted string) domain {
	return domainOf(append(strings.Split(dotted, "."), "local")...)
}

// first is the first label; empty: there is none.
func (n domain) first() string {
	if len(n) == 0 || len(n) < 1+int(n[0]) {
		return ""
	}
	return string(n[1 : 1+n[0]])
}

// rest is the name without its first label.
func (n domain) rest() domain {
	if label := n.first(); label != "" {
		return n[1+len(label):]
	}
	return n
}

// is compares two names as the DNS does: letters of ASCII are the same in upper
// and lower case, and nothing else is (16). Lengths are no letters.
func (n domain) is(other domain) bool {
	if len(n) != len(other) {
		return false
	}
	for i := range len(n) {
		if lower(n[i]) != lower(other[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c |= 0x20
	}
	return c
}

// cut leaves so many bytes of a text, and no part of a character at the end.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && text[most]&0xc0 == 0x80 {
		most--
	}
	return text[:most]
}

// isOnLink tells whether an address is one of the link with these prefixes; what
// comes from elsewhere is not heard (11).
func isOnLink(from netip.Addr, prefixes []netip.Prefix) bool {
	from = from.Unmap().WithZone("")
	return from.IsLinkLocalUnicast() || slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(from) })
}
