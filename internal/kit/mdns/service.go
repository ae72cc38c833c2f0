package mdns

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// Service is what is announced.
type Service struct {
	Type     string // such as "_ota._tcp"
	Instance string // what it is called: one label, any text
	Host     string // the label under which its addresses are announced
	Port     uint16
	// Text is what is told of it, "key=value" each (RFC 6763, 6).
	Text []string
	// Serves tells which of the machine's addresses it answers at.
	Serves func(netip.Addr) bool
}

// How long others may believe a record, in seconds: those with the name or the
// address of a host less long (10).
const (
	ttlHost  = 120
	ttlOther = 4500
	// ttlLegacy is the most for who speaks plain DNS (6.7).
	ttlLegacy = 10
)

// The records of a service on one link, by their places. Addresses follow.
const (
	atTypes = iota // that there are services of this type (RFC 6763, 9)
	atPointer
	atServer
	atText
	atNoHost     // that there is no more of the host than this (6.1)
	atNoInstance // and of the instance
	atAddresses
)

// mostAddresses are announced of a link, so that all fits into one packet.
const mostAddresses = 8

// set is one of records, by their places.
type set uint32

const (
	shared    set = 1<<atTypes | 1<<atPointer // others may have such records too
	negative  set = 1<<atNoHost | 1<<atNoInstance
	all       set = 1<<(atAddresses+mostAddresses) - 1
	announced     = all &^ negative
)

// names are those of a service.
type names struct{ types, service, instance, host domain }

func namesOf(s *Service) names {
	service := local(s.Type)
	return names{
		types:    local("_services._dns-sd._udp"),
		service:  service,
		instance: below(s.Instance, service),
		host:     domainOf(s.Host, "local"),
	}
}

// unique tells whether a name is to be nobody else's.
func (n *names) unique(name domain) bool { return name.is(n.instance) || name.is(n.host) }

// records are those of a service on a link with these prefixes.
func records(s *Service, n names, prefixes []netip.Prefix) []record {
	server := binary.BigEndian.AppendUint16(make([]byte, 4), s.Port)
	var text []byte
	for _, one := range s.Text {
		one = cut(one, 255)
		text = append(append(text, byte(len(one))), one...)
	}
	if len(text) == 0 {
		text = []byte{0} // RFC 6763, 6.1
	}
	list := []record{
		atTypes:      {n.types, typePTR, false, ttlOther, []byte(n.service)},
		atPointer:    {n.service, typePTR, false, ttlOther, []byte(n.instance)},
		atServer:     {n.instance, typeSRV, true, ttlHost, append(server, n.host...)},
		atText:       {n.instance, typeTXT, true, ttlOther, text},
		atNoHost:     {},
		atNoInstance: {n.instance, typeNSEC, true, ttlHost, only(n.instance, typeTXT, typeSRV)},
	}
	var kinds []kind
	for _, address := range served(s, prefixes) {
		kind := typeA
		if address.Is6() {
			kind = typeAAAA
		}
		kinds = append(kinds, kind)
		list = append(list, record{n.host, kind, true, ttlHost, address.AsSlice()})
	}
	list[atNoHost] = record{n.host, typeNSEC, true, ttlHost, only(n.host, kinds...)}
	return list
}

// served are the addresses of a link at which the service is.
func served(s *Service, prefixes []netip.Prefix) (list []netip.Addr) {
	for _, prefix := range prefixes {
		address := prefix.Addr().Unmap().WithZone("")
		if s.Serves(address) && len(list) < mostAddresses {
			list = append(list, address)
		}
	}
	return list
}

// only is the data of a record that says which types there are of a name: a map
// of 256 bits (RFC 4034, 4.1), of which no more is sent than is needed.
func only(name domain, kinds ...kind) []byte {
	var bits [6]byte
	length := 0
	for _, kind := range kinds {
		bits[kind/8] |= 0x80 >> (kind % 8)
		length = max(length, int(kind/8)+1)
	}
	data := []byte(name)
	if length == 0 {
		return data
	}
	return append(append(data, 0, byte(length)), bits[:length]...)
}

// another is a name for what was to be called base, which is somebody's: the
// second, third … of them (9).
func another(base string, number int) string {
	end := "-" + strconv.Itoa(number)
	return cut(base, longestLabel-len(end)) + end
}
