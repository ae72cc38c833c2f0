//go:build linux

package page

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ota/test/harness"
)

// big is a file that takes a while: bytes without order, so that each that is
// missing, double or at a wrong place shows.
func big(size int, seed byte) string {
	content := make([]byte, size)
	rand.NewChaCha8([32]byte{seed}).Read(content)
	return string(content)
}

// fixed are settings with the page at a port that stays the same when ota is
// started again.
func fixed(t testing.TB, settings string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return strings.Replace(settings, "127.0.0.1:8484", listener.Addr().String(), 1)
}

// job is one upload by tus-js-client.
type job struct {
	File                     string            `json:"file"`
	Endpoint                 string            `json:"endpoint"`
	Token                    string            `json:"token"`
	Metadata                 map[string]string `json:"metadata"`
	URL                      string            `json:"url"`
	ChunkSize                int               `json:"chunkSize"`
	UploadDataDuringCreation bool              `json:"uploadDataDuringCreation"`
}

// told is what the client tells of a request, or of the end.
type told struct {
	Method string
	Offset int64
	URL    string
	Done   bool
}

// client is the real tus-js-client, in a process of its own.
type client struct {
	testing.TB
	process  *exec.Cmd
	out, err bytes.Buffer
	ended    chan error
}

func (j job) begin(t testing.TB) *client {
	t.Helper()
	harness.Need(t, "node")
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{TB: t, ended: make(chan error, 1)}
	c.process = exec.CommandContext(t.Context(), "node", filepath.Join("testdata", "tus.cjs"), string(text))
	c.process.Env = append(os.Environ(), "NODE_PATH="+modules(t))
	c.process.Stdout, c.process.Stderr = &c.out, &c.err
	if err := c.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.ended <- c.process.Wait() }()
	return c
}

// finish waits for the end of the upload and returns what the client told.
func (c *client) finish() []told {
	c.Helper()
	if err := <-c.ended; err != nil {
		c.Fatalf("tus-js-client: %v\n%s\n%s", err, c.err.String(), c.out.String())
	}
	all := c.told()
	if len(all) == 0 || !all[len(all)-1].Done {
		c.Fatalf("tus-js-client did not get to the end:\n%s", c.out.String())
	}
	return all
}

// told is called when the process has ended.
func (c *client) told() []told {
	c.Helper()
	var all []told
	for line := range bytes.Lines(c.out.Bytes()) {
		var one told
		if err := json.Unmarshal(line, &one); err != nil {
			c.Fatalf("%s: %v", line, err)
		}
		all = append(all, one)
	}
	return all
}

// offsets are those at which pieces began.
func offsets(all []told) []int64 {
	var found []int64
	for _, one := range all {
		if one.Method == "PATCH" {
			found = append(found, one.Offset)
		}
	}
	return found
}

// network is what befalls an upload.
type network string

const (
	calm    network = "calm"
	breaks  network = "connections break"
	killed  network = "ota is killed"
	resumed network = "the client is killed"
)

// way is one of those in which the client sends.
type way struct {
	name string
	job
	// anew: the data comes with the request that begins the upload, so that the
	// client does not know where to go on when that fails, and begins again.
	anew bool
}

// TestTusJSClient uploads with the client that most use, in each of its ways,
// while each kind of mishap comes in between. What arrives is a release with the
// same bytes, and what had come was not sent again.
func TestTusJSClient(t *testing.T) {
	const piece = 1 << 20
	d := device(t, harness.Tree{"main.py": harness.File(beat)}, fixed(t, settings))
	uploader := tokenFor(t, d, "uploader", "upload")
	release := 1
	for _, way := range []way{
		{name: "in pieces", job: job{ChunkSize: piece}},
		{name: "at once"},
		{name: "in pieces, from the creation on", job: job{ChunkSize: piece, UploadDataDuringCreation: true}},
		{name: "with the creation", job: job{UploadDataDuringCreation: true}, anew: true},
	} {
		for _, mishap := range []network{calm, breaks, killed, resumed} {
			if way.anew && mishap == resumed {
				continue // who does not know the upload does not go on with it
			}
			release++
			t.Run(way.name+", "+string(mishap), func(t *testing.T) {
				defer d.Within(t)()
				way.arrives(t, d, uploader, mishap, release)
			})
		}
	}
}

func (w way) arrives(t *testing.T, d *harness.Device, uploader *script, mishap network, release int) {
	const size = 8 << 20
	content := big(size, byte(release))
	w.File = filepath.Join(t.TempDir(), "big.bin")
	harness.Tree{"big.bin": harness.File(content)}.Write(t, filepath.Dir(w.File))
	between := newProxy(t, uploader.address)
	w.Endpoint, w.Token = "http://"+between.address+"/api/v1/uploads", uploader.token
	w.Metadata = map[string]string{"filename": "big.bin", "relativePath": "data/big.bin"}
	all := w.through(t, d, between, mishap)
	d.Await("the release", func(s harness.Status) bool {
		return s.Release.Number == release && s.Release.State == "confirmed"
	})
	if got, err := os.ReadFile(filepath.Join(d.Main(), "data", "big.bin")); err != nil || string(got) != content {
		t.Errorf("main/data/big.bin has %d bytes, not the %d that were sent: %v", len(got), size, err)
	}
	brought, broken := between.seen()
	starts := offsets(all)
	t.Logf("%d connections broke; %d bytes were sent for a file of %d; pieces began at %d", broken, brought, size, starts)
	// What had not been written when a connection broke is sent again.
	most := int64(size + size/4)
	if w.anew && mishap != calm {
		most += size / 2
	} else if mishap != calm && (len(starts) == 0 || starts[len(starts)-1] == 0) {
		t.Errorf("it did not go on in the middle: %d", starts)
	}
	if brought > most {
		t.Errorf("%d bytes were sent for a file of %d", brought, size)
	}
	if mishap == breaks && broken < 2 && !w.anew {
		t.Errorf("only %d connections broke", broken)
	}
}

// through uploads while a mishap comes in between.
func (w way) through(t *testing.T, d *harness.Device, between *proxy, mishap network) []told {
	t.Helper()
	const most = 5<<19 + 12345 // bytes; the middle of a piece
	switch mishap {
	case breaks:
		felt := between.becomes(breaking, most)
		if w.anew { // it would never get further
			client := w.begin(t)
			client.until(felt)
			between.becomes(good, 0)
			return client.finish()
		}
	case killed:
		felt := between.becomes(stalling, most)
		client := w.begin(t)
		client.until(felt)
		d.Kill()
		d.Start()
		d.Await("ota", func(s harness.Status) bool { return s.Program.State == "running" })
		between.becomes(good, 0)
		return client.finish()
	case resumed:
		felt := between.becomes(stalling, most)
		first := w.begin(t)
		first.until(felt)
		first.process.Process.Kill()
		<-first.ended
		between.becomes(good, 0)
		for _, one := range first.told() {
			if one.URL != "" {
				w.URL = one.URL
			}
		}
	}
	return w.begin(t).finish()
}

// until waits until a mishap shows; the client must not have ended before.
func (c *client) until(felt <-chan struct{}) {
	c.Helper()
	harness.Await(c, "the mishap", func() bool {
		select {
		case <-felt:
			return true
		case err := <-c.ended:
			c.Fatalf("the upload ended before: %v\n%s", err, c.err.String())
		default:
		}
		return false
	}, func() string { return "" })
}

// TestTusDrop: files that belong together are complete at one word, however long
// the quiet period is.
func TestTusDrop(t *testing.T) {
	d := device(t, harness.Tree{"main.py": harness.File(beat)}, strings.Replace(settings, `"100ms"`, `"20m"`, 1))
	uploader := tokenFor(t, d, "uploader", "upload")
	files := harness.Tree{"main.py": harness.File(strings.Replace(beat, "one", "two", 1)), "data/big.bin": harness.File(big(3<<20, 1))}
	from := t.TempDir()
	files.Write(t, from)
	status, body := uploader.send("POST", "/api/v1/drops", fmt.Sprintf(`{"files":2,"bytes":%d}`, len(files["main.py"].Content)+3<<20), "Content-Type: application/json")
	var drop struct{ ID string }
	if err := json.Unmarshal([]byte(body), &drop); status != 201 || err != nil {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	for path := range files {
		job{
			File: filepath.Join(from, path), Endpoint: "http://" + uploader.address + "/api/v1/uploads", Token: uploader.token, ChunkSize: 1 << 20,
			Metadata: map[string]string{"relativePath": path, "drop": drop.ID},
		}.begin(t).finish()
	}
	if found, _ := os.ReadDir(d.Deposit()); len(found) > 0 {
		t.Errorf("deposit/ has %v before the word is given", found)
	}
	status, body = uploader.ask("POST", "/api/v1/drops/"+drop.ID+"/complete")
	if status != 200 || strings.TrimSpace(body) != `{"files":2}` {
		t.Errorf("the word: %d %s", status, body)
	}
	d.Await("the release", func(s harness.Status) bool {
		return s.Release.Number == 2 && s.Release.State == "confirmed"
	})
	for path, want := range files {
		if got, err := os.ReadFile(filepath.Join(d.Main(), path)); err != nil || string(got) != want.Content {
			t.Errorf("%s has %d bytes: %v", path, len(got), err)
		}
	}
	if history := d.History(); len(history) == 0 || len(history[0].Files) != 2 || slices.ContainsFunc(history[0].Files, func(one harness.FileChange) bool { return files[one.Path].Mode == 0 }) {
		t.Errorf("the history has %+v", history)
	}
}
