//go:build linux

package life

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ota/test/harness"
)

// settings leave ota no time to lose, and its log files too little room for what
// these programs print.
const settings = `[update]
quiet = "20ms"

[trial]
ready = true
period = "3s"

[logs]
max_file = "250kB"
max_total = "1MB"
`

// TestManyUpdates: update after update, one in five of them bad, and after each
// the right release runs; a bad one has gone away by itself, and its files lie in
// deposit/, where the next upload is laid over them. All of it leaves nothing
// behind: in the end ota has as much memory, as many files open, threads and
// processes, and as much on the disk as after the first updates.
func TestManyUpdates(t *testing.T) {
	t.Parallel()
	harness.Need(t, "python3")
	first := whole().Over(harness.Tree{})
	l := &life{T: t, Device: harness.NewDevice(t, harness.FastDir(t), first, settings), good: first, ended: map[string]int{}}
	for i := range l.runs {
		l.runs[i] = 1
	}
	l.Start()
	l.awaitGood(1)
	began := time.Now()
	var all []sample
	for version := 2; version < 2+*updates; version++ {
		l.update(version)
		all = append(all, l.sample())
		if len(all)%100 == 0 {
			t.Logf("%5d updates, %4.0f s: %v", len(all), time.Since(began).Seconds(), median(last(all)))
		}
	}
	t.Logf("%d updates in %.0f s:\n%s", *updates, time.Since(began).Seconds(), l.summary())
	l.checkLeft(all)
	l.Say("verify")
}

// life is a device in the middle of its updates.
type life struct {
	*testing.T
	*harness.Device
	pid     int            // of ota
	good    harness.Tree   // what main/ holds, without the program's own
	runs    versions       // what good is made of
	waits   harness.Tree   // what a failed upload left in deposit/; nil: nothing
	failed  int            // the version of which waits is
	current int            // the release in main/
	highest int            // the number used last
	starts  int            // as the program has counted them
	ended   map[string]int // how many versions came to which end
}

// update brings one version and sees what becomes of it.
func (l *life) update(version int) {
	l.Helper()
	brought := change(version)
	if l.waits != nil {
		// The parts are to come from what lies in deposit/ already.
		for _, part := range changedParts(version) {
			delete(brought, partPath(part))
		}
	}
	upload(l.T, l.Device, brought)
	if kindOf(version).fails() {
		l.awaitBad(version, brought)
	} else {
		l.lay(version, brought)
		l.awaitGood(version)
	}
	if l.Failed() {
		l.Fatalf("after version %d, %q", version, kindOf(version))
	}
}

// lay changes what main/ is to be by an upload, with what waited below it.
func (l *life) lay(version int, brought harness.Tree) {
	l.good = brought.Over(l.waits.Over(l.good))
	if l.waits == nil {
		l.runs = l.runs.with(version)
		return
	}
	l.runs = l.runs.with(l.failed)
	l.runs[0] = version
	l.waits = nil
}

// awaitGood waits until a version runs, or has run, and is confirmed.
func (l *life) awaitGood(version int) {
	l.Helper()
	is := kindOf(version)
	state := map[kind]string{good: "running", ends: "finished"}[is]
	status := l.await(fmt.Sprintf("version %d being confirmed", version), harness.Tree{}, func(s harness.Status) bool {
		return s.Release.Number > l.highest && s.Program.State == state && s.Deposit.State == "empty"
	})
	if status.Release.Number != l.highest+1 {
		l.Errorf("it is release %d, after %d", status.Release.Number, l.highest)
	}
	l.pid, l.current, l.highest = status.PID, status.Release.Number, status.Release.Number
	l.ended[string(is)+": confirmed"]++
	l.check(harness.Tree{}, l.starts+1)
}

// awaitBad waits until a version has failed and the one before runs again.
func (l *life) awaitBad(version int, brought harness.Tree) {
	l.Helper()
	is := kindOf(version)
	l.await(fmt.Sprintf("version %d having failed", version), brought, func(s harness.Status) bool {
		return s.Release.Number == l.current && s.Program.State == "running" && s.Deposit.State == "held"
	})
	newest, starts := l.History()[0], l.starts+1
	switch {
	case newest.Number == l.highest && is.isSeen():
		starts = l.starts // the old program has not noticed
		l.ended[string(is)+": held by a check"]++
	case newest.Number != l.highest+1 || newest.State != "rolled back":
		l.Errorf("the newest release is %d, %s, after %d", newest.Number, newest.State, l.highest)
	default:
		l.ended[string(is)+": rolled back"]++
		l.checkWhy(is, newest.Number)
	}
	l.highest, l.waits, l.failed = newest.Number, brought, version
	l.check(brought.Over(harness.Tree{}), starts)
}

// await waits until a good release is in main/ and its program has said that it
// is made of what it should be. Before the files are as they are to be in the
// end ota is not even asked: it is to be measured, not the asking.
func (l *life) await(what string, deposit harness.Tree, done func(harness.Status) bool) harness.Status {
	l.Helper()
	var status harness.Status
	harness.Await(l.T, what, func() bool {
		_, err := os.Lstat(filepath.Join(l.Deposit(), "main.py"))
		pid, isRight := strings.CutPrefix(l.said(), l.runs.words()+" ")
		if !isRight || (err == nil) != (len(deposit) > 0) {
			return false
		}
		status, err = l.Status()
		isGood := status.Release.State == "confirmed" || status.Release.State == "adopted"
		isIts := status.Program.PID == 0 || pid == strconv.Itoa(status.Program.PID)
		return err == nil && isGood && isIts && done(status)
	}, func() string {
		return fmt.Sprintf("status: %+v\nsaid: %q\nconsole:\n%s", status, l.said(), l.Console())
	})
	return status
}

// said is what the program that was started last has said of itself.
func (l *life) said() string {
	text, _ := os.ReadFile(filepath.Join(l.Dir, "said"))
	return strings.TrimSpace(string(text))
}

// checkWhy: what is told of a failure names it.
func (l *life) checkWhy(is kind, number int) {
	l.Helper()
	var why struct {
		Release  int `json:"release"`
		Evidence json.RawMessage
	}
	if err := json.Unmarshal([]byte(l.Say("why", "--json", strconv.Itoa(number))), &why); err != nil {
		l.Fatal(err)
	}
	if why.Release != number || !is.isToldIn(string(why.Evidence)) {
		l.Errorf("why release %d failed, of %q: %s", why.Release, is, why.Evidence)
	}
}

// check: main/ is what is to run and the program's own, and deposit/ what waits.
// The program has been started as often as it is to, at least.
func (l *life) check(deposit harness.Tree, least int) {
	l.Helper()
	checkTree(l.T, l.Deposit(), deposit)
	found, err := harness.Read(l.Main())
	if err != nil {
		l.Fatal(err)
	}
	starts, err := strconv.Atoi(strings.TrimSpace(found["starts"].Content))
	if err != nil || starts < least || least == l.starts && starts != least {
		l.Errorf("the program has counted %d starts, after %d: %v", starts, l.starts, err)
	}
	l.starts = starts
	maps.DeleteFunc(found, func(path string, _ harness.Entry) bool {
		return path == "starts" || strings.Contains(path, "__pycache__")
	})
	if diff := harness.Diff(l.good, found); diff != "" {
		l.Errorf("main/:\n%s", diff)
	}
}
