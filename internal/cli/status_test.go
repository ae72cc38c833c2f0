package cli

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/api"
	"ota/internal/kit/amount"
	"ota/internal/reason"
)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

func TestDescribe(t *testing.T) {
	confirmed := &api.Release{Number: 3, State: api.Confirmed}
	tests := []struct {
		name   string
		status api.Status
		want   string
	}{
		{
			"running, and an upload held",
			api.Status{
				Running: true, PID: new(4711), Version: "0.1.0", Dir: "/home/pi/garden",
				Program: api.Program{
					State: api.Running, PID: new(4712), Started: new(ago(3 * time.Minute)), Restarts: 2,
					LastExit: &api.Exit{Code: new(1), At: ago(4 * time.Hour)},
				},
				Release: confirmed,
				Deposit: api.Deposit{
					State: api.Held, Files: 2, Bytes: 12_345,
					Reasons: api.Reasons([]reason.Reason{{Path: "main.py", Line: 3, Message: "invalid syntax"}, {Path: "a\x1b[2J", Message: "a FIFO"}}),
				},
			},
			`ota 0.1.0 is running in /home/pi/garden (pid 4711)
  program  running for 3 min (pid 4712)
           ended before: exit code 1, 4 h ago
           started again after a crash: 2 times
  release  3, confirmed
  deposit  held: 2 files, 12.3 kB
           main.py:3: invalid syntax
           a\x1b[2J: a FIFO
`,
		},
		{
			"the first minutes",
			api.Status{
				Running: true, PID: new(1), Version: "0.1.0", Dir: "/",
				Program: api.Program{State: api.Waiting}, Deposit: api.Deposit{State: api.Empty},
			},
			`ota 0.1.0 is running in / (pid 1)
  program  waiting for the first upload: put your program into deposit/
  release  none yet
  deposit  empty
`,
		},
		{
			"failing",
			api.Status{
				Running: true, PID: new(1), Version: "0.1.0", Dir: "/",
				Program: api.Program{State: api.Backoff, Restarts: 1, LastExit: &api.Exit{Signal: new("SIGSEGV"), At: ago(5 * time.Second)}},
				Release: confirmed, Deposit: api.Deposit{State: api.Receiving, Files: 1, Bytes: 999},
			},
			`ota 0.1.0 is running in / (pid 1)
  program  failed: killed by SIGSEGV, 5 s ago; it is started again after a pause
           started again after a crash: 1 time
  release  3, confirmed
  deposit  receiving: 1 file, 999 B
`,
		},
		{
			"failing to start at all",
			api.Status{Running: true, Version: "0.1.0", Dir: "/", Program: api.Program{State: api.Backoff}, Deposit: api.Deposit{State: api.Empty}},
			`ota 0.1.0 is running in /
  program  failed; it is started again after a pause
  release  none yet
  deposit  empty
`,
		},
		{
			"finished, by a clock that was set back",
			api.Status{
				Running: true, PID: new(1), Version: "0.1.0", Dir: "/",
				Program: api.Program{State: api.Finished, LastExit: &api.Exit{Code: new(0), At: ago(-time.Hour)}},
				Release: &api.Release{Number: 1, State: api.Adopted}, Deposit: api.Deposit{State: api.Empty},
			},
			`ota 0.1.0 is running in / (pid 1)
  program  finished: exit code 0, 0 s ago
  release  1, adopted
  deposit  empty
`,
		},
		{
			"stopped",
			api.Status{
				Running: true, PID: new(1), Version: "0.1.0", Dir: "/",
				Program: api.Program{State: api.Stopped, LastExit: &api.Exit{Code: new(130), At: ago(50 * time.Hour)}},
				Release: confirmed, Deposit: api.Deposit{State: api.Switching, Files: 1200, Bytes: 5_600_000_000},
			},
			`ota 0.1.0 is running in / (pid 1)
  program  stopped on request
  release  3, confirmed
  deposit  switching: 1200 files, 5.6 GB
`,
		},
		{
			"crashing again and again, and an upload that waits",
			api.Status{
				Running: true, Version: "0.1.0", Dir: "/",
				Program: api.Program{State: api.Backoff, Restarts: 5, CrashLooping: true, LastExit: &api.Exit{Code: new(1), At: noon}},
				Release: &api.Release{Number: 3, State: api.Confirmed, Pinned: true},
				Deposit: api.Deposit{
					State: api.Deferred, Files: 3, Bytes: 10,
					Reasons: api.Reasons([]reason.Reason{{Message: "the program is busy ($OTA_BUSY), for at most 59 min more"}, {Message: "the window is 02:00-04:00"}}),
				},
			},
			`ota 0.1.0 is running in /
  program  failed: exit code 1, 0 s ago; it is started again after a pause
           started again after a crash: 5 times
           it crashes again and again: put a corrected file into deposit/, or go back with "ota rollback"
  release  3, confirmed, pinned
  deposit  deferred: 3 files, 10 B
           the program is busy ($OTA_BUSY), for at most 59 min more
           the window is 02:00-04:00
`,
		},
		{
			"a page with TLS, at another place than it should be",
			api.Status{
				Running: true, Version: "0.1.0", Dir: "/", Program: api.Program{State: api.Running},
				Release: confirmed, Deposit: api.Deposit{State: api.Empty},
				Web: api.Web{Address: new("https://garden:8484"), Problem: new("the port \x1b is taken"), Fingerprint: new("AA:BB")},
			},
			`ota 0.1.0 is running in /
  program  running
  release  3, confirmed
  deposit  empty
  page     https://garden:8484
           not as it should be: the port \x1b is taken
           SHA-256 of its certificate: AA:BB
`,
		},
		{
			"a page that can't be opened",
			api.Status{Web: api.Web{Problem: new("the port is taken")}, Running: true, Version: "0.1.0", Dir: "/", Deposit: api.Deposit{State: api.Empty}},
			`ota 0.1.0 is running in /
  release  none yet
  deposit  empty
  page     not as it should be: the port is taken
`,
		},
		{
			"with a broker",
			api.Status{
				Running: true, Version: "0.1.0", Dir: "/", Program: api.Program{State: api.Running},
				Release: confirmed, Deposit: api.Deposit{State: api.Empty},
				MQTT: &api.MQTT{Broker: "mqtt://broker.local:1883", State: api.Connected},
			},
			`ota 0.1.0 is running in /
  program  running
  release  3, confirmed
  deposit  empty
  mqtt     connected: mqtt://broker.local:1883
`,
		},
		{
			"with a broker that is away",
			api.Status{
				Running: true, Version: "0.1.0", Dir: "/", Program: api.Program{State: api.Running},
				Release: confirmed, Deposit: api.Deposit{State: api.Empty},
				MQTT: &api.MQTT{Broker: "mqtt://broker.local:1883", State: api.Disconnected, Problem: new("connection \x1b refused")},
			},
			`ota 0.1.0 is running in /
  program  running
  release  3, confirmed
  deposit  empty
  mqtt     disconnected: mqtt://broker.local:1883: connection \x1b refused
`,
		},
		{
			"with a source that is away",
			api.Status{
				Running: true, Version: "0.1.0", Dir: "/", Program: api.Program{State: api.Running},
				Release: confirmed, Deposit: api.Deposit{State: api.Empty},
				Source: &api.Source{From: "https://example.com/garden.ota", Problem: new("no \x1b answer")},
			},
			`ota 0.1.0 is running in /
  program  running
  release  3, confirmed
  deposit  empty
  source   not fetched: https://example.com/garden.ota: no \x1b answer
`,
		},
		{
			"on trial",
			api.Status{
				Running: true, Version: "0.1.0", Dir: "/", Program: api.Program{State: api.Running},
				Release: &api.Release{Number: 4, State: api.Trial}, Deposit: api.Deposit{State: api.Empty},
			},
			`ota 0.1.0 is running in /
  program  running
  release  4, on trial
  deposit  empty
`,
		},
		{
			"not running",
			api.Status{Version: "0.1.0", Dir: "/home/pi/a\nb", Release: confirmed},
			`ota 0.1.0 is not running in /home/pi/a\nb
  release  3, confirmed
`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var stdout bytes.Buffer
			a := &app{speaker: newSpeaker(&stdout, nil)}
			for _, row := range describe(test.status, noon) {
				a.row(row)
			}
			if diff := cmp.Diff(test.want, stdout.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Colour adds nothing but colour.
func TestColor(t *testing.T) {
	var stdout bytes.Buffer
	a := &app{speaker: newSpeaker(&stdout, nil)}
	a.color = true
	a.row(row{"program", good, "running", " for 3 min"})
	if got, want := stdout.String(), "  program  \x1b[32mrunning\x1b[0m for 3 min\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSize(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 12_345: "12.3 kB", 999_949: "999.9 kB",
		999_950: "1.0 MB", 20_000_000: "20.0 MB", 1 << 62: "4611686.0 TB",
	} {
		if got := amount.Size(bytes); got != want {
			t.Errorf("amount.Size(%d) = %q, want %q", bytes, got, want)
		}
	}
}
