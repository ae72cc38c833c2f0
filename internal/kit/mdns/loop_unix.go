//go:build unix

package mdns

import "syscall"

// setLoop lets programs of this machine hear what a socket sends to a group.
func setLoop(fd uintptr, isIPv6 bool) {
	if isIPv6 {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_MULTICAST_LOOP, 1)
	} else {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_MULTICAST_LOOP, 1)
	}
}
