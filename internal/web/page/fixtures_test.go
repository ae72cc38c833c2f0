package page

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"ota/internal/api"
	"ota/internal/logs"
)

// noon is the time in all of these.
var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

// views are how things can stand, by a word for it.
func views() map[string]View {
	return map[string]View{
		"empty":    empty(),
		"running":  running(),
		"trial":    onTrial(),
		"held":     held(),
		"back":     rolledBack(),
		"arriving": arrivingHalf(),
		"crashing": crashing(),
		"power":    weakPower(),
		"hostile":  hostile(),
	}
}

func empty() View {
	return View{
		Now: noon,
		Status: api.Status{Running: true, PID: new(612), Version: "0.4.0", Dir: "/home/pi/garden", Program: api.Program{State: api.Waiting},
			Deposit: api.Deposit{State: api.Empty}},
		Device: api.Device{Name: "garden", Processors: 1, Usage: api.Usage{At: noon}},
	}
}

func running() View {
	v := View{
		Now: noon,
		Status: api.Status{
			Running: true, PID: new(612), Version: "0.4.0", Dir: "/home/pi/garden", History: 12,
			Program: api.Program{State: api.Running, PID: new(2041), Started: new(ago(3*time.Hour + 12*time.Minute)),
				Phase: new("ready"), StatusText: new("4 beds, 1 pump; next watering at 18:00")},
			Release: &api.Release{Number: 12, State: api.Confirmed, Packed: &api.Packed{Version: new("v1.2.0"), Serial: 12}},
			Deposit: api.Deposit{State: api.Empty},
		},
		Device: pi(),
		Main: api.Listing{Entries: []api.FileEntry{
			{Name: "assets", Kind: "folder", Modified: ago(time.Hour)},
			{Name: "garden", Kind: "folder", Modified: ago(time.Hour)},
			{Name: "config.toml", Kind: "file", Size: 812, Modified: ago(time.Hour)},
			{Name: "main.py", Kind: "file", Size: 5210, Modified: ago(time.Hour)},
			{Name: "model.v1.onnx", Kind: "file", Size: 48_212_334, Modified: ago(time.Hour)},
			{Name: "requirements.txt", Kind: "file", Size: 64, Modified: ago(time.Hour)},
		}},
	}
	states := []api.ReleaseState{api.Confirmed, api.RolledBack, api.Confirmed, api.Superseded, api.Confirmed, api.Adopted}
	for i, state := range states {
		entry := api.HistoryEntry{Number: 12 - i, State: state, Current: i == 0, Pinned: i == 4, Created: ago(time.Duration(i*i*9+3) * time.Hour),
			Files:  []api.FileChange{{Path: "main.py", Change: api.Replaced}, {Path: "garden/pump.py", Change: api.Added}},
			Packed: &api.Packed{Version: new("v1." + strconv.Itoa(12-i)), Serial: int64(12 - i)}}
		if i < len(states)-1 {
			entry.From = new(11 - i)
		}
		if state == api.RolledBack {
			entry.Reason = new("the program crashed 3 times during its trial")
		}
		v.History = append(v.History, entry)
	}
	for i := range 40 {
		line := logs.Line{Seq: uint64(i + 1), Time: ago(time.Duration(40-i) * time.Second), Source: logs.Main, Text: fmt.Sprintf("soil %d: moisture 0.%d", i%4, 30+i%7)}
		switch i {
		case 3:
			line.Source, line.Text = logs.Info, "release 12 is confirmed"
		case 20:
			line.Source, line.Text = logs.MainErr, `\x1b[33mslow answer of sensor 2\x1b[0m`
		case 30:
			line.Source, line.Text = logs.Warning, "the program said nothing for 10 s"
		}
		v.Log = append(v.Log, line)
	}
	return v
}

func pi() api.Device {
	device := api.Device{
		Name: "garden", Model: new("Raspberry Pi Zero W Rev 1.1"), Temperature: new(48.3), PowerKnown: true,
		DiskFree: new(int64(21_300_000_000)), DiskTotal: new(int64(31_200_000_000)),
		MemoryFree: new(int64(212_000_000)), MemoryTotal: new(int64(448_000_000)),
		Load: new(0.42), Processors: 1, Booted: new(ago(76 * time.Hour)), ClockSet: new(true),
	}
	for i := range 60 {
		x := float64(i)
		usage := api.Usage{At: ago(time.Duration(60-i) * time.Minute),
			Memory: new(int64(41e6 + 3e6*math.Sin(x/9) + 8e4*x)),
			CPU:    new(4 + 3*math.Sin(x/4) + 14*math.Exp(-(x-41)*(x-41)/6))}
		if i == 17 || i == 18 {
			usage.Memory, usage.CPU = nil, nil
		}
		device.Samples = append(device.Samples, usage)
	}
	device.Usage = api.Usage{At: noon, Memory: new(int64(44_600_000)), CPU: new(5.2)}
	return device
}

func onTrial() View {
	v := running()
	v.Status.Release.State, v.History[0].State = api.Trial, api.Trial
	v.Status.Program.Started = new(ago(20 * time.Second))
	v.Status.Deposit = api.Deposit{State: api.Receiving, Files: 3, Bytes: 1_240_000, Reasons: []api.Reason{
		{Path: new(api.Path("garden/pump.py")), Message: "is still being written"},
		{Path: new(api.Path("main.py")), Line: new(3), Source: new("from garden import valves"), Message: "there is no module garden.valves yet"},
	}}
	v.Deposit = api.Listing{Entries: []api.FileEntry{{Name: "garden", Kind: "folder"}, {Name: "main.py", Kind: "file", Size: 4120}}}
	return v
}

func held() View {
	v := running()
	v.Status.Deposit = api.Deposit{State: api.Held, Files: 2, Bytes: 9300, Reasons: []api.Reason{
		{Path: new(api.Path("garden/pump.py")), Line: new(41), Column: new(31), Source: new("        if self.level(bed) < 0.3"),
			Message: "SyntaxError: expected ':'", Hint: new("correct the line and upload the file again")},
		{Path: new(api.Path("main.py")), Line: new(7), Column: new(8), Source: new("import nmupy as np"),
			Message: "there is no module nmupy", Hint: new("did you mean numpy? put it into requirements.txt")},
	}}
	v.Deposit = api.Listing{Entries: []api.FileEntry{{Name: "garden", Kind: "folder"}, {Name: "main.py", Kind: "file", Size: 5333}}}
	v.Why.Held = v.Status.Deposit.Reasons
	return v
}

func evidence() *api.Evidence {
	return &api.Evidence{
		At: ago(11 * time.Minute), Why: "the program crashed 3 times during its trial", Exit: &api.Ending{Code: new(1)}, BackTo: new(11),
		Traceback: &api.Traceback{Error: "ValueError: could not convert string to float: 'n/a'", File: "garden/pump.py", Line: 12,
			Function: new("read_sensor"), Source: new("    return float(text)")},
		Probes: []api.ProbeAnswer{{Probe: "http://localhost:8080/health", Answer: "BAD", Detail: new("connection refused"), Before: new("OK")}},
		Files:  []api.FileChange{{Path: "garden/pump.py", Change: api.Replaced}, {Path: "garden/valves.py", Change: api.Added}},
		Output: []string{"garden 2.1 is starting", "Traceback (most recent call last):", `  File "main.py", line 40, in <module>`, "    main()",
			`\x1b[31mValueError: could not convert string to float: 'n/a'\x1b[0m`},
	}
}

func rolledBack() View {
	v := running()
	v.Status.Release = &api.Release{Number: 11, State: api.Confirmed, Pinned: true}
	v.History = v.History[1:]
	v.History[0].State, v.History[0].Reason, v.History[0].Current, v.History[0].Pinned = api.Confirmed, nil, true, true
	v.History = append([]api.HistoryEntry{{Number: 12, State: api.RolledBack, Created: ago(15 * time.Minute), From: new(11),
		Files: evidence().Files, Reason: new("the program crashed 3 times during its trial")}}, v.History...)
	v.Status.Deposit = api.Deposit{State: api.Held, Files: 2, Bytes: 7110, Reasons: []api.Reason{
		{Message: `this failed its trial as release 12: the program crashed 3 times (see "ota why 12"); put a corrected file over it, or "ota retry"`}}}
	v.Deposit = api.Listing{Entries: []api.FileEntry{{Name: "garden", Kind: "folder"}}}
	v.Why = api.Why{Release: new(12), State: new(api.RolledBack), Reason: v.History[0].Reason, Evidence: evidence()}
	return v
}

func arrivingHalf() View {
	v := running()
	v.Status.Deposit = api.Deposit{State: api.Receiving, Files: 1, Bytes: 5210,
		Arriving: &api.Progress{Files: 14, Done: 8, Bytes: 48_212_334, Received: 28_927_400}}
	v.Deposit = api.Listing{Entries: []api.FileEntry{{Name: "main.py", Kind: "file", Size: 5210}}}
	return v
}

func crashing() View {
	v := running()
	v.Status.Program = api.Program{State: api.Backoff, Restarts: 23, CrashLooping: true,
		LastExit: &api.Exit{Signal: new("SIGKILL"), Cause: new("out of memory"), At: ago(4 * time.Minute)},
		Notice:   new("the system's Python was replaced under its environment: 3.11 became 3.13")}
	v.Device.Usage.Memory, v.Device.Usage.CPU = nil, nil
	return v
}

func weakPower() View {
	v := running()
	v.Device.Power = []string{"under-voltage now", "throttled since the start"}
	v.Device.Temperature = new(81.2)
	v.Device.ClockSet = new(false)
	v.Device.DiskFree = new(int64(900_000_000))
	v.Status.Web.Problem = new("port 8484 is used by another program")
	return v
}

// hostile is what somebody could put into names and texts.
const script = `<script>alert(1)</script>`

func hostile() View {
	v := rolledBack()
	evil := "\u202e" + script + `"'&` + "\x1b[31m\x00\u2066"
	path := api.Path("a\u202egpj.exe/" + script + "/\xff.py")
	v.Device.Name, v.Device.Model, v.Device.Power = evil, &evil, []string{evil}
	v.Status.Version, v.Status.Dir = evil, path
	v.Status.Program.StatusText, v.Status.Program.Notice, v.Status.Program.Doing, v.Status.Program.Phase = &evil, &evil, &evil, &evil
	v.Status.Deposit.Doing = &evil
	v.Status.Deposit.Reasons = []api.Reason{{Path: &path, Line: new(1), Column: new(2), Source: &evil, Message: evil, Hint: &evil}}
	v.Status.Web.Problem = &evil
	v.Why.Evidence.Why, v.Why.Evidence.Output = evil, []string{evil}
	v.Why.Evidence.Traceback = &api.Traceback{Error: evil, File: path, Line: 1, Function: &evil, Source: &evil}
	v.Why.Evidence.Probes = []api.ProbeAnswer{{Probe: evil, Answer: evil, Detail: &evil, Before: &evil}}
	v.Why.Evidence.Files = []api.FileChange{{Path: path, Change: api.ChangeKind(evil)}}
	v.History[0].State, v.History[0].Reason, v.History[0].Files = api.ReleaseState(evil), &evil, v.Why.Evidence.Files
	entries := []api.FileEntry{{Name: path, Kind: "file"}, {Name: path, Kind: "folder"}, {Name: path, Kind: "link", Target: &path}, {Name: path, Kind: evil}}
	v.Main, v.Deposit = api.Listing{Path: path, Entries: entries}, api.Listing{Entries: entries}
	v.Log = append(v.Log, logs.Line{Time: noon, Source: logs.Source(evil), Text: evil})
	return v
}
