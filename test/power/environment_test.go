//go:build linux

package power

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ota/test/harness"
)

// requiring is a program that requires a package.
func requiring(t *testing.T) harness.Tree {
	t.Helper()
	wheel := harness.Wheel{Name: "thing", Version: "1.0", Files: map[string]string{"thing/__init__.py": "", "thing/empty.py": ""}}
	for i := range 30 {
		name := fmt.Sprintf("part%d", i)
		wheel.Files["thing/"+name+".py"] = large("# "+name, "thing", 500*(i+1)).Content
	}
	wheel.Files["thing/table.txt"] = large("table", "thing", 300_000).Content
	tree := harness.Tree{"requirements.txt": harness.File("thing\n"), "wheels/" + wheel.File(): wheel.Entry(t)}
	return tree.Over(before)
}

// equipped are the settings of that program: it is this binary, with an
// environment around it.
func equipped() string {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("program.command = [%q]\nprogram.env = { %s = \"1\" }\npython.offline = true\n", self, role)
}

// making is a recording of how an environment was made.
type making struct {
	*recording
	made  int               // entries after which its record was seen
	files map[string]string // what is in it, by path the sums
}

// marker makes a folder below venvs an environment.
const (
	venvs  = ".ota/venvs/*/"
	marker = "ota-environment.json"
)

// TestPowerCutInEnvironment cuts the power while an environment is made: one that
// has its record has all of its files, with all of their bytes.
func TestPowerCutInEnvironment(t *testing.T) {
	for _, system := range fileSystems {
		if system.kind == "xfs" {
			continue // the recording of what pip does takes 20 s there
		}
		t.Run(system.name, func(t *testing.T) {
			random := prepareEnvironments(t, system)
			m := recordedMaking(t, system, harness.Binary())
			finished := 0
			for i, state := range m.chooseMaking(random, *states/4) {
				broken, isFinished := m.look(t, fmt.Sprintf("environment-%s-%d", system.name, i), state)
				if broken != "" {
					t.Errorf("%v: %s", state, broken)
				}
				if isFinished {
					finished++
				}
			}
			report := fmt.Sprintf("%s: %d states of an environment, finished in %d", system.name, *states/4, finished)
			t.Log(report)
			fmt.Fprintln(os.Stdout, report)
		})
	}
}

// TestMissingSyncsOfEnvironmentsAreSeen: the same look finds what is wrong with
// an ota without syncs.
func TestMissingSyncsOfEnvironmentsAreSeen(t *testing.T) {
	system := fileSystems[0]
	random := prepareEnvironments(t, system)
	forgetful := filepath.Join(t.TempDir(), "ota-nosync")
	if err := harness.BuildTagged(t.Context(), forgetful, "ota_nosync"); err != nil {
		t.Fatal(err)
	}
	m := recordedMaking(t, system, forgetful)
	for i, state := range m.chooseMaking(random, mostStates) {
		if broken, _ := m.look(t, "environment-missing", state); broken != "" {
			first, _, _ := strings.Cut(broken, "\n")
			t.Logf("state %d, %v: %s", i+1, state, first)
			return
		}
	}
	t.Fatalf("on %d disks of an ota without syncs every environment was whole", mostStates)
}

func prepareEnvironments(t *testing.T, system fileSystem) *rand.Rand {
	t.Helper()
	system.need(t)
	harness.Need(t, "python3")
	if err := exec.Command("python3", "-c", "import pip").Run(); err != nil {
		harness.Lack(t, "python3 has no pip here")
	}
	return source(t)
}

// recordedMaking starts ota where an environment is missing, and records the disk
// until the program runs in it, and a while after.
func recordedMaking(t *testing.T, system fileSystem, binary string) *making {
	t.Helper()
	dir := filepath.Join(place, "making-"+filepath.Base(binary)+"-"+system.name)
	mounted := filepath.Join(dir, "disk")
	if err := os.MkdirAll(mounted, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	image := system.newDisk(t, filepath.Join(dir, "image"))
	m := &making{recording: &recording{
		system: system, before: firstDisk(t, system, image, mounted, requiring(t), equipped()),
	}}
	disk := record(t, dir, image)
	size := m.run(t, disk, mounted, binary)
	m.log = disk.finish(t)
	m.made = m.log.Before(size)
	return m
}

// run returns the size of the log when the record of the environment was there.
func (m *making) run(t *testing.T, disk *recorder, dir, binary string) (size int64) {
	t.Helper()
	if err := m.system.mount(disk.export, dir, m.system.options); err != nil {
		t.Fatal(err)
	}
	defer unmount(t, dir)
	s := &stage{t: t, disk: disk, device: harness.NewDevice(t, dir, nil, "")}
	s.device.Binary = binary
	s.noise = makeNoise(t, filepath.Join(dir, "noise"))
	defer s.noise.end()
	s.device.Start()
	defer s.device.KillPrograms()
	defer s.device.Kill()
	var found []string
	harness.Await(t, "the environment", func() bool {
		found, _ = filepath.Glob(filepath.Join(dir, venvs, marker))
		return len(found) == 1
	}, s.device.Console)
	size = disk.size(t)
	// The kernel may write out any file first, and may take half a minute for it.
	if err := syncFile(found[0]); err != nil {
		t.Fatal(err)
	}
	s.await(1, "adopted")
	s.linger()
	m.files = m.read(t, filepath.Dir(found[0]))
	return size
}

func syncFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Sync()
}

// read returns the sums of the files that are installed.
func (m *making) read(t *testing.T, environment string) map[string]string {
	t.Helper()
	tree, err := harness.Read(environment)
	if err != nil {
		t.Fatal(err)
	}
	found := sums(tree)
	var list struct{ Files []struct{ Path, Link string } }
	if err := json.Unmarshal([]byte(tree["ota-files.json"].Content), &list); err != nil {
		t.Fatal(err)
	}
	installed := map[string]string{"ota-files.json": found["ota-files.json"], marker: found[marker]}
	for _, file := range list.Files {
		if file.Link == "" {
			installed[file.Path] = found[file.Path]
		}
	}
	return installed
}

// chooseMaking picks states, half of them near the end of the making.
func (m *making) chooseMaking(random *rand.Rand, count int) []state {
	all := len(m.log.Entries)
	list := make([]state, count)
	for i := range list {
		at := random.IntN(all + 1)
		if i%2 == 1 {
			at = min(all, max(0, m.made-all/8+random.IntN(all/4+1)))
		}
		list[i] = m.state(random, at)
	}
	return list
}

// look makes the disk of a state and looks at what stands there as an
// environment.
func (m *making) look(t *testing.T, name string, state state) (broken string, isFinished bool) {
	t.Helper()
	dir := filepath.Join(place, name)
	image, mounted := filepath.Join(dir, "image"), filepath.Join(dir, "disk")
	if err := os.MkdirAll(mounted, 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	m.build(t, image, state)
	if err := m.system.mount(image, mounted, join(m.system.options, m.system.again)); err != nil {
		t.Fatalf("the file system is lost: %v", err)
	}
	defer unmount(t, mounted)
	records, _ := filepath.Glob(filepath.Join(mounted, venvs, marker))
	for _, path := range records {
		data, err := os.ReadFile(path)
		if err != nil || !json.Valid(data) {
			continue // ota does not believe in this one
		}
		isFinished = true
		tree, err := harness.Read(filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		got := sums(tree)
		maps.DeleteFunc(got, func(path, _ string) bool { return m.files[path] == "" })
		broken += known{name: "the environment", sums: m.files}.difference(got)
	}
	return strings.TrimSpace(broken), isFinished
}
