//go:build linux

package power

import (
	"maps"
	"os"
	"path/filepath"
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
	device.Binary = binary
	t.Cleanup(func() {
		device.KillPrograms()
		unmount(t, mounted)
	})
	device.ForgetStarts()

	r.checkNothingLost(t, device, state.at)
	device.Start()
	harness.Await(t, "the first start after the power cut", func() bool { return len(starts(device)) > 0 }, device.Console)
	if r.checkStarts(t, device, state.at); t.Failed() {
		return // it may never come to rest
	}
	device.Await("rest after the power cut", func(status harness.Status) bool { return isAtRest(device, status) })
	newest := r.checkStarts(t, device, state.at)
	if t.Failed() {
		return
	}
	checkMain(t, device, newest)
	r.checkNothingLost(t, device, state.at)
	checkHistory(t, device, newest)
	checkNextUpdate(t, device)
}

func join(options ...string) string {
	return strings.Trim(strings.Join(options, ","), ",")
}

// isAtRest reports whether ota has no more to do until somebody does something.
func isAtRest(device *harness.Device, status harness.Status) bool {
	rests := status.Deposit.State == "empty" || status.Deposit.State == "held" ||
		status.Deposit.State == "receiving" && device.IsHeldBack()
	return rests && status.Program.State == "running" && hasStarted(device, status.Program.PID) &&
		(status.Release.State == "adopted" || status.Release.State == "confirmed")
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
// cut: a release, whole, and none that came before one that was acknowledged.
// It returns which it found last.
func (r *recording) checkStarts(t testing.TB, device *harness.Device, at int) int {
	t.Helper()
	oldest := r.acknowledged(at)
	newest := -1
	for _, found := range starts(device) {
		newest = recognize(found)
		switch {
		case newest < 0:
			t.Errorf("the program %s:\n%s", mixture, nearest(found))
		case newest < oldest:
			t.Errorf("the program was started in %s, but %s was acknowledged", releases[newest].name, releases[oldest].name)
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

// acknowledged is the newest release of which ota had said so before.
func (r *recording) acknowledged(at int) int {
	newest := 0
	for _, event := range r.events {
		if event.occasion == acknowledged && event.entries <= at {
			newest = max(newest, event.release)
		}
	}
	return newest
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
		sum, path, _ := strings.Cut(strings.TrimSpace(line), "  ./")
		found[path] = sum
	}
	return list
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

// checkHistory looks whether ota knows of the release that is in main/, and of
// all before it, once each.
func checkHistory(t testing.TB, device *harness.Device, newest int) {
	t.Helper()
	history := device.History()
	for i, release := range history {
		if want := len(history) - i; release.Number != want {
			t.Errorf("the history lists release %d where %d should be", release.Number, want)
		}
		if release.Current != (i == 0) {
			t.Errorf("release %d of %d is current: %t", release.Number, len(history), release.Current)
		}
	}
	if len(history) != newest+1 {
		t.Errorf("the history has %d releases, %d have been in main/", len(history), newest+1)
	}
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
