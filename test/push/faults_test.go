//go:build linux

package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ota/internal/pack"
	"ota/internal/parcel"
	"ota/internal/push"
	"ota/internal/receive"
	"ota/test/harness"
)

const (
	// hurryVariable names a target to this test binary, which then pushes to it as
	// ota does, but without a pause before it connects again.
	hurryVariable = "OTA_TEST_HURRY"
	// countVariable names a folder to this test binary when it is called as ota on
	// the device: it counts what arrives.
	countVariable = "OTA_TEST_COUNT"
)

// silence is less than that of ota: a test waits for its end.
const silence = time.Second

func hurry(target string) int {
	always := make(chan struct{})
	close(always)
	project, err := pack.Describe(context.Background(), pack.Options{Source: ".", Release: parcel.Manifest{Kind: parcel.Whole}})
	if err != nil {
		panic(err)
	}
	place, err := push.ParsePlace(target, "")
	if err != nil {
		panic(err)
	}
	report, err := push.Push(context.Background(), push.Options{
		Project: project, Place: place, Cache: os.Getenv("TMPDIR"), Wait: push.ForTheEnd,
		Tell: func(receive.News) {}, Met: true, Hurry: always, Silence: silence,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(report.Result)
	return 0
}

// count runs ota and counts what it gets.
func count(dir string) int {
	cmd := exec.Command(filepath.Join(dir, "real-ota"), os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		panic(err)
	}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	to := &counting{to: in}
	go func() {
		// Until the connection ends, or ota.
		buffer := make([]byte, 32<<10)
		for {
			n, err := os.Stdin.Read(buffer)
			if _, failed := to.Write(buffer[:n]); err != nil || failed != nil {
				in.Close()
				return
			}
		}
	}()
	err = cmd.Wait()
	note(dir, "sent", strconv.FormatInt(to.bytes.Load(), 10))
	if err != nil {
		return 1
	}
	return 0
}

// counted has the ota behind a server count, and returns how much arrived so far.
func (s *sshServer) counted() func() int64 {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	os.Remove(filepath.Join(s.dir, "bin/ota"))
	harness.Tree{"bin/ota": harness.Link(self), "real-ota": harness.Link(harness.Binary())}.Write(s.t, s.dir)
	w := &wired{s.t, s.dir}
	return w.sent
}

// hurry pushes in a hurry, and reports whether it was confirmed. If not, it has to
// be an error.
func (l *laptop) hurry(target string) (confirmed bool, said string) {
	l.t.Helper()
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Dir, cmd.Env = l.src, append(slices.Clone(l.env), hurryVariable+"="+target, "TMPDIR="+l.t.TempDir())
	text, err := cmd.CombinedOutput()
	if confirmed = string(text) == "confirmed\n"; confirmed != (err == nil) {
		l.t.Fatalf("%v: %s", err, text)
	}
	return confirmed, string(text)
}

// hurryWell is hurry for what has to be confirmed.
func (l *laptop) hurryWell(target string) {
	l.t.Helper()
	if confirmed, said := l.hurry(target); !confirmed {
		l.t.Fatal(said)
	}
}

// TestHundredCuts cuts the connection between ssh and sshd a hundred times, at any
// byte, ssh's own greetings among them: what arrives at the device's ota all in all
// is 2 % more than without cuts, at most. What ssh sends for itself, and what was on
// its way in a connection that was cut, is not ota's, and not counted.
func TestHundredCuts(t *testing.T) {
	t.Parallel()
	const size, cuts = 4 << 20, 100
	files := project()
	files["big.bin"] = harness.File(big(size))
	l := newLaptop(t, files)
	server := serveSSH(t)
	arrived := server.counted()
	l.knows(server, server.host("device", ""))
	l.hurryWell("device:" + newDevice(t).Dir)
	without := arrived()

	var mutex sync.Mutex
	random, left := rand.New(rand.NewPCG(7, 1)), cuts
	server.cutAfter(func() (int64, bool) {
		mutex.Lock()
		defer mutex.Unlock()
		left--
		return 1 + random.Int64N(size*16/10/cuts), left >= 0
	})
	device := newDevice(t)
	l.hurryWell("device:" + device.Dir)
	with := arrived() - without
	mutex.Lock()
	defer mutex.Unlock()
	if left >= 0 {
		t.Errorf("only %d cuts", cuts-1-left)
	}
	if with > without*102/100 {
		t.Errorf("%d bytes arrived with cuts, %d without", with, without)
	}
	t.Logf("%d bytes arrived with cuts, %d without, ratio %.4f", with, without, float64(with)/float64(without))
	isWhole(t, device, files)
}

// isWhole compares main/ and deposit/ with what was pushed.
func isWhole(t *testing.T, device *harness.Device, files harness.Tree) {
	t.Helper()
	for path, entry := range files {
		if !strings.HasSuffix(path, ".py") && !strings.HasSuffix(path, ".bin") {
			continue
		}
		if got, err := os.ReadFile(filepath.Join(device.Main(), path)); err != nil || string(got) != entry.Content {
			t.Errorf("%s in main/ is not what was sent (%v)", path, err)
		}
	}
	if names, err := os.ReadDir(device.Deposit()); err != nil || len(names) > 0 {
		t.Errorf("deposit/ holds %v (%v)", names, err)
	}
}

func manyFiles() harness.Tree {
	files := project()
	files["big.bin"] = harness.File(big(256 << 10))
	for i := range 150 {
		files["part/"+strconv.Itoa(i)+".py"] = harness.File(fmt.Sprintf("x = %d\n", i))
		files["m"+strconv.Itoa(i)+".py"] = harness.File(fmt.Sprintf("x = %d\n", i))
	}
	return files
}

// TestDeviceSideKilled: whatever the device's side is at when it is killed, the push
// goes on, as one release.
func TestDeviceSideKilled(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	files := manyFiles()
	l := newLaptop(t, files)
	l.env = append(l.env, depositVariable+"="+device.Deposit())
	w := l.wire()
	random := rand.New(rand.NewPCG(3, 3))
	var script []string
	for range 5 {
		script = append(script, "kill "+strconv.Itoa(random.IntN(60<<10)))
	}
	for range 4 {
		if killAtFile == nil {
			break
		}
		script = append(script, "kill-at-file "+strconv.Itoa(1+random.IntN(150)))
	}
	// In its answer, and while it tells of the release.
	script = append(script, "kill-saying 10", "kill-saying 60", "kill-saying 100")
	w.plan(script...)
	l.push(0, "device:"+device.Dir)
	isWhole(t, device, files)
	if releases := device.History(); len(releases) != 1 {
		t.Errorf("%+v", releases)
	}
	if n := len(w.lines("killed")); n != len(script) {
		t.Errorf("killed %d times", n)
	}
}

// TestAllKilled kills in turn the pusher, in the middle of it, and the ota that runs
// on the device, and starts them again, until the push has come to its end.
func TestAllKilled(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	files := manyFiles()
	l := newLaptop(t, files)
	w := l.wire()
	random := rand.New(rand.NewPCG(5, 5))
	at := 0
	for i := range 6 {
		at += 1 + random.IntN(20<<10)
		w.plan("stall " + strconv.Itoa(1+random.IntN(20<<10)))
		cmd := l.start(nil, "device:"+device.Dir)
		harness.Await(t, "the next part to arrive", func() bool { return len(w.lines("stalled")) > i }, func() string { return "" })
		cmd.Process.Kill()
		cmd.Wait()
		harness.Await(t, "the other side to end", w.hasEnded, func() string { return "" })
		if i%2 == 1 {
			device.Kill()
			device.Start()
			device.Await("ota to answer", func(s harness.Status) bool { return s.Program.State != "" })
		}
	}
	l.push(0, "device:"+device.Dir)
	isWhole(t, device, files)
	if releases := device.History(); len(releases) != 1 {
		t.Errorf("%+v", releases)
	}
}

// TestKilledWhileFollowed: the device's ota is killed when the release has arrived,
// again and again. The push says so, and the next one of the same files finds it.
func TestKilledWhileFollowed(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	// No release is confirmed before the test allows it, so none is before the kill.
	allowed := filepath.Join(t.TempDir(), "allowed")
	files := manyFiles()
	files["main.py"] = harness.File(neverReady + fmt.Sprintf("while not os.path.exists(%q):\n    time.sleep(0.01)\n", allowed) + ready + forEver)
	l := newLaptop(t, files)
	receipt := filepath.Join(device.Dir, ".ota/receive/receipt.json")
	for i := range 3 {
		l.write("lib/pump.py", "number = "+strconv.Itoa(i)+"\n")
		files["lib/pump.py"] = harness.File("number = " + strconv.Itoa(i) + "\n")
		var told bytes.Buffer
		cmd := l.start(&told, device.Dir)
		harness.Await(t, "the manifest to arrive", func() bool {
			_, err := os.Stat(receipt)
			return err == nil
		}, device.Console)
		device.Kill()
		cmd.Wait()
		said := told.String()
		if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(said, "the release waits in deposit/") && !strings.Contains(said, "cannot follow the release") {
			t.Errorf("release %d: exit code %d, told %q", i+1, code, said)
		}
		device.Start()
		device.Await("ota to answer", func(s harness.Status) bool { return s.Program.State != "" })
		harness.Tree{"allowed": harness.File("")}.Write(t, filepath.Dir(allowed))
		if got := l.pushJSON(0, device.Dir).Targets[0]; got.Outcome != "confirmed" || got.Release != i+1 {
			t.Errorf("the same again: %+v, not release %d", got, i+1)
		}
		isWhole(t, device, files)
		if err := errors.Join(os.Remove(receipt), os.Remove(allowed)); err != nil {
			t.Fatal(err)
		}
	}
	if releases := device.History(); len(releases) != 3 {
		t.Errorf("%+v", releases)
	}
}

// TestGarbled changes one bit in each region of what crosses, in both directions: it
// is noticed, and sent again or refused, and never applied. Where it is in a length, or
// the end of a line, both sides wait, until the sender has waited for long enough.
func TestGarbled(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	files := project()
	files["big.bin"] = harness.File(big(16 << 10))
	l := newLaptop(t, files)
	w := l.wire()
	l.push(0, "device:"+device.Dir)
	good := w.sent()
	random := rand.New(rand.NewPCG(9, 9))
	var faults []string
	for _, at := range []int64{2, 50, 100, 125, 140, 170, 250, good / 2, good - 9, good - 1} {
		faults = append(faults, fmt.Sprintf("flip %d", at))
	}
	for _, at := range []int64{3, 26, 40, 60, 90, 120} {
		faults = append(faults, fmt.Sprintf("flip-back %d", at), fmt.Sprintf("flip %d", random.Int64N(good)))
	}
	for i, fault := range faults {
		// All of it is new, so that all of it is sent.
		content := strings.ReplaceAll(big(16<<10), "a", strconv.Itoa(i))
		files["big.bin"] = harness.File(content)
		l.write("big.bin", content)
		before := device.History()
		w.plan(fault)
		confirmed, said := l.hurry("device:" + device.Dir)
		t.Logf("%s: %q", fault, said)
		if !confirmed {
			if after := device.History(); len(after) != len(before) {
				t.Errorf("%s: refused, and there is a release %+v", fault, after)
			}
			l.push(0, "device:"+device.Dir)
		}
		isWhole(t, device, files)
		if t.Failed() {
			t.Fatalf("after %s", fault)
		}
	}
}
