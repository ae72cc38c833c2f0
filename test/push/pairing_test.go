//go:build linux

package push

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ota/test/harness"
)

// answer is what a person types when the terminal shows something.
type answer struct {
	to   string
	text func() string
}

// typed pushes at a terminal, answers what is asked, and returns what it shows.
func (l *laptop) typed(code int, answers []answer, args ...string) (shown string) {
	l.t.Helper()
	keyboard, tty := terminal(l.t)
	ctx, cancel := context.WithTimeout(context.Background(), harness.Deadline)
	defer cancel()
	cmd := l.command(ctx, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	tty.Close()
	var all bytes.Buffer
	seen := 0
	for piece := make([]byte, 4096); ; {
		n, err := keyboard.Read(piece)
		all.Write(piece[:n])
		if len(answers) > 0 {
			if at := strings.Index(all.String()[seen:], answers[0].to); at >= 0 {
				seen += at + len(answers[0].to)
				keyboard.WriteString(answers[0].text() + "\n")
				answers = answers[1:]
			}
		}
		if err != nil { // nobody has the terminal any more
			break
		}
	}
	err := cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok || cmd.ProcessState.ExitCode() != code || len(answers) > 0 {
		l.t.Fatalf("push %v: %v (%v), not %d; %d answers are left\n%s", args, err, exit, code, len(answers), all.String())
	}
	return all.String()
}

func terminal(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		harness.Lack(t, "no terminals here: "+err.Error())
	}
	t.Cleanup(func() { keyboard.Close() })
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return keyboard, tty
}

func says(text string) func() string { return func() string { return text } }

// stranger is a laptop that knows no device.
func (p *page) stranger() *laptop {
	l := newLaptop(p.t, project())
	l.env = append(l.env, "XDG_CONFIG_HOME="+p.t.TempDir(), "OTA_TOKEN=", "OTA_FINGERPRINT=")
	return l
}

func (p *page) pair() string { return strings.TrimSpace(p.Say("web", "pair")) }

// TestPairing is the first push of a computer, and the next ones.
func TestPairing(t *testing.T) {
	t.Parallel()
	device := newPage(t)
	l := device.stranger()
	var used string
	shown := l.typed(0, []answer{
		{"(yes/no) ", says("y")}, // asked again: this is not to be said by chance
		{"(yes/no) ", says("yes")},
		{"shows on", says("BBBB-BBBB")},
		{"shows on", func() string { used = device.pair(); return strings.ToLower(used) }},
	}, device.target())
	for _, want := range []string{device.fingerprint, "no code that is valid now", "paired: the device calls this computer", "confirmed"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is missing in %s", want, shown)
		}
	}
	// From now on nobody is asked.
	l.write("lib/pump.py", "number = 2\n")
	l.push(0, device.target())
	// A code is used once.
	other := device.stranger()
	shown = other.typed(1, []answer{{"(yes/no) ", says("yes")}, {"shows on", says(used)}, {"shows on", says(used)}, {"shows on", says(used)}}, device.target())
	if !strings.Contains(shown, `"ota web pair" on the device makes one`) {
		t.Errorf("shown: %s", shown)
	}
	// A token that was revoked says so, and how to get another.
	tokens := device.Say("web", "token", "list")
	name := strings.Fields(tokens[strings.Index(tokens, "\n"):])[0]
	device.Say("web", "token", "revoke", name)
	if _, told := l.push(1, device.target()); !strings.Contains(told, "does not know the token of this computer any more") || !strings.Contains(told, "--pair") {
		t.Errorf("told %q", told)
	}
	l.typed(0, []answer{{"shows on", func() string { return device.pair() }}}, device.target(), "--pair")
}

// TestStrangersAreNotTrusted: who says no has pushed nothing, and told nothing.
func TestStrangersAreNotTrusted(t *testing.T) {
	t.Parallel()
	device := newPage(t)
	l := device.stranger()
	if shown := l.typed(1, []answer{{"(yes/no) ", says("no")}}, device.target()); strings.Contains(shown, "shows on") {
		t.Errorf("shown: %s", shown)
	}
	if _, told := l.push(1, device.target()); !strings.Contains(told, "is not known here") {
		t.Errorf("told %q", told)
	}
}

// TestGuessedCodes: who guesses is slowed down, together with who guesses at the
// login, and the code is void.
func TestGuessedCodes(t *testing.T) {
	t.Parallel()
	device := newPage(t)
	code := device.pair()
	wrong := answer{"shows on", says("BBBB-BBBB")}
	first := device.stranger()
	first.typed(1, []answer{{"(yes/no) ", says("yes")}, wrong, wrong, wrong}, device.target())
	shown := first.typed(1, []answer{wrong, wrong, {"shows on", says(code)}}, device.target())
	if !strings.Contains(shown, "too many tries: try again in") {
		t.Errorf("shown: %s", shown)
	}
	if tokens := device.Say("web", "token", "list"); !strings.Contains(tokens, "no token yet") {
		t.Errorf("tokens: %s", tokens)
	}
}
