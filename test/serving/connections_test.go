//go:build linux

package serving

import (
	"flag"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"ota/test/harness"
)

// server is a section of docs/serving.md.
type server struct {
	heading string
	module  string // that has to be installed
	// without are the words of its program, in pairs, with which it opens the
	// port itself; PORT stands for its number.
	without []string
	// settings are more of the device's.
	settings string
}

const (
	given   = `socket.socket(fileno=3)`
	ownHost = `socket.create_server(("127.0.0.1", PORT))`
	warmly  = "[python]\nwarm = true\n"
)

var servers = []server{
	{"http.server", "http.server", []string{given, ownHost}, ""},
	{"Flask, or any WSGI, with waitress", "flask, waitress", []string{given, ownHost}, warmly},
	{"gunicorn", "flask, gunicorn", []string{`"gunicorn", `, `"gunicorn", "--bind", "127.0.0.1:PORT", `}, ""},
	{"uvicorn", "uvicorn", []string{"fd=3", "port=PORT"}, ""},
	{"aiohttp", "aiohttp", []string{given, ownHost}, ""},
	{"Tornado", "tornado", []string{given, ownHost}, warmly},
}

// updates is how often each program is updated.
var updates = flag.Int("updates", 50, "how often each server is updated")

// fewer is how many times less often that is without `listen`.
const fewer = 10

// TestNoConnectionIsLost: the programs of docs/serving.md are updated while a
// client connects every 2 ms, and each connection is answered. Beside it, how
// it is without `listen`.
func TestNoConnectionIsLost(t *testing.T) {
	pages := examples(t)
	for _, s := range servers {
		t.Run(s.heading, func(t *testing.T) {
			t.Parallel()
			needModule(t, s.module)
			page, ok := pages[s.heading]
			if !ok {
				t.Fatalf("docs/serving.md has no program under %q", s.heading)
			}
			port := strconv.Itoa(harness.FreePort(t))
			settings := fmt.Sprintf("[program]\nlisten = [\"127.0.0.1:%s\"]\n", port) + s.settings + quick
			with := s.update(t, page, settings, port, *updates)
			if with.failures() > 0 {
				t.Errorf("with listen: %v", with)
			}
			port = strconv.Itoa(harness.FreePort(t))
			without := s.update(t, page, s.settings+quick, port, max(1, *updates/fewer), s.without...)
			t.Logf("%d updates with listen: %v; %d updates without: %v", *updates, with, *updates/fewer, without)
		})
	}
}

// update updates a program many times and returns what its client saw.
func (s server) update(t *testing.T, page example, settings, port string, count int, replace ...string) *client {
	t.Helper()
	version := func(n int) harness.Tree {
		return page.tree(append(replacePort(replace, port), `VERSION = "1"`, fmt.Sprintf("VERSION = %q", "version "+strconv.Itoa(n)))...)
	}
	d := harness.NewDevice(t, harness.FastDir(t), version(1), settings)
	d.Start()
	defer d.Stop()
	address := "127.0.0.1:" + port
	awaitAnswer(t, d, address)
	c, stop := newClient(t, address)
	defer stop()
	began := time.Now()
	for n := 2; n <= count+1; n++ {
		upload(t, d, version(n))
		answer := "version " + strconv.Itoa(n)
		// Then what has come meanwhile is answered, or the next update comes
		// before anybody else has got through.
		harness.Await(t, answer, func() bool { return c.has(answer) && !c.isBusy() }, func() string { return c.String() + "\n" + d.Console() })
	}
	stop()
	t.Logf("%d updates in %v: %v", count, time.Since(began).Round(time.Millisecond), c)
	if warmly := strings.Count(d.Console(), warmStart); s.settings != "" {
		t.Logf("%d of them were started warm", warmly)
	}
	if history := d.History(); len(history) == 0 || history[0].Number != count+1 {
		t.Errorf("%d updates made these releases: %+v", count, history)
	}
	return c
}

// replacePort returns pairs of words with the port in them.
func replacePort(pairs []string, port string) []string {
	var replaced []string
	for _, word := range pairs {
		replaced = append(replaced, strings.ReplaceAll(word, "PORT", port))
	}
	return replaced
}

// awaitAnswer waits until the program answers.
func awaitAnswer(t testing.TB, d *harness.Device, address string) {
	t.Helper()
	harness.Await(t, "an answer", func() bool {
		_, err := get(address)
		return err == nil
	}, d.Console)
}

// needModule ends the test if Debian's Python lacks one of the modules.
func needModule(t testing.TB, modules string) {
	t.Helper()
	harness.Need(t, "python3")
	if said, err := exec.CommandContext(t.Context(), "python3", "-c", "import "+modules).CombinedOutput(); err != nil {
		harness.Lack(t, fmt.Sprintf("Python has no %s: %s", modules, said))
	}
}
