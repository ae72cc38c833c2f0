package program

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// The variables by which a program finds its sockets, see sd_listen_fds(3).
const (
	listenCount = "LISTEN_FDS"
	listenNames = "LISTEN_FDNAMES"
	listenPID   = "LISTEN_PID"
)

// firstSocket is the number of the first socket's descriptor in the program.
const firstSocket = 3

// Socket is one on which the program listens. The room opens it and keeps it
// from one program to the next, so that connections wait in its queue while
// none runs, instead of being refused.
type Socket struct {
	Network string // "tcp" or "unix"
	// Address is "host:port" or an absolute path. Of the addresses of a name
	// the first of IPv4 is taken, of IPv6 if there is no other; without a host
	// all of the machine are, of both.
	Address string
	Name    string // in LISTEN_FDNAMES; empty: "unknown", as with systemd
}

// String is the address.
func (s Socket) String() string { return s.Address }

// SocketError says on which socket the program can't listen, and why.
type SocketError struct {
	Socket Socket
	Err    error
	hint   string
}

// Error names the socket.
func (e *SocketError) Error() string { return fmt.Sprintf("cannot listen on %s: %v", e.Socket, e.Err) }

// Unwrap returns why.
func (e *SocketError) Unwrap() error { return e.Err }

// Hint is what the person who reads it can do, or empty.
func (e *SocketError) Hint() string { return e.hint }

// errSockets: those of the program that runs are closed by the start of one that
// has others.
var errSockets = errors.New("it listens on other sockets than the program that runs")

// listenFor is what a program is told of its sockets, but for LISTEN_PID.
func listenFor(wanted []Socket) []string {
	if len(wanted) == 0 {
		return nil
	}
	names := make([]string, len(wanted))
	for i, one := range wanted {
		names[i] = socketName(one.Name)
	}
	return []string{
		listenCount + "=" + strconv.Itoa(len(wanted)),
		listenNames + "=" + strings.Join(names, ":"),
	}
}

// socketName returns name as sd_listen_fds_with_names(3) takes it.
func socketName(name string) string {
	if name == "" {
		return "unknown"
	}
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == ':' {
			return '_'
		}
		return r
	}, name)
	return clean[:min(len(clean), 255)]
}

// shell starts programs that get sockets: LISTEN_PID must be the program's own
// number, and between fork and exec nobody but a shell could set it for us.
const shell = "/bin/sh"

// pidScript says the process's own number in variables, and becomes the
// program. What is not a name for a shell, "my.var", may be lost on the way:
// dash passes on what it can name.
func pidScript(variables ...string) string {
	var script strings.Builder
	for _, name := range variables {
		fmt.Fprintf(&script, "%s=$$; export %s; ", name, name)
	}
	return script.String() + `exec "$@"`
}

// throughShell returns the command that ends up as argv, in the same process
// and under the same name, with its number in these variables.
func throughShell(argv []string, variables ...string) []string {
	return append([]string{shell, "-c", pidScript(variables...), "sh"}, argv...)
}

// mayExecute is the error that a start of path in dir will end with, as far as
// that can be told: behind a shell it would be an exit code.
func mayExecute(path, dir string) error {
	if !strings.HasPrefix(path, string(os.PathSeparator)) {
		path = dir + string(os.PathSeparator) + path
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return &os.PathError{Op: "exec", Path: path, Err: syscall.EISDIR}
	case info.Mode().Perm()&0o111 == 0:
		return &os.PathError{Op: "exec", Path: path, Err: syscall.EACCES}
	}
	return nil
}
