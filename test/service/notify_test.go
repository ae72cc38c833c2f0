//go:build linux

// Package service starts ota as a service manager does, and the service manager
// itself, in a machine of its own.
//
// In: the real binary and what `ota install` makes. Out: whether ota says what
// a manager has to know, and whether the manager keeps it running. Never: the
// services of the machine that the tests run on.
package service

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ota/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// manager is a service manager that only listens.
type manager struct {
	mu   sync.Mutex
	told []string
}

// listen makes what the test starts a service of this manager.
func listen(t *testing.T, address string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", conn.LocalAddr().String())
	m := new(manager)
	var reading sync.WaitGroup
	reading.Go(func() {
		for datagram := make([]byte, 4096); ; {
			n, err := conn.Read(datagram)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			m.mu.Lock()
			m.told = append(m.told, string(datagram[:n]))
			m.mu.Unlock()
		}
	})
	t.Cleanup(func() { conn.Close(); reading.Wait() })
	return m
}

// heard returns all that was told so far.
func (m *manager) heard() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.told...)
}

// count returns how often something with this beginning was told.
func (m *manager) count(beginning string) (n int) {
	for _, one := range m.heard() {
		if strings.HasPrefix(one, beginning) {
			n++
		}
	}
	return n
}

func (m *manager) await(t *testing.T, told string) {
	t.Helper()
	harness.Await(t, "the manager is told "+told, func() bool { return m.count(told) > 0 },
		func() string { return strings.Join(m.heard(), "\n") })
}

const shows = `import os, time
print("manager:", os.environ.get("NOTIFY_SOCKET") == %q, "watchdog:", "WATCHDOG_USEC" in os.environ, flush=True)
time.sleep(1000)
`

// TestTellsItsManager: ready when the program runs, how things stand when that
// changes, and that it stops; and what is between the two is not for the program.
func TestTellsItsManager(t *testing.T) {
	harness.Need(t, "python3")
	address := filepath.Join(t.TempDir(), "notify")
	m := listen(t, address)
	t.Setenv("WATCHDOG_USEC", "60000000")
	d := harness.NewDevice(t, t.TempDir(), harness.Tree{"main.py": harness.File(fmt.Sprintf(shows, address))}, "")
	d.Start()
	m.await(t, "READY=1")
	runs := d.Await("the program runs", func(s harness.Status) bool { return s.Program.PID != 0 && s.Release.Number == 1 })
	m.await(t, fmt.Sprintf("STATUS=the program is running (pid %d); release 1 adopted", runs.Program.PID))
	harness.Await(t, "the program shows its environment",
		func() bool { return strings.Contains(d.Console(), "manager: False watchdog: False") }, d.Console)

	harness.Tree{"main.py": harness.File("print(\n")}.Write(t, d.Deposit())
	m.await(t, fmt.Sprintf("STATUS=the program is running (pid %d); release 1 adopted; the upload of 1 file is held: main.py:1:", runs.Program.PID))

	d.Stop()
	m.await(t, "STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000")
	if n := m.count("READY=1"); n != 1 {
		t.Errorf("it was ready %d times: %q", n, m.heard())
	}
	if n := m.count("STOPPING=1"); n != 1 {
		t.Errorf("it stopped %d times: %q", n, m.heard())
	}
}

// TestReadyWithoutAProgram: to wait for the first upload is no failed start.
func TestReadyWithoutAProgram(t *testing.T) {
	m := listen(t, "") // at an abstract address
	d := harness.NewDevice(t, t.TempDir(), nil, "")
	d.Start()
	m.await(t, "STATUS=waiting for the first upload")
	m.await(t, "READY=1")
	d.Stop()
	if n := m.count("WATCHDOG"); n != 0 {
		t.Errorf("it fed a watchdog %d times that is not there: %q", n, m.heard())
	}
}

// TestWatchdogIsFed while ota lives, and not while it is stopped.
func TestWatchdogIsFed(t *testing.T) {
	m := listen(t, "")
	t.Setenv("WATCHDOG_USEC", "2000000")
	d := harness.NewDevice(t, t.TempDir(), nil, "")
	d.Start()
	beats := func(n int) {
		t.Helper()
		begun := time.Now()
		harness.Await(t, fmt.Sprintf("it has fed the watchdog %d times", n), func() bool { return m.count("WATCHDOG=1") >= n },
			func() string { return strings.Join(m.heard(), "\n") })
		t.Logf("fed %d times after %v", n, time.Since(begun))
	}
	beats(4)
	status, err := d.Status()
	if err != nil {
		t.Fatal(err)
	}
	process, err := os.FindProcess(status.PID)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "it is stopped", func() bool { return isStopped(status.PID) }, func() string { return "it is not" })
	before := len(m.heard())
	<-time.After(3 * time.Second) // in which a living one says it three times
	if after := m.heard(); len(after) != before {
		t.Errorf("a stopped process says %q", after[before:])
	}
	if err := process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	beats(m.count("WATCHDOG=1") + 2)
}

func isStopped(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, found := strings.Cut(string(stat), ") ")
	return err == nil && found && strings.HasPrefix(after, "T")
}
