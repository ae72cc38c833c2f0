package cli

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOpen: the link goes to what opens addresses on this system, in a file that
// nobody else can read, and that does not stay.
func TestOpen(t *testing.T) {
	t.Setenv("SSH_CONNECTION", "")
	const link = "http://127.0.0.1:8484/login?code=link_A\n"
	const once = "ota: the link logs in once, within 10 minutes\n"
	dir, bin := serve(t, page("http://127.0.0.1:8484")), t.TempDir()
	t.Setenv("PATH", bin)
	check(t, call("web", "--open", "-C", dir), called{1, link, once + "ota: cannot open the page: there is no xdg-open here\nhint: open the link by hand\n"})

	script := func(text string) {
		if err := os.WriteFile(filepath.Join(bin, "xdg-open"), []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TMPDIR", t.TempDir())
	script(`/usr/bin/stat -c %a "$1" >"` + bin + `/opened"; /bin/cat "$1" >>"` + bin + `/opened"`)
	check(t, call("web", "--open", "-C", dir), called{0, link, once})
	if opened, err := os.ReadFile(bin + "/opened"); err != nil || !strings.HasPrefix(string(opened), "600\n") || !strings.Contains(string(opened), "url="+strings.TrimSpace(link)+`"`) {
		t.Errorf("opened %q, %v", opened, err)
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	script("exit 3")
	check(t, call("web", "--open", "-C", dir), called{1, link, once + "ota: cannot open the page: xdg-open: exit status 3\nhint: open the link by hand\n"})
}

// terminal is one on which somebody types; what it shows can be read from the
// keyboard's side.
func terminal(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
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
	t.Cleanup(func() { tty.Close() })
	return keyboard, tty
}

// TestPasswordIsNotShown: it is asked for twice, and the terminal shows nothing
// of it.
func TestPasswordIsNotShown(t *testing.T) {
	tests := []struct {
		first, second string
		code          int
		asked         string
		said          string
	}{
		{"correct horse", "correct horse", 0, `"correct horse"`, "new password: \nonce more: \n"},
		{"correct horse", "correct house", 1, "", "new password: \nonce more: \nota: cannot set the password: the two are not the same\n"},
	}
	for _, test := range tests {
		h := &house{}
		dir := serve(t, h)
		keyboard, tty := terminal(t)
		before := os.Stdin
		os.Stdin = tty
		stderr := &prompted{answers: []string{test.first + "\n", test.second + "\n"}, tty: tty, keyboard: keyboard}
		var stdout bytes.Buffer
		code := Main([]string{"web", "password", "-C", dir}, &stdout, stderr)
		os.Stdin = before
		stderr.typing.Wait()
		tty.Close()
		shown, _ := io.ReadAll(keyboard) // ends with an error: nobody has the terminal any more
		if code != test.code || h.asked != test.asked || stderr.text.String() != test.said {
			t.Errorf("code %d, asked for %s, said %q", code, h.asked, stderr.text.String())
		}
		if strings.Contains(string(shown), "correct") {
			t.Errorf("the terminal has shown %q", shown)
		}
	}
}

// prompted answers each prompt when the terminal shows nothing any more.
type prompted struct {
	text          bytes.Buffer
	answers       []string
	tty, keyboard *os.File
	typing        sync.WaitGroup
}

func (p *prompted) Write(text []byte) (int, error) {
	if strings.HasSuffix(string(text), ": ") {
		answer := p.answers[0]
		p.answers = p.answers[1:]
		p.typing.Go(func() {
			for p.isShown() {
				runtime.Gosched()
			}
			io.WriteString(p.keyboard, answer)
		})
	}
	return p.text.Write(text)
}

func (p *prompted) isShown() bool {
	state, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
	return err == nil && state.Lflag&unix.ECHO != 0
}
