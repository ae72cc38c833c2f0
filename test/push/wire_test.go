//go:build linux

package push

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"ota/test/harness"
)

// depositVariable names deposit/ of the device to the same.
const depositVariable = "OTA_TEST_DEPOSIT"

// killAtFile runs the device's side until so many paths are in deposit/, and tells
// whether it was killed then. Nil: no call can be decided about on this machine.
var killAtFile func(side *exec.Cmd, deposit string, count int) (killed bool, err error)

// counting counts what is written.
type counting struct {
	to    io.Writer
	bytes atomic.Int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.bytes.Add(int64(n))
	return n, err
}

// mouth is what the device says, on its way back.
type mouth struct {
	at      int64 // -1: nowhere
	so      int64
	flipped byte
	said    func() // at was said
}

func (m *mouth) flip(at int64) { m.at, m.flipped = at, 0x20 }

func (m *mouth) after(at int64, said func()) { m.at, m.said = at, said }

func (m *mouth) Write(p []byte) (int, error) {
	p = bytes.Clone(p)
	i := m.at - m.so
	hit := m.at >= 0 && i >= 0 && i < int64(len(p))
	if hit {
		p[i] ^= m.flipped
	}
	n, err := os.Stdout.Write(p)
	m.so += int64(n)
	if hit {
		m.said()
	}
	return n, err
}

// wireVariable names the folder of a wire to this test binary when it is called
// as ssh.
const wireVariable = "OTA_TEST_WIRE"

// wired is a wire as the test sees it.
type wired struct {
	t   *testing.T
	dir string
}

// wire puts another ssh before the real one, which runs the command here and
// fails as it is told.
func (l *laptop) wire() *wired {
	l.t.Helper()
	w := &wired{l.t, l.t.TempDir()}
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	for name, to := range map[string]string{"ssh": self, "ota": harness.Binary()} {
		if err := os.Symlink(to, filepath.Join(w.dir, name)); err != nil {
			l.t.Fatal(err)
		}
	}
	l.env = append(l.env, "PATH="+w.dir+":"+os.Getenv("PATH"), wireVariable+"="+w.dir)
	return w
}

// plan says what becomes of the next connections. Those after them are good. After
// so many bytes on the way to the device
//
//	cut, hang, stall  ends the connection; so that the device does not hear of it; or
//	                  lets nothing more through
//	kill              kills the device's side
//	flip              changes a bit
//
// and flip-back and kill-saying do that after so many bytes from the device,
// kill-at-file when so many paths are in deposit/.
func (w *wired) plan(script ...string) {
	w.t.Helper()
	for range w.calls() {
		script = append([]string{"done 0"}, script...)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "plan"), []byte(strings.Join(script, "\n")), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wired) lines(name string) []string {
	text, _ := os.ReadFile(filepath.Join(w.dir, name))
	return strings.Fields(string(text))
}

func (w *wired) sent() (sum int64) {
	for _, line := range w.lines("sent") {
		n, _ := strconv.ParseInt(line, 10, 64)
		sum += n
	}
	return sum
}

func (w *wired) calls() int       { return len(w.lines("calls")) }
func (w *wired) hasStalled() bool { return len(w.lines("stalled")) > 0 }
func (w *wired) hasEnded() bool   { return len(w.lines("sent")) == w.calls() }

func note(dir, name, line string) {
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	fmt.Fprintln(file, line)
}

// wire is ssh: it runs the last argument, with a fault of its own.
func wire(dir string) int {
	w := &wired{dir: dir}
	script, _ := os.ReadFile(filepath.Join(dir, "plan"))
	plans := strings.Split(strings.TrimSpace(string(script)), "\n")
	fault, at := "", int64(0)
	if i := w.calls(); i < len(plans) {
		fmt.Sscan(plans[i], &fault, &at)
	}
	note(dir, "calls", "1")
	// The shell's greeting is none of the protocol.
	fmt.Println("welcome to the device")
	cmd := exec.Command("sh", "-c", "exec "+os.Args[len(os.Args)-1])
	said := &mouth{at: -1, said: func() {}}
	cmd.Stdout, cmd.Stderr = said, os.Stderr
	in, out, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	cmd.Stdin = in
	to := &counting{to: out}
	noted := sync.OnceFunc(func() { note(dir, "sent", strconv.FormatInt(to.bytes.Load(), 10)) })
	defer noted()
	if fault == "kill-at-file" {
		go func() {
			io.Copy(to, os.Stdin)
			out.Close()
		}()
		killed, err := killAtFile(cmd, os.Getenv(depositVariable), int(at))
		if err != nil {
			panic(err)
		}
		if !killed {
			return 0
		}
		note(dir, "killed", "1")
		return 255
	}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	in.Close()
	from := io.Reader(os.Stdin)
	kill := func() {
		cmd.Process.Kill()
		note(dir, "killed", "1")
		noted()
		os.Exit(255)
	}
	switch fault {
	case "", "done", "flip-back", "kill-saying":
	default:
		from = io.LimitReader(os.Stdin, at)
	}
	switch fault {
	case "flip-back":
		said.flip(at)
	case "kill-saying":
		said.after(at, kill)
	}
	io.Copy(to, from)
	switch fault {
	case "kill":
		kill()
	case "cut":
		return 255
	case "flip":
		var one [1]byte
		if _, err := io.ReadFull(os.Stdin, one[:]); err == nil {
			to.Write([]byte{one[0] ^ 0x20})
			io.Copy(to, os.Stdin)
		}
	case "hang":
		// Nobody tells the other side that this one has gone.
		keeper := exec.Command("sleep", "10")
		keeper.ExtraFiles = []*os.File{out}
		if err := keeper.Start(); err != nil {
			panic(err)
		}
		return 255
	case "stall":
		note(dir, "stalled", "1")
		io.Copy(io.Discard, os.Stdin)
	}
	out.Close()
	if cmd.Wait() != nil {
		return 255
	}
	return 0
}
