//go:build linux

package power

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ota/test/harness"
	"ota/test/power/writelog"
)

// recording is a cycle as the disk saw it.
type recording struct {
	system fileSystem
	before []writelog.Write // the disk at its beginning
	log    *writelog.Log
	events []event
}

// occasion is what an event is about.
type occasion string

const (
	begun        occasion = "begun"       // the upload comes in
	uploaded     occasion = "uploaded"    // an upload lies on the disk, held back
	complete     occasion = "complete"    // it is let go
	failedOnce   occasion = "failed once" // its release has, and waits for its next start
	startedAgain occasion = "started again"
	acknowledged occasion = "acknowledged" // ota says how it ended
	over         occasion = "over"         // a while after that
)

// event says that something was so when the log had a size: a disk that holds
// all of these entries must hold what they brought.
type event struct {
	occasion occasion
	release  int // in the list of releases
	entries  int
}

// recorded runs the cycle with a binary of ota and records it.
func recorded(t *testing.T, system fileSystem, binary string) *recording {
	t.Helper()
	dir := filepath.Join(place, "recording-"+filepath.Base(binary)+"-"+system.name)
	mounted := filepath.Join(dir, "disk")
	if err := os.MkdirAll(mounted, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	image := system.newDisk(t, filepath.Join(dir, "image"))
	r := &recording{system: system, before: firstDisk(t, system, image, mounted, before, settings())}

	disk := record(t, dir, image)
	stage := &stage{t: t, disk: disk}
	stage.run(system, mounted, binary)
	r.log = disk.finish(t)
	for _, sighting := range stage.seen {
		r.events = append(r.events, event{sighting.occasion, sighting.release, r.log.Before(sighting.size)})
	}
	return r
}

// firstDisk lays out a device on the disk and returns what then is on it.
func firstDisk(t *testing.T, system fileSystem, image, dir string, main harness.Tree, settings string) []writelog.Write {
	t.Helper()
	if err := system.mount(image, dir, system.options); err != nil {
		t.Fatal(err)
	}
	harness.NewDevice(t, dir, main, settings)
	unmount(t, dir)
	file, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	solid, err := writelog.Solid(file)
	if err != nil {
		t.Fatal(err)
	}
	return solid
}

// sighting is an event as it is seen: entries are counted when the log is read.
type sighting struct {
	occasion occasion
	release  int
	size     int64 // of the log, afterwards
}

// stage is where the cycle runs and is watched.
type stage struct {
	t      *testing.T
	disk   *recorder
	device *harness.Device
	noise  *noise
	seen   []sighting
}

func (s *stage) run(system fileSystem, dir, binary string) {
	s.t.Helper()
	if err := system.mount(s.disk.export, dir, system.options); err != nil {
		s.t.Fatal(err)
	}
	defer unmount(s.t, dir)
	s.device = harness.NewDevice(s.t, dir, nil, "")
	s.device.Binary = binary
	s.noise = makeNoise(s.t, filepath.Join(dir, "noise"))
	defer s.noise.end()

	s.device.Start()
	defer s.device.KillPrograms()
	defer s.device.Kill()
	s.await(1, "adopted")
	s.see(acknowledged, 0)
	s.linger()
	s.see(over, 0)
	for i := range cycle {
		s.step(i + 1)
	}
}

// step makes an upload and waits until its release has come to its end.
func (s *stage) step(number int) {
	s.t.Helper()
	step := cycle[number-1]
	s.device.HoldBack()
	s.sync() // or a power cut may leave files without what holds them back
	s.see(begun, number)
	step.upload.Write(s.t, s.device.Deposit())
	s.sync() // until then they are the uploader's to lose
	s.see(uploaded, number)
	s.device.LetGo()
	s.see(complete, number)
	if step.ends == rolledBack {
		s.fail(number)
	} else {
		s.await(number+1, string(confirmed))
	}
	s.see(acknowledged, number)
	s.linger()
	s.see(over, number)
}

// fail waits until a bad release was started as often as it may be, and is gone.
func (s *stage) fail(number int) {
	s.t.Helper()
	s.awaitStart(number, 1)
	s.awaitNoise()
	s.see(failedOnce, number)
	s.awaitStart(number, attempts)
	s.see(startedAgain, number)
	below := releases[number].over
	s.device.Await("the way back", func(status harness.Status) bool {
		return status.Release.Number == below+1 && status.Release.State == string(confirmed) && status.Deposit.State == "held"
	})
}

// awaitStart waits for a start of a release.
func (s *stage) awaitStart(number, times int) {
	s.t.Helper()
	harness.Await(s.t, fmt.Sprintf("start %d of the %s release", times, releases[number].name), func() bool {
		return countStarts(starts(s.device), number) >= times
	}, s.device.Console)
}

func (s *stage) see(what occasion, release int) {
	s.seen = append(s.seen, sighting{what, release, s.disk.size(s.t)})
}

// await waits until ota says of the current release that it has this number and
// is in this state.
func (s *stage) await(number int, state string) {
	s.t.Helper()
	s.device.Await(fmt.Sprintf("release %d %s", number, state), func(status harness.Status) bool {
		return status.Release.Number == number && status.Release.State == state
	})
}

func (s *stage) sync() {
	s.t.Helper()
	dir, err := os.Open(s.device.Dir)
	if err != nil {
		s.t.Fatal(err)
	}
	defer dir.Close()
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		s.t.Fatal(err)
	}
}

// linger waits until ota is at rest and the noise has made the file system
// write for some time longer.
func (s *stage) linger() {
	s.t.Helper()
	s.device.Await("rest", func(status harness.Status) bool { return isAtRest(s.device, status) })
	s.awaitNoise()
}

func (s *stage) awaitNoise() {
	s.t.Helper()
	const rounds = 20
	from := s.noise.rounds()
	harness.Await(s.t, "noise", func() bool { return s.noise.rounds() >= from+rounds }, func() string { return "" })
}

// noise writes and syncs a file of its own again and again. Without it, all of
// an update fits into one transaction of the file system, and what is missing
// in its order is not seen.
type noise struct {
	stop  chan struct{}
	ended chan struct{}
	count chan int
}

// every is how often the noise writes.
const every = 2 * time.Millisecond

func makeNoise(t *testing.T, path string) *noise {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	n := &noise{make(chan struct{}), make(chan struct{}), make(chan int)}
	go func() {
		defer close(n.ended)
		defer file.Close()
		n.run(t, file)
	}()
	return n
}

func (n *noise) run(t *testing.T, file *os.File) {
	again := time.NewTicker(every)
	defer again.Stop()
	for round := 0; ; {
		select {
		case <-n.stop:
			return
		case n.count <- round:
		case <-again.C:
			round++
			if _, err := fmt.Fprintln(file, round); err != nil {
				t.Errorf("cannot make noise: %v", err)
				return
			}
			if err := file.Sync(); err != nil {
				t.Errorf("cannot make noise: %v", err)
				return
			}
		}
	}
}

// rounds says how often it has written.
func (n *noise) rounds() int {
	select {
	case round := <-n.count:
		return round
	case <-n.ended:
		return 1 << 30
	}
}

func (n *noise) end() {
	close(n.stop)
	<-n.ended
}
