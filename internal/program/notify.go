package program

import (
	"bytes"
	"strings"
)

// notifyVariable names the socket on which the program says that it is ready,
// see sd_notify(3).
const notifyVariable = "NOTIFY_SOCKET"

// dropped are variables that are not handed down. The mark is that of another
// ota, if ota was itself started by a program of one. The others are for ota
// from the service manager that started it: the program would speak to that
// one, and on behalf of ota.
var dropped = []string{MarkVariable, notifyVariable, "WATCHDOG_USEC", "WATCHDOG_PID"}

// environment returns env with our mark and our socket, and nobody else's.
func environment(env []string, mark, socket string) []string {
	out := make([]string, 0, len(env)+2)
	for _, entry := range env {
		if !isDropped(entry) {
			out = append(out, entry)
		}
	}
	out = append(out, MarkVariable+"="+mark)
	if socket != "" {
		out = append(out, notifyVariable+"="+socket)
	}
	return out
}

func isDropped(entry string) bool {
	for _, name := range dropped {
		if strings.HasPrefix(entry, name+"=") {
			return true
		}
	}
	return false
}

// saysReady says whether a datagram of sd_notify(3), VAR=VALUE on each line,
// has READY=1. One with a zero byte is none, as for systemd.
func saysReady(datagram []byte) bool {
	if bytes.IndexByte(datagram, 0) >= 0 {
		return false
	}
	for line := range bytes.SplitSeq(datagram, []byte{'\n'}) {
		if string(line) == "READY=1" {
			return true
		}
	}
	return false
}
