//go:build linux

package page

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ota/test/harness"
)

// pour is a program that writes as fast as it can once it is told to, and keeps
// a note of how many lines a second that are.
const pour = `
import os, time
folder = os.environ["OTA_DIR"]
while not os.path.exists(os.path.join(folder, "go")):
    time.sleep(0.01)
paces = open(os.path.join(folder, "paces"), "w")
some = "\n".join(["x" * 60] * 100)
while True:
    begun, lines = time.monotonic(), 0
    while time.monotonic() - begun < 0.2:
        print(some, flush=True)
        lines += 100
    print(int(lines / (time.monotonic() - begun)), file=paces, flush=True)
`

// TestASlowReaderSlowsNobody: while a program writes as fast as it can, somebody
// follows the log at a few bytes a second. The program does not get slower, ota
// does not get larger, and the reader is told what is missing.
func TestASlowReaderSlowsNobody(t *testing.T) {
	d := device(t, harness.Tree{"pour.py": harness.File(pour)}, "[program]\ncommand = [\"python3\", \"pour.py\"]\n"+settings)
	token := tokenFor(t, d, "reader", "read")
	first := token.follow(1)
	harness.Tree{"go": harness.File("")}.Write(t, d.Dir)
	paces := &paces{TB: t, path: filepath.Join(d.Dir, "paces")}
	paces.next(10)
	// How many that are depends on how fast ota reads on a busy machine.
	t.Logf("the reader was told that %d lines are missing", first.hurry())
	early := resident(t, d)
	var with, without []int
	for range 4 { // by turns, as the machine has other things to do
		without = append(without, paces.next(10)...)
		slow := token.follow(5000)
		with = append(with, paces.next(10)...)
		slow.leave()
	}
	late := resident(t, d)
	slices.Sort(with)
	slices.Sort(without)
	ratio := float64(with[len(with)/2]) / float64(without[len(without)/2])
	t.Logf("%d lines a second without a reader, %d with one: %.2f; ota has %d kB, then %d kB",
		without[len(without)/2], with[len(with)/2], ratio, early/1000, late/1000)
	// A program that waits for such a reader comes to a stand, and a machine that
	// has other things to do halves its speed: that much is no finding.
	if ratio < 0.1 {
		t.Errorf("with a slow reader the program has %.2f of its speed", ratio)
	}
	if late > early+early/4+2_000_000 {
		t.Errorf("ota's memory grows from %d to %d bytes", early, late)
	}
}

// follower reads the events, a few bytes a second until he hurries.
type follower struct {
	testing.TB
	conn    net.Conn
	body    io.Reader
	hurries chan struct{} // closed when he does
	read    chan []byte   // what was read until then
}

// follow begins with the last n lines.
func (s *script) follow(n int) *follower {
	s.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close() })
	conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	fmt.Fprintf(conn, "GET /api/v1/events?log=%d HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", n, s.address, s.token)
	answer, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil)
	if err != nil || answer.StatusCode != http.StatusOK {
		s.Fatalf("%v, %v", answer, err)
	}
	f := &follower{s, conn, answer.Body, make(chan struct{}), make(chan []byte, 1)}
	go f.crawl()
	return f
}

// crawl reads 20 bytes a second.
func (f *follower) crawl() {
	next := time.NewTicker(200 * time.Millisecond)
	defer next.Stop()
	var all []byte
	for {
		select {
		case <-f.hurries:
			f.read <- all
			return
		case <-next.C:
		}
		few := make([]byte, 4)
		n, _ := f.body.Read(few) // an error comes again
		all = append(all, few[:n]...)
	}
}

// leave goes away without a word.
func (f *follower) leave() {
	f.conn.Close()
	close(f.hurries)
}

// hurry reads at once whatever comes until it is told that lines are missing,
// goes away and returns how many are. Every line that is missing has to be told.
func (f *follower) hurry() int {
	f.Helper()
	defer f.conn.Close()
	close(f.hurries)
	f.conn.SetReadDeadline(time.Now().Add(harness.Deadline))
	stream := bufio.NewReader(io.MultiReader(bytes.NewReader(<-f.read), f.body))
	last, event := 0, ""
	for {
		text, err := stream.ReadString('\n')
		if err != nil {
			f.Fatalf("the stream ends after line %d: %v", last, err)
		}
		key, value, _ := strings.Cut(strings.TrimSpace(text), ": ")
		if key == "event" {
			event = value
		}
		if key != "data" || event != "log" {
			continue
		}
		var lines []struct {
			Seq          int
			Source, Text string
		}
		if err := json.Unmarshal([]byte(value), &lines); err != nil {
			f.Fatal(err)
		}
		for _, line := range lines {
			isFirst, missing := last == 0, line.Seq-last-1
			last = line.Seq
			if isFirst || missing == 0 {
				continue
			}
			if line.Source != "WARNING" || !strings.Contains(line.Text, "left out") {
				f.Fatalf("%d lines before line %d are missing, and nobody tells: %+v", missing, last, line)
			}
			return missing
		}
	}
}

// paces is what the program says of its speed.
type paces struct {
	testing.TB
	path string
	read int
}

// next waits for so many more of them, lines a second.
func (p *paces) next(count int) []int {
	p.Helper()
	var found []int
	harness.Await(p, "the program's pace", func() bool {
		text, _ := os.ReadFile(p.path)
		fields := strings.Fields(string(text))
		if len(fields) <= p.read+count { // the last one may be being written
			return false
		}
		found = nil
		for _, field := range fields[p.read : p.read+count] {
			pace, err := strconv.Atoi(field)
			if err != nil {
				p.Fatal(err)
			}
			found = append(found, pace)
		}
		return true
	}, func() string { return p.path })
	p.read += count
	return found
}
