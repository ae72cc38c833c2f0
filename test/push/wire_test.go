//go:build linux

package push

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ota/test/harness"
)

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

// plan says what becomes of the next connections: cut, flip, hang or stall after
// so many bytes. Those after them are good.
func (w *wired) plan(script ...string) {
	w.t.Helper()
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
	cmd := exec.Command("sh", "-c", os.Args[len(os.Args)-1])
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	in, out, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	cmd.Stdin = in
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	in.Close()
	sent := int64(0)
	defer func() { note(dir, "sent", strconv.FormatInt(sent, 10)) }()
	from := io.Reader(os.Stdin)
	if fault != "" {
		from = io.LimitReader(os.Stdin, at)
	}
	sent, _ = io.Copy(out, from)
	switch fault {
	case "cut":
		cmd.Process.Kill()
		return 255
	case "flip":
		var one [1]byte
		if _, err := io.ReadFull(os.Stdin, one[:]); err == nil {
			out.Write([]byte{one[0] ^ 0x20})
			more, _ := io.Copy(out, os.Stdin)
			sent += more
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
