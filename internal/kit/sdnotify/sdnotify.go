// Package sdnotify tells the service manager that started this process how
// things stand (sd_notify(3)).
//
// In: what is to be told. Out: one datagram for each. Never: a wait for a
// manager that does not read; a word where none has asked to be told.
package sdnotify

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// What can be told, beside [Status] and [Extend].
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
	// Reloading is until this process says Ready again.
	Reloading = "RELOADING=1"
	Alive     = "WATCHDOG=1"
)

// sendLimit is for a manager that reads nothing: to be heard is worth no more.
const sendLimit = time.Second

// Manager is who wants to be told. Several goroutines may use it. The zero
// value is nobody.
type Manager struct {
	address  string
	watchdog time.Duration
}

// From finds in the environment who wants to be told; pid is that of this
// process. What is meant for another one (WATCHDOG_PID) does not count.
func From(getenv func(string) string, pid int) Manager {
	m := Manager{address: getenv("NOTIFY_SOCKET")}
	usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	meant := getenv("WATCHDOG_PID")
	if m.Listens() && err == nil && usec > 0 && usec <= longestUsec && (meant == "" || meant == strconv.Itoa(pid)) {
		m.watchdog = time.Duration(usec) * time.Microsecond
	}
	return m
}

// longestUsec is what a [time.Duration] has room for.
const longestUsec = int64(1<<63-1) / int64(time.Microsecond)

// Listens reports whether there is somebody to tell.
func (m Manager) Listens() bool { return m.address != "" }

// Watchdog is how long this process may say nothing; 0: as long as it likes.
func (m Manager) Watchdog() time.Duration { return m.watchdog }

// Tell sends these assignments in one datagram. A path begins with "/"; "@"
// stands for the zero byte of an abstract address (unix(7)). The socket is
// looked up each time, as the manager may have been started anew.
func (m Manager) Tell(assignments ...string) error {
	if !m.Listens() {
		return nil
	}
	if first := m.address[0]; first != '/' && first != '@' {
		return fmt.Errorf("cannot tell the service manager: NOTIFY_SOCKET=%s is no address of a unix socket", m.address)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.address, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("cannot reach the service manager: %w", err)
	}
	_ = conn.SetWriteDeadline(time.Now().Add(sendLimit)) // a socket has one
	_, err = conn.Write([]byte(strings.Join(assignments, "\n")))
	if err = errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("cannot tell the service manager: %w", err)
	}
	return nil
}

// Status is one line in words, as `systemctl status` shows it.
func Status(words string) string {
	return "STATUS=" + strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, words)
}

// Extend asks for as much time for what is under way.
func Extend(by time.Duration) string {
	return "EXTEND_TIMEOUT_USEC=" + strconv.FormatInt(by.Microseconds(), 10)
}
