//go:build linux

package power

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ota/test/harness"
)

// trusting is a recording of a device that takes signed releases: the first with
// the serial 10, the second with 20 and other keys to be trusted from then on.
type trusting struct {
	*recording
	offers string // the folder with archives
}

// serials of the releases by their number on the device; 1 is what was there
// before.
var serials = map[int]int{2: 10, 3: 20}

// TestPowerCutWhileTrustChanges cuts the power while serials go up and keys are
// changed: what was acknowledged holds, so that no older release is taken, and
// there is one key that a newer one is taken with.
func TestPowerCutWhileTrustChanges(t *testing.T) {
	system := fileSystems[0]
	system.need(t)
	harness.Need(t, "ssh-keygen")
	random := source(t)
	r := recordedTrust(t, system)
	count := *states / 4
	t.Run("states", func(t *testing.T) {
		for i, state := range r.choose(random, count) {
			t.Run(fmt.Sprintf("%d_%s", i, state), func(one *testing.T) {
				one.Parallel()
				if t.Failed() {
					one.Skip("another state has failed")
				}
				name := "trust-" + system.name + "-" + strconv.Itoa(i)
				one.Cleanup(func() { r.keepFailed(one, name, state) })
				r.recover(one, filepath.Join(place, name), state)
			})
		}
	})
	if t.Failed() {
		return
	}
	writes, flushes := r.log.Count()
	report := fmt.Sprintf("%s: %d writes, %d flushes, trust was right in %d states", system.name, writes, flushes, count)
	t.Log(report)
	fmt.Fprintln(os.Stdout, report)
}

// recordedTrust makes the keys and the releases, and records the disk while the
// device takes two of them.
func recordedTrust(t *testing.T, system fileSystem) *trusting {
	t.Helper()
	dir := filepath.Join(place, "trusting-"+system.name)
	mounted := filepath.Join(dir, "disk")
	if err := os.MkdirAll(mounted, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &trusting{recording: &recording{system: system}, offers: filepath.Join(dir, "offers")}
	r.pack(t, dir)
	image := system.newDisk(t, filepath.Join(dir, "image"))
	first := harness.Tree{"main.py": text("main", "old"), "../allowed_signers": harness.File(r.signers(t, dir, "old"))}
	r.before = firstDisk(t, system, image, mounted, first, settings()+"[device]\napp = \"garden\"\n")

	disk := record(t, dir, image)
	s := &stage{t: t, disk: disk}
	r.run(t, s, mounted)
	r.log = disk.finish(t)
	for _, seen := range s.seen {
		r.events = append(r.events, event{seen.occasion, seen.release, r.log.Before(seen.size)})
	}
	return r
}

// pack makes keys, and the releases that come to the device: those that it takes,
// and those that are offered to it after a power cut. These have the serial that
// the device has had last, or one above all, and are signed by either key.
func (r *trusting) pack(t *testing.T, dir string) {
	t.Helper()
	program := filepath.Join(dir, "program")
	for _, name := range []string{"old", "new"} {
		harness.Run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", filepath.Join(dir, name))
	}
	list := filepath.Join(dir, "list")
	harness.Tree{"list": harness.File(r.signers(t, dir, "new"))}.Write(t, dir)
	make := func(name, by string, serial int, more ...string) {
		harness.Tree{"main.py": text("main", name)}.Write(t, program)
		harness.Run(t, append([]string{harness.Binary(), "pack", program, "-o", filepath.Join(r.offers, name+".ota"), "--archive", "--app", "garden",
			"--serial", strconv.Itoa(serial), "--key", filepath.Join(dir, by)}, more...)...)
	}
	if err := os.MkdirAll(r.offers, 0o700); err != nil {
		t.Fatal(err)
	}
	make("2", "old", serials[2])
	make("3", "old", serials[3], "--allowed-signers", list)
	for _, by := range []string{"old", "new"} {
		make("again-2-"+by, by, serials[2])
		make("again-3-"+by, by, serials[3])
		make("next-"+by, by, 100)
	}
}

// signers is a list with one of the keys.
func (r *trusting) signers(t *testing.T, dir, name string) string {
	t.Helper()
	public, err := os.ReadFile(filepath.Join(dir, name+".pub"))
	if err != nil {
		t.Fatal(err)
	}
	return name + " " + string(public)
}

// run has the device take both releases.
func (r *trusting) run(t *testing.T, s *stage, dir string) {
	t.Helper()
	if err := r.system.mount(s.disk.export, dir, r.system.options); err != nil {
		t.Fatal(err)
	}
	defer unmount(t, dir)
	s.device = harness.NewDevice(t, dir, nil, "")
	s.noise = makeNoise(t, filepath.Join(dir, "noise"))
	defer s.noise.end()
	s.device.Start()
	defer s.device.KillPrograms()
	defer s.device.Kill()
	s.await(1, "adopted")
	s.linger()
	for _, number := range []int{2, 3} {
		s.device.HoldBack()
		s.see(begun, number)
		r.offer(t, s.device, strconv.Itoa(number))
		s.sync()
		s.see(uploaded, number)
		s.device.LetGo()
		s.see(complete, number)
		s.await(number, string(confirmed))
		s.see(acknowledged, number)
		s.linger()
		s.see(over, number)
	}
}

// offer puts a release into deposit/.
func (r *trusting) offer(t testing.TB, device *harness.Device, name string) {
	t.Helper()
	archive, err := os.ReadFile(filepath.Join(r.offers, name+".ota"))
	if err != nil {
		t.Fatal(err)
	}
	harness.Tree{"release.ota": harness.File(string(archive))}.Write(t, device.Deposit())
}

// recover starts ota on a disk as a power cut left it, and looks what it would
// take then.
func (r *trusting) recover(t testing.TB, dir string, state state) {
	t.Helper()
	device := r.recording.device(t, dir, state)
	device.ForgetStarts()
	device.Start()
	status := device.Await("rest after the power cut", func(status harness.Status) bool { return isAtRest(device, status) })
	device.Kill()
	device.KillPrograms()
	// That may have been between the confirmation of a release and what follows from
	// it, which ota makes up for when it starts, before anything else.
	device.Start()
	device.Await("a start that nothing went before", func(now harness.Status) bool { return now.Program.State == "running" })
	device.Kill()
	device.KillPrograms()

	had := status.Release.Number
	switch {
	case r.has(acknowledged, 3, state.at) && had != 3, r.has(acknowledged, 2, state.at) && had < 2:
		t.Errorf("release %d is current; a later one was confirmed", had)
		return
	case had < 2: // it has had none that was signed
		r.takes(t, device, "next-old", "")
		r.takes(t, device, "next-new", "is not in allowed_signers")
		return
	}
	inForce, other := "old", "new"
	if had == 3 {
		inForce, other = other, inForce
	}
	for number := 2; number <= had; number++ {
		again := fmt.Sprintf("again-%d-", number)
		r.takes(t, device, again+inForce, fmt.Sprintf("its serial, %d, is not above %d", serials[number], serials[had]))
		r.takes(t, device, again+other, "is not in allowed_signers")
	}
	r.takes(t, device, "next-"+inForce, "")
	r.takes(t, device, "next-"+other, "is not in allowed_signers")
}

// takes asks ota whether it would take a release. refused is why not; empty: it
// would.
func (r *trusting) takes(t testing.TB, device *harness.Device, name, refused string) {
	t.Helper()
	if err := os.RemoveAll(device.Deposit()); err != nil {
		t.Fatal(err)
	}
	r.offer(t, device, name)
	got := device.Ask("check")
	if (got.Code == 0) != (refused == "") || !strings.Contains(got.Said+got.Complained, refused) {
		t.Errorf("%s: %+v; want %q", name, got, refused)
	}
}
