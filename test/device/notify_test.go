//go:build linux

package device

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ota/test/harness"
)

// toldOf is what these tests read of a message.
type toldOf struct {
	ID       string `json:"id"`
	Event    string `json:"event"`
	Release  int    `json:"release"`
	From     int    `json:"from"`
	Reason   string `json:"reason"`
	Message  string `json:"message"`
	Evidence struct {
		Code   int      `json:"exit_code"`
		Output []string `json:"output"`
	} `json:"evidence"`
}

// receiver is whom a device tells.
type receiver struct {
	address string
	mutex   sync.Mutex
	got     []toldOf
}

// receive listens at a port; 0: any.
func receive(t *testing.T, port int) *receiver {
	t.Helper()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{address: "http://" + listener.Addr().String() + "/hook"}
	server := &http.Server{Handler: r}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	var one toldOf
	if json.Unmarshal(body, &one) != nil || request.Header.Get("Idempotency-Key") != one.ID {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.got = append(r.got, one)
}

func (r *receiver) all() []toldOf {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return append([]toldOf(nil), r.got...)
}

// await waits for so many messages and returns them, with their events.
func (r *receiver) await(t *testing.T, count int) ([]toldOf, string) {
	t.Helper()
	harness.Await(t, fmt.Sprintf("%d messages", count), func() bool { return len(r.all()) >= count }, func() string { return fmt.Sprint(r.all()) })
	return r.all(), eventsOf(r.all())
}

func eventsOf(told []toldOf) string {
	var words []string
	for _, one := range told {
		words = append(words, fmt.Sprintf("%s %d<%d", one.Event, one.Release, one.From))
	}
	return strings.Join(words, ", ")
}

// TestToldOfABadRelease, by a webhook and by a command, in order and without the
// program's secrets.
func TestToldOfABadRelease(t *testing.T) {
	t.Parallel()
	far := receive(t, 0)
	d := newProving(t, proving+fmt.Sprintf("program.env = { PASSPHRASE = \"open-sesame\" }\nnotify.webhook = %q\n", far.address)+
		`notify.command = ["sh", "-c", "cat >>told; echo \"$OTA_EVENT $OTA_RELEASE ${PASSPHRASE-none}\" >>env"]`+"\n", nil)
	upload(t, d, programs("print('with', os.environ['PASSPHRASE'])\n"+failing, "second"))
	awaitBack(d, 1)
	const want = "failed 2<1, rolled-back 1<2"
	told, events := far.await(t, 2)
	if events != want || told[0].Evidence.Code != 3 || strings.Join(told[0].Evidence.Output, "\n") != "with …\nwith …" && strings.Join(told[0].Evidence.Output, "\n") != "with …" ||
		!strings.HasSuffix(told[1].Message, "release 1 is in main/ again, instead of release 2: "+told[0].Reason) || told[0].Reason == "" {
		t.Errorf("%s: %+v", events, told)
	}
	var lines []toldOf
	harness.Await(t, "the command", func() bool {
		lines = nil
		text, _ := os.ReadFile(filepath.Join(d.Dir, "told"))
		for line := range strings.Lines(string(text)) {
			var one toldOf
			if json.Unmarshal([]byte(line), &one) == nil {
				lines = append(lines, one)
			}
		}
		return len(lines) >= 2
	}, d.Console)
	if got := eventsOf(lines); got != want || lines[0].ID != told[0].ID {
		t.Errorf("the command was told %s", got)
	}
	awaitConsole(t, d, "somebody was told event=rolled-back by=command")
	if env, _ := os.ReadFile(filepath.Join(d.Dir, "env")); string(env) != "failed 2 none\nrolled-back 1 none\n" {
		t.Errorf("env: %s", env)
	}
}

// TestToldLater: what nobody could be told before ota was killed is told when it
// runs again and the receiver is there, once.
func TestToldLater(t *testing.T) {
	t.Parallel()
	port := harness.FreePort(t)
	d := newProving(t, proving+fmt.Sprintf("notify.webhook = \"http://127.0.0.1:%d/secret\"\n", port), nil)
	upload(t, d, programs(failing, "second"))
	awaitBack(d, 1)
	awaitConsole(t, d, "nobody can be told; it is tried again event=failed by=webhook")
	harness.Await(t, "two messages in the file", func() bool {
		text, _ := os.ReadFile(filepath.Join(d.Dir, ".ota", "notify.json"))
		return strings.Count(string(text), `"message": {`) == 2
	}, d.Console)
	d.Kill()
	far := receive(t, port)
	d.Start()
	told, events := far.await(t, 2)
	if events != "failed 2<1, rolled-back 1<2" || told[0].ID == told[1].ID {
		t.Errorf("%s: %+v", events, told)
	}
	d.Stop()
	d.Start()
	awaitRunningAnyway(d, 1)
	grow(t, d, 3, programs(good, "third"))
	if told := far.all(); len(told) != 2 {
		t.Errorf("told again: %+v", told)
	}
	if strings.Contains(d.Console(), "secret") {
		t.Error("the log says where the webhook is")
	}
}

// TestToldOfACrashLoop: once, however often it crashes.
func TestToldOfACrashLoop(t *testing.T) {
	t.Parallel()
	far := receive(t, 0)
	d := newProving(t, proving+fmt.Sprintf("notify.webhook = %q\n", far.address), nil)
	grow(t, d, 2, programs("ready()\nwait_for('go')\nprint('bye')\nsys.exit(3)\n", "second"))
	signal(t, d, "go")
	for _, pause := range []string{"1s", "2s", "4s", "8s", "16s"} {
		awaitConsole(t, d, "pause="+pause)
		d.Await("the pause", func(s harness.Status) bool { return s.Program.State == "backoff" })
		d.Say("start") // so as not to wait for it
	}
	told, events := far.await(t, 1)
	if events != "crash-looping 2<0" || told[0].Reason != "exit code 3" || len(told[0].Evidence.Output) != 5 || told[0].Evidence.Output[4] != "bye" {
		t.Errorf("%s: %+v", events, told)
	}
	d.Say("rollback", "1")
	if told, events := far.await(t, 2); events != "crash-looping 2<0, rolled-back 1<2" || told[1].Reason != "on request" {
		t.Errorf("%s: %+v", events, told)
	}
}
