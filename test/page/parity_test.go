//go:build linux

package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"ota/internal/api"
	"ota/internal/kit/packed"
	"ota/internal/logs"
	"ota/internal/web/page"
	"ota/test/harness"
)

// TestTheServerAndTheModulesWriteTheSame: a page that comes with nothing becomes,
// when the first events are there, the one that the server writes.
func TestTheServerAndTheModulesWriteTheSame(t *testing.T) {
	b := open(t, desk)
	for name, v := range sights() {
		t.Run(name, func(t *testing.T) {
			site := httptest.NewServer(siteOf(v))
			defer site.Close()
			defer site.CloseClientConnections()
			b := b.as(t)
			b.do(chromedp.Navigate(site.URL + "/?nothing"))
			var served, written []string
			differ := func() int {
				for i := range max(len(served), len(written)) {
					if at(served, i) != at(written, i) {
						return i
					}
				}
				return -1
			}
			harness.Await(t, "the same", func() bool {
				served = parts(b, `new DOMParser().parseFromString(await (await fetch("/")).text(), "text/html")`)
				written = parts(b, `document`)
				return differ() < 0
			}, func() string {
				i := differ()
				return fmt.Sprintf("the server writes\n  %s\nand the modules\n  %s\nafter\n  %s", at(served, i), at(written, i), strings.Join(served[max(0, i-4):i], "\n  "))
			})
			if len(served) < 20 {
				t.Errorf("only %q", served)
			}
			b.do(chromedp.Navigate("about:blank"))
		})
	}
	b.isContent()
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "nothing"
}

// parts are the elements of the parts that both sides write, one a line.
func parts(b *browser, of string) []string {
	b.Helper()
	return ask[[]string](b, `(async () => {
		const from = `+of+`;
		return ["program", "device", "deposit-body", "deposit-files", "history", "files", "summary", "host"].flatMap(id => {
			const part = from.getElementById(id).cloneNode(true);
			part.normalize();
			const line = one => one.nodeName + " " + [...one.attributes].map(({name, value}) => name + "=" + value).sort().join(" ")
				+ " " + [...one.childNodes].map(child => child.nodeType === 3 ? child.data : "<>").join("");
			return ["# " + id, ...[...part.querySelectorAll("*")].map(line)];
		});
	})()`)
}

// sights are how things can stand, beyond what a device of the tests shows.
func sights() map[string]page.View {
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d - 20*time.Second) } // not where one minute becomes the next
	running := page.View{
		Now: now,
		Status: api.Status{Running: true, PID: new(612), Version: "1.0", Dir: "/home/pi/garden", History: 3,
			Program: api.Program{State: api.Running, PID: new(2041), Started: new(ago(3 * time.Hour)), Restarts: 1, Phase: new("reloading"),
				StatusText: new("4 beds"), LastExit: &api.Exit{Code: new(1), At: ago(4 * time.Hour)}},
			Release: &api.Release{Number: 12, State: api.Confirmed, Pinned: true, Packed: &api.Packed{Version: new("v1.2 <3"), Serial: 12}},
			Deposit: api.Deposit{State: api.Empty}},
		Device: api.Device{Name: "greenhouse", Model: new("Raspberry Pi Zero W Rev 1.1"), Temperature: new(81.2), PowerKnown: true,
			Power:    []string{"under-voltage now", "throttled since the start"},
			DiskFree: new(int64(900_000_000)), DiskTotal: new(int64(31_200_000_000)), MemoryFree: new(int64(30_000_000)), MemoryTotal: new(int64(448_000_000)),
			Load: new(0.42), Processors: 1, Booted: new(ago(76 * time.Hour)), ClockSet: new(false),
			Usage: api.Usage{At: now, Memory: new(int64(44_600_000)), CPU: new(5.24)}},
		Main: api.Listing{Entries: []api.FileEntry{{Name: "garden", Kind: "folder"}, {Name: "main.py", Kind: "file", Size: 5210},
			{Name: "latest", Kind: "link", Target: new(api.Path("main.py"))}, {Name: "größe &.txt", Kind: "file"}}, More: 1},
		History: []api.HistoryEntry{
			{Number: 12, State: api.Confirmed, Current: true, Packed: &api.Packed{Version: new("v1.2 <3"), Serial: 12}, Pinned: true, From: new(11), Created: ago(5 * time.Hour), Files: []api.FileChange{{Path: "main.py", Change: api.Replaced}}},
			{Number: 11, State: api.RolledBack, From: new(10), Created: ago(400 * 24 * time.Hour), Reason: new("exit code 1")},
			{Number: 10, State: api.Adopted, Created: ago(500 * 24 * time.Hour), Files: []api.FileChange{{Path: "a.py", Change: api.Added}, {Path: "b.py", Change: api.Removed}}},
		},
		Log: []logs.Line{{Seq: 1, Time: now, Source: logs.Main, Text: "hello"}},
	}
	all := map[string]page.View{"running": running}
	sight := func(name string, change func(*page.View)) {
		v := running
		change(&v)
		all[name] = v
	}
	sight("a curve", func(v *page.View) {
		for i := range 30 {
			v.Device.Samples = append(v.Device.Samples, api.Usage{At: now.Add(time.Duration(i-30) * time.Minute), Memory: new(int64(40e6 + 1e5*i)), CPU: new(float64(i) / 7)})
		}
		v.Device.Samples[7].Memory, v.Device.Samples[7].CPU = nil, nil
	})
	sight("held", func(v *page.View) {
		v.Status.Deposit = api.Deposit{State: api.Held, Files: 2, Bytes: 9300, Reasons: []api.Reason{
			{Path: new(api.Path("garden/pump.py")), Line: new(41), Column: new(31), Source: new("        if self.level(bed) < 0.3"), Message: "SyntaxError: expected ':'"},
			{Message: "it is no use", Hint: new("correct it")}}}
		v.Deposit = api.Listing{Entries: []api.FileEntry{{Name: "main.py", Kind: "file", Size: 9300}}}
	})
	sight("failed", func(v *page.View) {
		v.Status.Deposit = api.Deposit{State: api.Held, Files: 1, Bytes: 1, Reasons: []api.Reason{{Message: `this failed its trial as release 12 (see "ota why 12")`}}}
		v.Why = api.Why{Release: new(12), Evidence: &api.Evidence{At: ago(11 * time.Minute), Why: "it crashed", Exit: &api.Ending{Code: new(1)}, BackTo: new(11),
			Traceback: &api.Traceback{Error: "ValueError: n/a", File: "pump.py", Line: 12, Function: new("read"), Source: new("    return float(text)")},
			Probes:    []api.ProbeAnswer{{Probe: "http://localhost/", Answer: "BAD", Detail: new("refused"), Before: new("OK")}},
			Files:     []api.FileChange{{Path: "pump.py", Change: api.Replaced}}, Output: []string{`\x1b[31mValueError\x1b[0m`, "", "end"}}}
	})
	for _, state := range []api.DepositState{api.Receiving, api.Checking, api.Deferred, api.Switching} {
		sight(string(state), func(v *page.View) {
			v.Status.Deposit = api.Deposit{State: state, Files: 3, Bytes: 1_240_000, Doing: new("the packages are installed"),
				Arriving: &api.Progress{Files: 14, Done: 8, Bytes: 48_212_334, Received: 28_927_400}}
			v.Device.ClockSet, v.Device.Power, v.Device.Temperature = new(true), nil, new(71.0)
		})
	}
	for _, state := range []api.ProgramState{api.Finished, api.Backoff, api.Equipping, api.Stopped, api.Waiting} {
		sight(string(state), func(v *page.View) {
			v.Status.Program.State, v.Status.Program.CrashLooping, v.Status.Program.Notice = state, state == api.Backoff, new("the system's Python was replaced")
			v.Status.Program.LastExit = &api.Exit{Signal: new("SIGKILL"), Cause: new("out of memory"), At: ago(4 * time.Minute)}
			v.Status.Program.PID, v.Status.Program.Started, v.Status.Release, v.Device.Usage.Memory, v.Device.Usage.CPU = nil, nil, nil, nil, nil
			v.History, v.Main, v.Status.Web.Problem = nil, api.Listing{}, new("port 8484 is used")
		})
	}
	return all
}

// siteOf serves a page that stays as it is.
func siteOf(v page.View) http.Handler {
	site := http.NewServeMux()
	answer := func(path string, data any) {
		site.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(data)
		})
	}
	site.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		shown := v
		if r.URL.RawQuery == "nothing" {
			shown = page.View{Now: v.Now}
		}
		page.Home(w, shown)
	})
	site.HandleFunc("/page/{name}", func(w http.ResponseWriter, r *http.Request) {
		content, kind, _, ok := page.Asset(r.PathValue("name"))
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", kind)
		w.Write(packed.Open(content))
	})
	site.HandleFunc("/login/icon.svg", func(http.ResponseWriter, *http.Request) {})
	answer("/api/v1/history", api.List[api.HistoryEntry](v.History))
	answer("/api/v1/why", v.Why)
	answer("/api/v1/device", v.Device)
	answer("/api/v1/drops", api.List[api.Drop](nil))
	answer("/api/v1/files/main", v.Main)
	answer("/api/v1/files/deposit", v.Deposit)
	site.HandleFunc("/api/v1/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, event := range []struct {
			name string
			data any
		}{{"started", map[string]string{"start": "x", "version": v.Status.Version}}, {"status", v.Status}, {"device", v.Device}} {
			text, _ := json.Marshal(event.data)
			fmt.Fprintf(w, "event: %s\nid: x.0\ndata: %s\n\n", event.name, text)
		}
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	return site
}
