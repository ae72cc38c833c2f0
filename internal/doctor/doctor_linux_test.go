package doctor

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ota/internal/device"
	"ota/internal/kit/owner"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Users of the tests. As root pi is another user than the one who tests.
const (
	pi       = 12345
	uploader = 54321
	nobody   = 4242 // whom the doctor takes himself for: so modes are read
)

func asRoot() bool { return os.Geteuid() == 0 }

// scene is a healthy folder on a healthy machine, which a test makes ill.
type scene struct {
	t       *testing.T
	options Options
	on      system
	foreign []string        // paths that are the uploader's
	disks   map[string]disk // by the name in the folder
}

func newScene(t *testing.T) *scene { return newSceneIn(t, filepath.Join(t.TempDir(), "garden")) }

func newSceneIn(t *testing.T, dir string) *scene {
	t.Helper()
	root := t.TempDir()
	s := &scene{t: t, disks: map[string]disk{}}
	s.on = system{
		root: root, uid: nobody,
		facts:    func() device.Facts { return device.Facts{ClockSet: new(true), Power: &device.Power{}} },
		exchange: func(string) error { return nil },
		disk: func(path string) (disk, error) {
			if d, ok := s.disks[filepath.Base(path)]; ok {
				return d, nil
			}
			return sound, nil
		},
		account: func(uid, gid int) user {
			return user{id: uid, name: "pi", group: strconv.Itoa(gid), groups: []int{gid}}
		},
	}
	s.options = Options{
		Dir: dir, Reserve: 256 << 10, Env: []string{"PATH=" + filepath.Join(root, "bin")},
		Told: Told{Presence: Answers, PID: 4711, Program: "running", Page: "http://127.0.0.1:8484"},
	}
	for _, name := range []string{"deposit", "main", "logs", ".ota"} {
		s.mkdir(name)
	}
	s.file("main/main.py", "print(1)\n")
	if err := os.Chmod(s.at(".ota"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.fake("proc/4711/comm", "ota\n")
	s.fake("proc/sys/fs/inotify/max_user_watches", "65536\n")
	s.fake("proc/sys/fs/inotify/max_user_instances", "128\n")
	s.fake("proc/sys/kernel/osrelease", "6.6.20+rpt-rpi-v6\n")
	s.fake("proc/net/tcp", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n")
	s.fake("dev/kmsg", "6,1,0,-;Booting Linux on physical CPU 0x0\n6,2,100,-;mmc0: new high speed SDHC card at address aaaa\n")
	s.python("echo 3.11.2; echo pip 23.0.1")
	return s
}

var sound = disk{mount: 1, at: "/mnt/card", kind: "ext4", free: 8 << 30, inodes: 1e6, freeInodes: 1e6}

// with is a sound disk but for one thing.
func with(change func(*disk)) disk {
	d := sound
	change(&d)
	return d
}

func (s *scene) at(name string) string { return filepath.Join(s.options.Dir, name) }

func (s *scene) mkdir(name string) {
	s.t.Helper()
	if err := os.MkdirAll(s.at(name), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) file(name, content string) { put(s.t, s.at(name), content, 0o644) }

func (s *scene) chmod(name string, mode os.FileMode) {
	s.t.Helper()
	if err := os.Chmod(s.at(name), mode); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { os.Chmod(s.at(name), 0o755) })
}

// fake makes a file of the system.
func (s *scene) fake(path, content string) {
	put(s.t, filepath.Join(s.on.root, path), content, 0o644)
}

// python makes an interpreter; answer is what it does when it is asked for pip.
func (s *scene) python(answer string) {
	put(s.t, filepath.Join(s.on.root, "bin", "python3"),
		"#!/bin/sh\nif [ \"$1\" = -c ]; then echo \"$0\"; echo 3.11.2; exit; fi\n"+answer+"\n", 0o755)
}

func put(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// examine returns what is found but for what is well. Where the tests are
// root's, all of the folder is pi's before, but for what is foreign.
func (s *scene) examine() []Finding {
	s.t.Helper()
	if asRoot() {
		for _, top := range []string{s.options.Dir, filepath.Join(s.on.root, "proc")} {
			filepath.WalkDir(top, func(path string, _ os.DirEntry, err error) error {
				return errors.Join(err, os.Lchown(path, pi, pi))
			})
		}
		for _, name := range s.foreign {
			if err := os.Lchown(s.at(name), uploader, uploader); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return s.looked()
}

// looked is what is found as it is now.
func (s *scene) looked() []Finding {
	found := examine(s.t.Context(), s.options, s.on)
	return slices.DeleteFunc(found, func(one Finding) bool { return one.Verdict == OK })
}

// listening is a line of /proc/net/tcp for 127.0.0.1:8484.
const listening = "   0: 0100007F:2124 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0000000000000000 100 0 0 10 0\n"

// illnesses are all that can be found, each provoked once. Those that need files
// of two users need root.
var illnesses = []struct {
	finds string
	root  bool
	make  func(*scene)
}{
	{"settings-wrong", false, func(s *scene) { s.file("ota.toml", "[update]\nquite = \"2s\"\n") }},
	{"settings-wrong", false, func(s *scene) { s.file("main/ota.toml", "[update]\nquiet = \"soon\"\n") }},
	{"settings-left-out", false, func(s *scene) { s.file("main/ota.toml", "[program]\nuser = \"root\"\n") }},
	{"ota-absent", false, func(s *scene) { s.options.Told = Told{Presence: Absent} }},
	{"ota-left-socket", false, func(s *scene) { s.options.Told = Told{Presence: Left} }},
	{"ota-silent", false, func(s *scene) {
		s.options.Told = Told{Presence: Silent, PID: 4711, Why: "context deadline exceeded"}
	}},
	{"ota-refuses", false, func(s *scene) { s.options.Told = Told{Presence: Refuses, PID: 4711} }},
	{"ota-outdated", false, func(s *scene) {
		s.options.Told = Told{Presence: Answers, PID: 4711, Program: "running", Outdated: "/usr/bin/ota"}
	}},
	{"service-none", false, func(s *scene) { s.options.Service = Service{State: ServiceNone} }},
	{"service-disabled", false, func(s *scene) {
		s.options.Service = Service{State: ServiceDisabled, Unit: "ota@garden.service", Enable: "sudo systemctl enable ota@garden.service"}
	}},
	{"service-beside", false, func(s *scene) {
		s.options.Service = Service{State: ServiceDown, Unit: "ota@garden.service", Start: "sudo systemctl start ota@garden.service"}
	}},
	{"service-down", false, func(s *scene) {
		s.options.Told = Told{Presence: Absent}
		s.options.Service = Service{State: ServiceDown, Unit: "ota@garden.service", Start: "sudo systemctl start ota@garden.service"}
	}},
	{"program-missing", false, func(s *scene) { os.Remove(s.at("main/main.py")) }},
	{"program-port", false, func(s *scene) {
		s.options.Told = Told{Presence: Absent}
		s.file("ota.toml", "[program]\nlisten = [\"127.0.0.1:8000\"]\n")
		s.fake("proc/net/tcp", strings.ReplaceAll(listening, ":2124", ":1F40"))
	}},
	{"program-failing", false, func(s *scene) { s.options.Told.Crashes, s.options.Told.Ended = Again, "exit code 1" }},
	{"program-crashing", false, func(s *scene) { s.options.Told.Crashes, s.options.Told.Ended = Always, "killed by SIGSEGV" }},
	{"program-trial", false, func(s *scene) { s.options.Told.Trial, s.options.Told.TrialFor = 7, time.Hour }},
	{"upload-held", false, func(s *scene) {
		s.options.Told.Held = []string{"main.py:3:5: SyntaxError: invalid syntax", "waiting for helper.py"}
	}},
	{"python-missing", false, func(s *scene) { s.file("ota.toml", "[python]\ninterpreter = \"/opt/none/python3\"\n") }},
	{"python-broken", false, func(s *scene) { s.python("echo 'no module named encodings' >&2; exit 1") }},
	{"python-shim", false, func(s *scene) {
		real := filepath.Join(s.on.root, "versions", "python3")
		put(s.t, real, "#!/bin/sh\necho 3.12.1; echo pip 24.0\n", 0o755)
		put(s.t, filepath.Join(s.on.root, "bin", "python3"), "#!/bin/sh\necho "+real+"; echo 3.12.1\n", 0o755)
	}},
	{"python-parts", false, func(s *scene) { s.python("echo lacks sqlite3 ssl; echo 3.11.2; echo pip 23.0.1") }},
	{"python-parts", false, func(s *scene) {
		s.python("echo lacks asyncio json ssl; echo 3.11.2; echo pip 23.0.1")
		s.file("deposit/requirements.txt", "flask\n")
	}},
	{"python-parts", false, func(s *scene) {
		put(s.t, filepath.Join(s.on.root, "opt/python3"), "#!/bin/sh\nif [ \"$1\" = -c ]; then echo \"$0\"; echo 3.12.1; exit; fi\necho lacks ctypes ssl; echo 3.12.1; echo pip 24.0\n", 0o755)
		s.file("ota.toml", "[python]\ninterpreter = \""+filepath.Join(s.on.root, "opt/python3")+"\"\n")
	}},
	{"python-pip", false, func(s *scene) { s.python("echo 3.11.2; echo none") }},
	{"python-pip", false, func(s *scene) {
		s.python("echo 3.11.2; echo none")
		s.file("deposit/requirements.txt", "flask\n")
	}},
	{"page-problem", false, func(s *scene) { s.options.Told.PageProblem = "cannot read page.pem" }},
	{"broker-away", false, func(s *scene) {
		s.file("ota.toml", "[mqtt]\nbroker = \"mqtt://broker.local\"\n")
		s.options.Told.BrokerProblem = "connection refused"
	}},
	{"broker-file", false, func(s *scene) {
		s.file("ota.toml", "[mqtt]\nbroker = \"mqtts://broker.local\"\nca = \"ca.pem\"\nuser = \"garden\"\npassword_file = \"secret\"\n")
		put(s.t, s.at("secret"), "secret\n", 0o600)
	}},
	{"broker-secret", false, func(s *scene) {
		s.file("ota.toml", "[mqtt]\nbroker = \"mqtt://broker.local\"\nuser = \"garden\"\npassword_file = \"secret\"\n")
		s.file("secret", "secret\n")
	}},
	{"source-git", false, func(s *scene) {
		s.file("ota.toml", "[source]\ngit = \"https://example.com/garden.git\"\n")
		s.t.Setenv("PATH", s.at("main"))
	}},
	{"source-away", false, func(s *scene) {
		s.file("ota.toml", "[source]\nurl = \"https://example.com/garden.ota?key=secret\"\n")
		s.options.Told.Source, s.options.Told.SourceProblem = "https://example.com/garden.ota", "connection refused"
	}},
	{"source-file", false, func(s *scene) {
		s.file("ota.toml", "[source]\nurl = \"https://example.com/garden.ota\"\ntoken_file = \"token\"\n")
	}},
	{"source-secret", false, func(s *scene) {
		s.file("ota.toml", "[source]\nurl = \"https://example.com/garden.ota\"\ntoken_file = \"token\"\n")
		s.file("token", "secret\n")
	}},
	{"page-port", false, func(s *scene) {
		s.options.Told.Page = "http://127.0.0.1:8485"
		s.fake("proc/net/tcp", listening)
		s.fake("proc/99/comm", "nginx\n")
		s.fake("proc/99/fd/.keep", "")
		if err := os.Symlink("socket:[4242]", filepath.Join(s.on.root, "proc/99/fd/3")); err != nil {
			s.t.Fatal(err)
		}
	}},
	{"folder-kind", false, func(s *scene) {
		os.Remove(s.at("logs"))
		s.file("logs", "")
	}},
	{"folder-kind", false, func(s *scene) {
		os.Remove(s.at("logs"))
		os.Symlink("/media/nothing", s.at("logs"))
	}},
	{"folder-rights", false, func(s *scene) { s.chmod("main", 0o555) }},
	{"folder-rights", true, func(s *scene) { s.foreign = []string{"logs"} }},
	{"folder-rights", false, func(s *scene) {
		os.Remove(s.at("logs"))
		s.chmod(".", 0o555)
	}},
	{"folder-secrets", false, func(s *scene) { s.chmod(".ota", 0o755) }},
	{"folder-secrets", false, func(s *scene) { s.chmod(".ota", 0o777) }},
	{"deposit-read", false, func(s *scene) {
		for _, name := range []string{"a.py", "b.py", "c.py", "d.py", "e.py"} {
			s.file("deposit/"+name, "")
			s.chmod("deposit/"+name, 0o200)
		}
	}},
	{"deposit-read", true, func(s *scene) {
		s.file("deposit/main.py", "")
		s.chmod("deposit/main.py", 0o600)
		s.foreign = []string{"deposit/main.py"}
	}},
	{"deposit-remove", false, func(s *scene) {
		s.file("deposit/lib/a.py", "")
		s.chmod("deposit/lib", 0o555)
	}},
	{"deposit-sticky", true, func(s *scene) {
		s.file("deposit/main.py", "")
		s.chmod("deposit", 0o777|os.ModeSticky)
		s.foreign = []string{"deposit", "deposit/main.py"}
	}},
	{"deposit-group", true, func(s *scene) {
		s.file("deposit/main.py", "")
		s.foreign = []string{"deposit/main.py"}
	}},
	{"deposit-unknown", true, func(s *scene) {
		s.file("deposit/main.py", "")
		s.foreign = []string{"deposit/main.py"}
		s.chmod("deposit", 0o775|os.ModeSetgid)
		// Version 2; owner rw, user 12345 r, group r, mask r, others nothing.
		list := "\x02\x00\x00\x00" + "\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x04\x00\x39\x30\x00\x00" +
			"\x04\x00\x04\x00\xff\xff\xff\xff" + "\x10\x00\x04\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff"
		if err := unix.Setxattr(s.at("deposit/main.py"), "system.posix_acl_access", []byte(list), 0); err != nil {
			s.t.Skip("no lists of rights here: ", err)
		}
	}},
	{"open-deposit", false, func(s *scene) {
		s.reached()
		s.mkdir("deposit/lib")
		s.chmod("deposit/lib", 0o777|os.ModeSticky)
		s.file("deposit/main.py", "")
		s.chmod("deposit/main.py", 0o666)
	}},
	{"open-deposit", true, func(s *scene) {
		s.reached()
		s.chmod("deposit", 0o777)
		s.file("deposit/main.py", "")
		s.foreign = []string{"deposit/main.py"}
	}},
	{"open-deposit", false, func(s *scene) {
		s.reached()
		s.chmod("deposit", 0o777)
		s.disks["deposit"] = with(func(d *disk) { d.kind = "vfat" })
	}},
	{"open-folder", false, func(s *scene) { s.reached(); s.chmod("main", 0o777) }},
	{"open-folder", false, func(s *scene) { s.reached(); s.chmod(".", 0o777|os.ModeSticky) }},
	{"open-folder", false, func(s *scene) {
		s.reached()
		s.file("ota.toml", "")
		s.chmod("ota.toml", 0o666)
	}},
	{"mount-read-only", false, func(s *scene) { s.disks["main"] = with(func(d *disk) { d.mount, d.readOnly = 1, true }); s.all("main") }},
	{"mount-distant", false, func(s *scene) { s.disks["deposit"] = with(func(d *disk) { d.mount, d.kind = 2, "cifs" }) }},
	{"mount-modes", false, func(s *scene) { s.disks["main"] = with(func(d *disk) { d.kind, d.inodes = "exfat", 0 }); s.all("main") }},
	{"mount-noexec", false, func(s *scene) {
		s.disks["main"] = with(func(d *disk) { d.noExec = true })
		s.all("main")
		s.file("main/requirements.txt", "flask\n")
	}},
	{"mount-split", false, func(s *scene) { s.disks["main"] = with(func(d *disk) { d.mount = 2 }) }},
	{"mount-unknown", false, func(s *scene) {
		s.on.disk = func(string) (disk, error) { return disk{}, syscall.EACCES }
	}},
	{"space-full", false, func(s *scene) { s.disks["main"] = with(func(d *disk) { d.free = 1 << 20 }); s.all("main") }},
	{"space-low", false, func(s *scene) {
		s.file("main/model.bin", strings.Repeat("x", 2<<20))
		s.disks["main"] = with(func(d *disk) { d.free = 5 << 20 })
		s.all("main")
	}},
	{"inodes-full", false, func(s *scene) { s.disks["main"] = with(func(d *disk) { d.freeInodes = 3 }); s.all("main") }},
	{"inodes-low", false, func(s *scene) {
		s.disks["main"] = with(func(d *disk) { d.freeInodes = 101 })
		s.all("main")
	}},
	{"watches-few", false, func(s *scene) { s.fake("proc/sys/fs/inotify/max_user_watches", "2\n") }},
	{"watches-low", false, func(s *scene) { s.fake("proc/sys/fs/inotify/max_user_watches", "4\n") }},
	{"watchers-few", false, func(s *scene) { s.fake("proc/sys/fs/inotify/max_user_instances", "8\n") }},
	{"watches-unknown", false, func(s *scene) { s.fake("proc/sys/fs/inotify/max_user_watches", "many\n") }},
	{"clock-free", false, func(s *scene) { s.told(device.Facts{ClockSet: new(false)}) }},
	{"clock-unknown", false, func(s *scene) { s.told(device.Facts{}) }},
	{"power-low", false, func(s *scene) { s.power(device.Power{Now: []device.Problem{device.UnderVoltage}}) }},
	{"power-was-low", false, func(s *scene) { s.power(device.Power{Before: []device.Problem{device.UnderVoltage}}) }},
	{"power-slow", false, func(s *scene) {
		s.power(device.Power{Now: []device.Problem{device.Throttled}, Before: []device.Problem{device.FrequencyCapped}})
	}},
	{"card-errors", false, func(s *scene) {
		s.fake("dev/kmsg", "3,900,1,-;mmcblk0: error -110 sending status command\n DEVICE=b179:0\n"+
			"2,901,2,-;EXT4-fs error (device mmcblk0p2): ext4_find_entry:1455: inode #1234: comm python3: reading directory lblock 0\n"+
			"12,902,3,-;EXT4-fs error, says a program\n3,903,3,-;mmc1: error -110 whilst initialising SDIO card\n")
	}},
	{"card-unknown", false, func(s *scene) { os.Remove(filepath.Join(s.on.root, "dev/kmsg")) }},
	{"kernel-old", false, func(s *scene) { s.fake("proc/sys/kernel/osrelease", "4.14.98-v7+\n") }},
	{"kernel-exchange", false, func(s *scene) { s.on.exchange = func(string) error { return errors.ErrUnsupported } }},
	{"kernel-memory", false, func(s *scene) {
		s.file("ota.toml", "[program]\nmemory_max = \"100MB\"\n")
		s.fake("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n")
	}},
	{"kernel-memory", false, func(s *scene) { s.file("ota.toml", "[program]\nmemory_max = \"100MB\"\n") }},
	{"kernel-unknown", false, func(s *scene) { s.on.exchange = func(string) error { return unix.EACCES } }},
}

// reached lets everybody get as far as the folder; those of a test are closed.
func (s *scene) reached() {
	s.t.Helper()
	for folder := filepath.Dir(s.options.Dir); folder != filepath.Clean(os.TempDir()); folder = filepath.Dir(folder) {
		if err := os.Chmod(folder, 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
	for folder := filepath.Clean(os.TempDir()); folder != "/"; folder = filepath.Dir(folder) {
		if info, err := os.Stat(folder); err != nil || info.Mode().Perm()&0o001 == 0 {
			s.t.Skip("not everybody gets as far as ", os.TempDir())
		}
	}
}

// all puts the whole folder on the disk of one part of it.
func (s *scene) all(part string) {
	d := s.disks[part]
	s.on.disk = func(string) (disk, error) { return d, nil }
}

func (s *scene) told(facts device.Facts) {
	if facts.Power == nil {
		facts.Power = &device.Power{}
	}
	s.on.facts = func() device.Facts { return facts }
}

func (s *scene) power(power device.Power) { s.told(device.Facts{ClockSet: new(true), Power: &power}) }

func TestHealthyFolderHasNoFinding(t *testing.T) {
	if found := newScene(t).examine(); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// TestIllnesses provokes each finding, alone.
func TestIllnesses(t *testing.T) {
	var all strings.Builder
	provoked := map[string]bool{"clock-wrong": true, "folder-owner": true} // see TestClock, TestRanAsRootOnce
	done := 0
	for i, one := range illnesses {
		t.Run(fmt.Sprint(i, " ", one.finds), func(t *testing.T) {
			if one.root && !asRoot() {
				t.Skip("needs root: files of two users")
			}
			s := newScene(t)
			one.make(s)
			for _, finding := range s.examine() {
				asWell := finding.Name == "space-unknown" || one.finds == "program-port" && finding.Name == "ota-absent"
				if finding.Name != one.finds && !asWell {
					t.Errorf("also found: %+v", finding)
				}
				provoked[finding.Name] = true
				text := fmt.Sprintf("%s: %s: %s\n  do: %s\n", finding.Name, finding.Verdict, finding.What, finding.Advice)
				text = strings.NewReplacer(s.options.Dir, "/home/pi/garden", s.on.root, "").Replace(text)
				all.WriteString(text)
			}
			done++
		})
	}
	if done < len(illnesses) {
		t.Skip("not all is provoked here")
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(Names)), slices.Sorted(maps.Keys(provoked))); diff != "" {
		t.Errorf("-known +provoked:\n%s", diff)
	}
	golden := filepath.Join("testdata", "findings.txt")
	if *update {
		put(t, golden, all.String(), 0o644)
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), all.String()); diff != "" {
		t.Errorf("-want +got (-update rewrites it):\n%s", diff)
	}
}

// TestClock is about a clock that was never set.
func TestClock(t *testing.T) {
	found := clock(device.Facts{ClockSet: new(false)}, time.Date(1970, 1, 1, 0, 5, 0, 0, time.UTC))
	if len(found) != 1 || found[0].Name != "clock-wrong" || found[0].Verdict != Problem {
		t.Errorf("%+v", found)
	}
}

// TestHostileNames: what was uploaded, and how the folder is called, can't touch
// the terminal or the command that is advised.
func TestHostileNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's $(touch pwned) \x1b[2J\n\u202e")
	s := newSceneIn(t, dir)
	s.file("deposit/\x1b]0;gone\x07\nok: all is well", "")
	s.chmod("deposit/\x1b]0;gone\x07\nok: all is well", 0)
	s.fake("dev/kmsg", "3,900,1,-;EXT4-fs error \x1b[2J\u202e\n")
	s.file("main/ota.toml", "[update]\n\"\\u001b[2J\" = 1\n")
	s.options.Told.Held = []string{"\x1b[2J\u202e"}
	s.options.Told.PageProblem, s.options.Told.BrokerProblem = "\x1b[2J", "\x1b[2J"
	s.options.Told.Source, s.options.Told.SourceProblem = "\x1b[2J", "\x1b[2J"
	s.file("ota.toml", "[mqtt]\nbroker = \"mqtt://broker.local\"\n[source]\nurl = \"https://a/b.ota\"\n")
	s.chmod("main", 0o555)
	found := s.examine()
	if len(found) < 5 || !slices.ContainsFunc(found, func(one Finding) bool { return strings.Contains(one.Advice, shell(dir+"/main")) }) {
		t.Errorf("only %+v", found)
	}
	for _, one := range found {
		if text := one.What + one.Advice; strings.ContainsAny(text, "\x1b\x07\n\u202e") {
			t.Errorf("%q", text)
		}
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	for _, word := range []string{dir, "", "plain", "a b", `\x41'"`, "$(id)", "\xff\xfe", "größe", "-n", "~", "é\u2028"} {
		if strings.ContainsAny(shell(word), "\x1b\n\xff\u2028") {
			t.Errorf("%q is %q", word, shell(word))
		}
		out, err := exec.Command(bash, "-c", "printf %s "+shell(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q as %s is %q, %v", word, shell(word), out, err)
		}
	}
}

// TestEndEndsIt: who is asked to stop makes no more checks.
func TestEndEndsIt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := newScene(t)
	if found := examine(ctx, s.options, s.on); len(found) != 0 {
		t.Errorf("%+v", found)
	}
}

// TestAdviceMends does what is advised, as a shell does it.
func TestAdviceMends(t *testing.T) {
	if !asRoot() {
		t.Skip("needs root: files of two users")
	}
	bin := t.TempDir()
	put(t, filepath.Join(bin, "sudo"), "#!/bin/sh\nexec \"$@\"\n", 0o755)
	mended := []string{"folder-kind", "folder-rights", "folder-secrets", "deposit-read", "deposit-remove", "deposit-sticky", "deposit-group", "open-deposit", "open-folder"}
	for i, one := range illnesses {
		if !slices.Contains(mended, one.finds) {
			continue
		}
		t.Run(fmt.Sprint(i, " ", one.finds), func(t *testing.T) {
			s := newSceneIn(t, filepath.Join(t.TempDir(), "pi's garden"))
			one.make(s)
			if len(s.disks) > 0 {
				t.Skip("a command can't make it another disk")
			}
			found := s.examine()
			if len(found) != 1 {
				t.Fatalf("%+v", found)
			}
			advice := strings.ReplaceAll(found[0].Advice, "-o pi ", "-o "+strconv.Itoa(pi)+" ")
			advice = strings.ReplaceAll(advice, "chown pi:", fmt.Sprintf("chown %d:%d", pi, pi))
			cmd := exec.Command("sh", "-c", advice)
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", advice, err, out)
			}
			if left := s.looked(); len(left) > 0 {
				t.Errorf("after %s: %+v", advice, left)
			}
		})
	}
}

// TestClosedAbove: what is open to all is of no use to who can't get there.
func TestClosedAbove(t *testing.T) {
	for _, open := range []bool{true, false} {
		s := newScene(t)
		s.reached()
		s.chmod("deposit", 0o777)
		s.mkdir("main/lib")
		s.chmod("main", 0o777)
		want := []string{"open-deposit", "open-folder"}
		if !open {
			s.chmod(".", 0o750)
			want = nil
		}
		if diff := cmp.Diff(want, namesOf(s.examine())); diff != "" {
			t.Errorf("open %t: -want +got:\n%s", open, diff)
		}
	}
}

// TestPartsOfPython asks a real Python, also for a part that none has.
func TestPartsOfPython(t *testing.T) {
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no Python here")
	}
	out, err := exec.Command(path, "-I", "-B", "-c", strings.Replace(pipQuestion, "asyncio", "no_such _no_such json os sys", 1)).Output()
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Fields(string(out))
	if len(said) < 4 || said[0] != "lacks" || said[1] != "no_such" || slices.Contains(said, "json") || slices.Contains(said[2:], "no_such") {
		t.Errorf("%q", out)
	}
}

// TestRanAsRootOnce: by "sudo ota run", which was a mistake.
func TestRanAsRootOnce(t *testing.T) {
	if !asRoot() {
		t.Skip("needs root: another user")
	}
	for _, one := range []struct {
		told     Presence
		settings string
		want     []string
	}{
		{Absent, "", []string{"ota-absent", "folder-owner"}},
		{Answers, "", nil},
		{Absent, "[program]\nuser = \"pi\"\n", []string{"ota-absent"}},
	} {
		s := newScene(t)
		s.file("ota.toml", one.settings)
		s.options.Told.Presence, s.options.Told.PID = one.told, 0
		s.examine() // makes it pi's
		if err := os.Lchown(s.at(".ota"), 0, 0); err != nil {
			t.Fatal(err)
		}
		found := s.looked()
		if diff := cmp.Diff(one.want, namesOf(found)); diff != "" {
			t.Errorf("%s, %q: -want +got:\n%s", one.told, one.settings, diff)
		}
		if want := "sudo chown -R pi: " + shell(s.options.Dir) + "  # unless root is to run it"; len(found) == 2 && found[1].Advice != want {
			t.Errorf("%q, not %q", found[1].Advice, want)
		}
	}
}

// TestMainIsAFile: that is told once.
func TestMainIsAFile(t *testing.T) {
	s := newScene(t)
	if err := os.RemoveAll(s.at("main")); err != nil {
		t.Fatal(err)
	}
	s.file("main", "")
	if diff := cmp.Diff([]string{"folder-kind"}, namesOf(s.examine())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestDiskOf looks at file systems that are really like that.
func TestDiskOf(t *testing.T) {
	if !asRoot() {
		t.Skip("needs root: mounts")
	}
	at := t.TempDir()
	if err := unix.Mount("tmpfs", at, "tmpfs", unix.MS_NOEXEC, "size=1m,nr_inodes=20"); err != nil {
		t.Skip("no mounts here: ", err)
	}
	t.Cleanup(func() { unix.Unmount(at, 0) })
	for _, name := range []string{"deposit", "main", ".ota"} {
		if err := os.Mkdir(filepath.Join(at, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	found, err := diskOf(at)
	if err != nil || found.kind != "tmpfs" || !found.noExec || found.readOnly || found.free > 1<<20 || found.inodes != 20 || found.freeInodes != 16 {
		t.Errorf("%+v, %v", found, err)
	}
	put(t, filepath.Join(at, "main", "requirements.txt"), "flask\n", 0o644)
	s := newSceneIn(t, at)
	s.on.disk = diskOf
	if diff := cmp.Diff([]string{"mount-noexec", "space-full", "inodes-full"}, namesOf(s.examine())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, path := range []string{at, filepath.Join(at, ".ota")} {
		if err := os.Chown(path, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("", at, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	s.options.Told.PID = 0 // so that it is root's folder
	// For ourselves the kernel is asked, which knows of no right to write there.
	for _, s.on.uid = range []int{nobody, 0} {
		found := s.looked()
		if diff := cmp.Diff([]string{"mount-read-only"}, namesOf(found)); diff != "" {
			t.Fatalf("as %d: -want +got:\n%s\n%+v", s.on.uid, diff, found)
		}
		if want := "sudo mount -o remount,rw " + at + " "; !strings.HasPrefix(found[0].Advice, want) {
			t.Errorf("%q, not %q", found[0].Advice, want)
		}
	}
}

func namesOf(found []Finding) []string {
	var names []string
	for _, one := range found {
		names = append(names, one.Name)
	}
	return names
}

// TestExchangeLeavesNothing: what is tried is gone afterwards.
func TestExchangeLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := tryExchange(dir); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
		t.Errorf("%v, %v", left, err)
	}
}

// TestPortOfWhomIsNotKnown: a page of ours is not told to be in its own way by
// who may not look at its process.
func TestPortOfWhomIsNotKnown(t *testing.T) {
	tests := []struct {
		told  Told
		found bool
	}{
		{Told{Presence: Answers, PID: 4711, Page: "http://127.0.0.1:8484"}, false},
		{Told{Presence: Answers, PID: 4711, Page: "http://127.0.0.1:8485"}, true},
		{Told{Presence: Refuses}, false},
		{Told{Presence: Absent}, true},
	}
	for _, test := range tests {
		s := newScene(t)
		s.options.Told = test.told
		s.fake("proc/net/tcp", listening)
		found := slices.Contains(namesOf(s.examine()), "page-port")
		if found != test.found {
			t.Errorf("%+v: %t", test.told, found)
		}
	}
}

// TestRootAsksAsTheOwner: `sudo ota doctor` runs nothing as root that an upload
// could have brought.
func TestRootAsksAsTheOwner(t *testing.T) {
	if !asRoot() {
		t.Skip("needs root: another user")
	}
	s := newScene(t)
	if err := os.Chmod(filepath.Dir(s.on.root), 0o755); err != nil {
		t.Fatal(err)
	}
	s.on.uid = 0
	s.on.account = lookUp
	s.python("id -u; id -G") // what it is asked as
	bin := filepath.Join(s.on.root, "bin")
	s.options.Env = []string{"PATH=" + bin + ":/usr/bin:/bin"}
	asked := func() string {
		t.Helper()
		s.examine() // makes the folder pi's
		os.Lchown(filepath.Join(s.on.root, "proc", "1"), 0, 0)
		for _, one := range examine(t.Context(), s.options, s.on) {
			if one.Check == "python" {
				return one.What
			}
		}
		return ""
	}
	if got, want := asked(), bin+"/python3 is Python 12345 with 12345"; got != want {
		t.Errorf("ota's user: %q, not %q", got, want)
	}
	// Whoever can write into .ota can say that ota is a process of root.
	s.options.Told.PID = 1
	s.fake("proc/1/environ", "SECRET=1\x00PATH=/nowhere\x00")
	if got, want := asked(), bin+"/python3 is Python 12345 with 12345"; got != want {
		t.Errorf("a forged process: %q, not %q", got, want)
	}
	s.options.Program = &owner.Owner{UID: uploader, GID: uploader}
	if got, want := asked(), bin+"/python3 is Python 54321 with 54321"; got != want {
		t.Errorf("the program's user: %q, not %q", got, want)
	}
	s.python("echo broken >&2; exit 1")
	if got := asked(); !strings.Contains(got, "broken (looked for with this PATH, as user 54321)") {
		t.Errorf("%q", got)
	}
}

// TestPythonOfTheOneThatRuns: the ota that runs finds Python with its own PATH.
func TestPythonOfTheOneThatRuns(t *testing.T) {
	s := newScene(t)
	s.fake("proc/4711/environ", "PATH="+filepath.Join(s.on.root, "bin")+"\x00")
	s.options.Env = []string{"PATH=/nowhere"}
	s.on.uid = pi
	if !asRoot() {
		s.on.uid = os.Geteuid()
	}
	if found := namesOf(s.examine()); len(found) != 0 {
		t.Errorf("%v", found)
	}
	s.options.Told.PID = 0
	if found := namesOf(s.looked()); !slices.Equal(found, []string{"python-missing"}) {
		t.Errorf("%v", found)
	}
}
