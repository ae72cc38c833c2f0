package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ota/internal/api"
	"ota/internal/logs"
)

// patience is how long a test waits for what surely happens.
const patience = 30 * time.Second

// running is an ota at work in this process.
type running struct {
	dir    string
	client *api.Client
	end    context.CancelFunc
	ended  chan error
}

func runIn(t *testing.T, files map[string]string) *running {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		put(t, filepath.Join(dir, name), text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{dir, api.Dial(dir), cancel, make(chan error, 1)}
	go func() {
		_, err := Run(ctx, nil, Options{Dir: dir, Version: "1.2"})
		r.ended <- err
		close(r.ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-r.ended
	})
	return r
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// watch returns the events of all kinds as they come, from as soon as ota
// answers. The channel is closed at the clean end of the stream.
func (r *running) watch(t *testing.T) <-chan [2]string {
	t.Helper()
	socket := filepath.Join(r.dir, ".ota", api.SocketName)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	var answer *http.Response
	for began := time.Now(); answer == nil; {
		var err error
		if answer, err = client.Get("http://ota/api/v1/events?log=1000"); err != nil && time.Since(began) > patience {
			t.Fatal(err)
		}
	}
	events := make(chan [2]string, 10_000)
	go func() {
		defer answer.Body.Close()
		from, name := bufio.NewReader(answer.Body), ""
		for {
			line, err := from.ReadString('\n')
			if errors.Is(err, io.EOF) {
				close(events)
				return
			}
			if err != nil {
				t.Errorf("the stream broke off: %v", err)
				return
			}
			field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch field {
			case "event":
				name = value
			case "data":
				events <- [2]string{name, value}
			}
		}
	}()
	return events
}

// await returns the first status that is as wanted.
func await(t *testing.T, events <-chan [2]string, wanted func(api.Status) bool) api.Status {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case event, more := <-events:
			var status api.Status
			if !more {
				t.Fatal("the stream has ended")
			}
			if event[0] == "status" && json.Unmarshal([]byte(event[1]), &status) == nil && wanted(status) {
				return status
			}
		case <-limit:
			t.Fatal("waited in vain")
		}
	}
}

// TestEvents follows an ota from its first release to its last words.
func TestEvents(t *testing.T) {
	r := runIn(t, map[string]string{
		"ota.toml":     "[program]\ncommand = [\"sh\", \"run.sh\"]\n[update]\nquiet = \"200ms\"\n",
		"main/run.sh":  "echo it runs\nexec sleep 1000\n",
		"main/old.txt": "old",
	})
	events := r.watch(t)
	first := await(t, events, func(s api.Status) bool {
		return s.Program.State == api.Running && s.Program.PID != nil && s.Release != nil
	})
	if err := r.client.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := await(t, events, func(s api.Status) bool {
		return s.Program.State == api.Running && s.Program.PID != nil && *s.Program.PID != *first.Program.PID
	})
	put(t, filepath.Join(r.dir, "deposit", "new.txt"), "new")
	next := await(t, events, func(s api.Status) bool { return s.Release != nil && s.Release.Number > again.Release.Number })
	if next.History <= again.History {
		t.Errorf("the history was %d and is %d, with a release more", again.History, next.History)
	}
	if err := r.client.Pin(t.Context(), next.Release.Number, true); err != nil {
		t.Fatal(err)
	}
	await(t, events, func(s api.Status) bool { return s.Release != nil && s.Release.Pinned && s.History > next.History })

	r.end()
	var said []string
	for event := range events {
		var lines []logs.Line
		if event[0] != "log" {
			continue
		}
		if err := json.Unmarshal([]byte(event[1]), &lines); err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			said = append(said, line.Text)
		}
	}
	if len(said) == 0 || said[len(said)-1] != "ota has ended" {
		t.Errorf("the last words were %q", said)
	}
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
}
