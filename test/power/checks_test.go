//go:build linux

package power

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ota/test/harness"
)

// What is said of a broken promise.
const (
	lost    = "is lost"
	mixture = "was started in a mixture"
)

// recover starts ota on a disk as a power cut left it and checks the promises.
func (r *recording) recover(t testing.TB, binary, dir string, state state) {
	t.Helper()
	device := r.device(t, dir, state)
	device.Binary = binary
	device.ForgetStarts()

	r.checkNothingLost(t, device, state.at)
	device.Start()
	harness.Await(t, "the first start after the power cut", func() bool { return len(starts(device)) > 0 }, device.Console)
	if r.checkStarts(t, device, state.at); t.Failed() {
		return // it may never come to rest
	}
	status := device.Await("rest after the power cut", func(status harness.Status) bool { return isAtRest(device, status) })
	newest := r.checkStarts(t, device, state.at)
	if t.Failed() {
		return
	}
	checkMain(t, device, newest)
	checkOneProgram(t, device, status)
	r.checkNothingLost(t, device, state.at)
	history := device.History()
	checkHistory(t, history, newest)
	r.checkWentBack(t, device, history, state.at, newest)
	checkNextUpdate(t, device)
}

// device is the one on a disk as a power cut left it.
func (r *recording) device(t testing.TB, dir string, state state) *harness.Device {
	t.Helper()
	image, mounted := filepath.Join(dir, "image"), filepath.Join(dir, "disk")
	if err := os.MkdirAll(mounted, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r.build(t, image, state)
	if err := r.system.mount(image, mounted, join(r.system.options, r.system.again)); err != nil {
		t.Fatalf("the file system is lost: %v", err)
	}
	device := harness.NewDevice(t, mounted, nil, "")
	t.Cleanup(func() {
		device.KillPrograms()
		unmount(t, mounted)
	})
	return device
}

func join(options ...string) string {
	return strings.Trim(strings.Join(options, ","), ",")
}

// isAtRest reports whether ota has no more to do until somebody does something.
// What it says of deposit/ is what it saw last.
func isAtRest(device *harness.Device, status harness.Status) bool {
	rests := status.Deposit.State == "empty" && isEmpty(device.Deposit()) || status.Deposit.State == "held" ||
		status.Deposit.State == "receiving" && device.IsHeldBack()
	return rests && status.Program.State == "running" && hasStarted(device, status.Program.PID) &&
		(status.Release.State == "adopted" || status.Release.State == "confirmed")
}

func isEmpty(dir string) bool {
	found, err := harness.Read(dir)
	return err == nil && len(sums(found)) == 0
}

// hasStarted reports whether the program of that process id has found out what
// it was started in.
func hasStarted(device *harness.Device, pid int) bool {
	return strings.HasSuffix(device.Starts(), endOfStart+strconv.Itoa(pid))
}

// checkNothingLost looks for every file of the uploads that were on the disk.
func (r *recording) checkNothingLost(t testing.TB, device *harness.Device, at int) {
	t.Helper()
	for _, event := range r.events {
		if event.occasion != uploaded || event.entries > at {
			continue
		}
		step := cycle[event.release-1]
		for path, entry := range step.upload {
			if !device.Keeps(path, entry.Content) {
				t.Errorf("%s of the upload %q %s", path, step.name, lost)
			}
		}
	}
}

// checkStarts looks at what the program found at each start since the power
// cut: a release, whole, and none that came before one that was acknowledged; a
// bad one no more often than it may fail, and never after it was rolled back. It
// returns which it found last.
func (r *recording) checkStarts(t testing.TB, device *harness.Device, at int) int {
	t.Helper()
	oldest := r.acknowledged(at)
	newest := -1
	list := starts(device)
	for _, found := range list {
		before := newest
		newest = recognize(found)
		if newest < 0 {
			t.Errorf("the program %s:\n%s", mixture, nearest(found))
			continue
		}
		name := releases[newest].name
		if newest < oldest {
			t.Errorf("the program was started in %s, but %s was acknowledged", name, releases[oldest].name)
		}
		if newest < before && (releases[before].ends == confirmed || releases[before].over != newest) {
			t.Errorf("the program was started in %s after %s", name, releases[before].name)
		}
		if releases[newest].ends == rolledBack && r.has(acknowledged, newest, at) {
			t.Errorf("the program was started in %s, which had been rolled back", name)
		}
	}
	for number, release := range releases {
		if release.ends == rolledBack && countStarts(list, number) > attempts {
			t.Errorf("%s was started %d times", release.name, countStarts(list, number))
		}
	}
	return newest
}

// checkMain looks whether main/ still is what the program was started in.
func checkMain(t testing.TB, device *harness.Device, newest int) {
	t.Helper()
	main, err := harness.Read(device.Main())
	if err != nil {
		t.Error(err)
	}
	if diff := releases[newest].difference(sums(main)); diff != "" {
		t.Errorf("main/ is not what the program was started in:\n%s", diff)
	}
}

// checkOneProgram looks whether what ota says runs is all that runs.
func checkOneProgram(t testing.TB, device *harness.Device, status harness.Status) {
	t.Helper()
	if programs := device.Programs(); !slices.Equal(programs, []int{status.Program.PID}) {
		t.Errorf("the programs %v run, ota says %d", programs, status.Program.PID)
	}
}

// acknowledged is the newest release of which ota had said that it is good.
func (r *recording) acknowledged(at int) int {
	newest := 0
	for number, release := range releases {
		if release.ends == confirmed && r.has(acknowledged, number, at) {
			newest = number
		}
	}
	return newest
}

// has reports whether something was so of a release when so many entries had
// been written.
func (r *recording) has(occasion occasion, release, at int) bool {
	return slices.ContainsFunc(r.events, func(event event) bool {
		return event.occasion == occasion && event.release == release && event.entries <= at
	})
}

// starts lists what the program found at each start.
func starts(device *harness.Device) []map[string]string {
	var list []map[string]string
	found := map[string]string{}
	for line := range strings.Lines(device.Starts()) {
		if strings.HasPrefix(line, endOfStart) {
			list, found = append(list, found), map[string]string{}
			continue
		}
		sum, path, _ := strings.Cut(strings.TrimSpace(line), "  ")
		found[path] = sum
	}
	return list
}

// countStarts counts those of a release.
func countStarts(list []map[string]string, number int) int {
	count := 0
	for _, found := range list {
		if recognize(found) == number {
			count++
		}
	}
	return count
}

// nearest says what is wrong with a mixture.
func nearest(found map[string]string) string {
	best := ""
	for _, release := range releases {
		diff := release.difference(found)
		if best == "" || strings.Count(diff, "\n") < strings.Count(best, "\n") {
			best = diff
		}
	}
	return best
}

// checkHistory looks whether ota knows what became of the release that is in
// main/, and of all before it, once each. A bad one over it may be known too.
func checkHistory(t testing.TB, history []harness.Release, newest int) {
	t.Helper()
	if releases[newest].ends != confirmed {
		t.Errorf("%s is in main/ for good", releases[newest].name)
	}
	for i, release := range history {
		number := len(history) - i
		if release.Number != number || number > len(releases) {
			t.Errorf("the history lists release %d where %d should be", release.Number, number)
			continue
		}
		if release.Current != (number == newest+1) {
			t.Errorf("release %d of %d is current: %t", number, len(history), release.Current)
		}
		want := string(releases[number-1].ends)
		if number == 1 {
			want = "adopted"
		}
		if release.State != want {
			t.Errorf("the history says of %s that it is %s", releases[number-1].name, release.State)
		}
	}
	tried := newest + 1
	if len(history) > tried && tried < len(releases) && releases[tried].ends == rolledBack && releases[tried].over == newest {
		tried++
	}
	if len(history) != tried {
		t.Errorf("the history has %d releases, %d have been in main/", len(history), tried)
	}
}

// checkWentBack looks whether a bad release has left all of its files in
// deposit/, if it is not part of what is in main/. Some of an upload over them
// may be there.
func (r *recording) checkWentBack(t testing.TB, device *harness.Device, history []harness.Release, at, newest int) {
	t.Helper()
	for number, release := range releases {
		if release.ends != rolledBack || release.over != newest || !r.has(uploaded, number, at) {
			continue
		}
		wasTried := len(history) > number
		if !wasTried && r.has(acknowledged, number, at) {
			t.Errorf("that %s was rolled back is forgotten", release.name)
		}
		if status, err := device.Status(); wasTried && !device.IsHeldBack() && (err != nil || status.Deposit.State != "held") {
			t.Errorf("deposit/ with the files of %s: %+v, %v", release.name, status.Deposit, err)
		}
		for path, entry := range cycle[number-1].upload {
			if r.isLaidOver(path, number, at) {
				continue
			}
			if found, err := os.ReadFile(filepath.Join(device.Deposit(), path)); err != nil || string(found) != entry.Content {
				t.Errorf("%s of %s is not in deposit/ again: %d bytes, %v", path, release.name, len(found), err)
			}
		}
	}
}

// isLaidOver reports whether a later upload with such a file may have begun.
func (r *recording) isLaidOver(path string, number, at int) bool {
	for later := number + 1; later < len(releases); later++ {
		if _, there := cycle[later-1].upload[path]; there && r.has(begun, later, at) {
			return true
		}
	}
	return false
}

// checkNextUpdate uploads all files once more: the device has to take them.
func checkNextUpdate(t testing.TB, device *harness.Device) {
	t.Helper()
	device.HoldBack()
	last.upload.Write(t, device.Deposit())
	device.LetGo()
	device.Await("the next update", func(status harness.Status) bool {
		found := starts(device)
		return len(found) > 0 && maps.Equal(found[len(found)-1], updated.sums) && isAtRest(device, status)
	})
}
