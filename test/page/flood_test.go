//go:build linux

package page

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"

	"ota/test/harness"
)

var (
	updates = flag.Int("page.updates", 24, "how many updates the page is open for")
	lines   = flag.Int("page.lines", 100_000, "how many lines of log the page is open for")
)

// memory is what is in use, in bytes.
type memory struct{ page, ota int64 }

func (m memory) String() string { return fmt.Sprintf("page %d kB, ota %d kB", m.page/1000, m.ota/1000) }

// memory measures both, the page after its garbage is gone.
func (b *browser) memory(d *harness.Device) memory {
	b.Helper()
	b.do(command(heapprofiler.CollectGarbage, cdp.Empty{}))
	return memory{ask[int64](b, `performance.memory.usedJSHeapSize`), resident(b, d)}
}

// resident is ota's own memory, what it shares with its file not counted.
func resident(t testing.TB, d *harness.Device) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.Await("ota", func(s harness.Status) bool { return s.PID != 0 }).PID))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "RssAnon:" {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kilobytes * 1024
		}
	}
	t.Fatal("the kernel does not tell RssAnon")
	return 0
}

// isLevel fails the test where memory grows with what went by: from a quarter of
// the way on there may be noise, and no more.
func isLevel(t testing.TB, early, late memory) {
	t.Helper()
	t.Logf("after a quarter: %v; at the end: %v", early, late)
	if late.page > early.page+early.page/4+2_000_000 {
		t.Errorf("the page's memory grows: %v, then %v", early, late)
	}
	if late.ota > early.ota+early.ota/4+2_000_000 {
		t.Errorf("ota's memory grows: %v, then %v", early, late)
	}
}

// quick is a device whose updates take no longer than they must.
const quick = `
[program]
command = ["sh", "main.sh"]
[python]
interpreter = "/none"
[update]
quiet = "20ms"
[trial]
period = "20ms"
[store]
keep = 5
[web]
listen = "127.0.0.1:8484"
`

// TestPageStaysLevelThroughUpdates leaves the page open while release after
// release comes.
func TestPageStaysLevelThroughUpdates(t *testing.T) {
	d := device(t, harness.Tree{"main.sh": harness.File("echo begun; exec sleep 1000\n")}, quick)
	b := open(t, desk)
	b.login(d)
	var early memory
	for i := range *updates {
		d.HoldBack()
		harness.Tree{"main.sh": harness.File(fmt.Sprintf("echo release number %d; exec sleep 1000\n", i))}.Write(t, d.Deposit())
		d.LetGo()
		d.Await(fmt.Sprintf("update %d", i), func(s harness.Status) bool {
			return s.Release.Number == i+2 && s.Release.State == "confirmed"
		})
		if i == *updates/4 {
			early = b.memory(d)
		}
	}
	b.shows(strconv.Itoa(*updates + 1))
	isLevel(t, early, b.memory(d))
	b.isContent()
}

// TestPageStaysLevelThroughAFlood lets the program write line after line, faster
// than anybody reads.
func TestPageStaysLevelThroughAFlood(t *testing.T) {
	const flood = `
import sys, time
n, lines = 0, int(sys.argv[1])
while n < lines:
    for _ in range(500):
        n += 1
        print(n)
    sys.stdout.flush()
    time.sleep(0.05)
print("that was all")
sys.stdout.flush()
time.sleep(3600)
`
	program := fmt.Sprintf("[program]\ncommand = [\"python3\", \"flood.py\", \"%d\"]\n", *lines)
	d := harness.NewDevice(t, t.TempDir(), harness.Tree{"flood.py": harness.File(flood)}, program+settings)
	d.Start()
	d.Await("ota", func(s harness.Status) bool { return s.PID != 0 })
	b := open(t, desk)
	b.login(d)
	longest := 4*harness.Deadline + time.Duration(*lines)*200*time.Microsecond
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	var early memory
	for {
		n := lastLine(d)
		if n >= *lines/4 && early == (memory{}) {
			early = b.memory(d)
		}
		if n >= *lines {
			break
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("the flood is at line %d", n)
		}
	}
	b.shows("that was all")
	isLevel(t, early, b.memory(d))
	b.isContent()
	took := ask[float64](b, `(async () => {
		const begin = performance.now();
		for (let i = 0; i < 10; i++) await new Promise(done => requestAnimationFrame(done));
		return (performance.now() - begin) / 10;
	})()`)
	t.Logf("a frame takes %.1f ms after %d lines", took, *lines)
}

// lastLine is the last number that the program has written.
func lastLine(d *harness.Device) int {
	files, _ := filepath.Glob(filepath.Join(d.Dir, "logs", "*.log"))
	last := 0
	for _, file := range files {
		text, _ := os.ReadFile(file)
		text = text[max(0, len(text)-4000):]
		for line := range strings.Lines(string(text)) {
			_, said, _ := strings.Cut(strings.TrimSpace(line), "MAIN : ")
			if n, err := strconv.Atoi(said); err == nil && n > last {
				last = n
			}
			if said == "that was all" {
				return 1 << 30
			}
		}
	}
	return last
}
