package program

import "strings"

// notifyVariable names the socket on which the program tells of itself, see
// sd_notify(3).
const notifyVariable = "NOTIFY_SOCKET"

// dropped are variables that are not handed down. The mark is that of another
// ota, if ota was itself started by a program of one. The others are for ota
// from the service manager that started it: the program would speak to that
// one, and on behalf of ota.
var dropped = []string{MarkVariable, notifyVariable, watchdogInterval, watchdogPID, listenCount, listenPID, listenNames, "LISTEN_PIDFDID"}

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
