package program

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"ota/internal/kit/proc"
)

// holder says who listens on an address, as far as we may know: "nginx
// (process 812)", or nothing.
func holder(network, address string, port int) string {
	var names []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6", "/proc/net/unix"} {
		text, err := os.ReadFile(table)
		if err != nil || strings.HasSuffix(table, "unix") != (network == "unix") {
			continue
		}
		find := func(line string) string { return tcpInode(line, port) }
		if network == "unix" {
			find = func(line string) string { return unixInode(line, address) }
		}
		for line := range bytes.Lines(text) {
			if inode := find(string(line)); inode != "" {
				names = append(names, "socket:["+inode+"]")
			}
		}
	}
	all, err := proc.All()
	if err != nil || len(names) == 0 {
		return ""
	}
	for _, one := range all {
		// A socket is shown in the same way as a pipe.
		if one.PID != os.Getpid() && proc.HoldsPipe(one.PID, names) {
			return fmt.Sprintf("%s (process %d)", one.Name, one.PID)
		}
	}
	return ""
}

// tcpInode returns the inode in a line of /proc/net/tcp or tcp6 if it is of a
// socket that listens on port.
func tcpInode(line string, port int) string {
	const local, state, inode, listens = 1, 3, 9, "0A"
	fields := strings.Fields(line)
	if len(fields) <= inode || fields[state] != listens {
		return ""
	}
	_, hex, _ := strings.Cut(fields[local], ":")
	if number, err := strconv.ParseUint(hex, 16, 16); err != nil || int(number) != port {
		return ""
	}
	return fields[inode]
}

// unixInode returns the inode in a line of /proc/net/unix if it is of a socket
// with this path.
func unixInode(line, address string) string {
	const inode, path = 6, 7
	fields := strings.Fields(line)
	if len(fields) <= path || !strings.HasSuffix(strings.TrimSuffix(line, "\n"), " "+address) {
		return ""
	}
	return fields[inode]
}
