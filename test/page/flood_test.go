//go:build linux

package page

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/chromedp"

	"ota/test/harness"
)

var (
	updates = flag.Int("page.updates", 24, "how many updates the page is open for")
	lines   = flag.Int("page.lines", 200_000, "how many lines of the log the page is open for, more than 170,000")
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

// isLevel fails the test where memory grows with what went by: after the first
// part of it there may be noise, and no more.
func isLevel(t testing.TB, early, late memory) {
	t.Helper()
	t.Logf("early: %v; at the end: %v", early, late)
	if late.page > early.page+early.page/8+800_000 {
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

// flood is a program that writes so many lines: as many at once as may pass in a
// burst, and then as many as may pass in the long run, on both of its streams, so
// that none of them is left out before it gets to the page.
const flood = `
import sys, time
lines, burst, rate = int(sys.argv[1]), 200_000, 5_000
begun = None
for n in range(1, lines + 1):
    print(n, file=sys.stdout if n % 2 else sys.stderr)
    if n % 500 == 0:
        sys.stdout.flush()
        if n > burst and begun is None:
            begun = time.monotonic()
        time.sleep(0.04 if n <= burst else max(0, begun + (n - burst) / rate - time.monotonic()))
while True:
    print("that was all of", lines, flush=True)
    time.sleep(1)
`

// TestPageStaysLevelThroughAFlood lets the program write far more lines than the
// page keeps.
func TestPageStaysLevelThroughAFlood(t *testing.T) {
	program := fmt.Sprintf("[program]\ncommand = [\"python3\", \"flood.py\", \"%d\"]\n", *lines)
	d := harness.NewDevice(t, t.TempDir(), harness.Tree{"flood.py": harness.File(flood)}, program+settings)
	d.Start()
	d.Await("ota", func(s harness.Status) bool { return s.PID != 0 })
	b := open(t, desk)
	b.login(d)
	b.watch(*lines * 6 / 10) // the page is full: it keeps 100,000
	early := b.memory(d)
	b.watch(*lines)
	late := b.memory(d)
	b.shows(fmt.Sprint("that was all of ", *lines))
	isLevel(t, early, late)
	b.isContent()
	took := ask[float64](b, `(async () => {
		const begin = performance.now();
		for (let i = 0; i < 10; i++) await new Promise(done => requestAnimationFrame(done));
		return (performance.now() - begin) / 10;
	})()`)
	t.Logf("a frame takes %.1f ms after %d lines; kept are: %s", took, *lines, ask[string](b, `document.querySelector("#log .log-levels").innerText.replace(/\s+/g, " ")`))
}

// watch waits until the page shows line n of the flood, or one after it.
func (b *browser) watch(n int) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, harness.Deadline+time.Duration(n)*time.Millisecond)
	defer cancel()
	_, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`new Promise(done => {
		const look = () => {
			const text = document.querySelector("#log").innerText;
			const shown = Math.max(0, ...(text.match(/\b\d+$/gm) || []).map(Number));
			if (shown >= %d) done(); else setTimeout(look, 100);
		};
		look();
	})`, n), chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("line %d did not come: %v\n%s", n, err, b.text())
	}
}
