//go:build linux

// Package clock starts the real ota on a machine that does not know what time it
// is: a kernel that runs as a process, and whose clock begins in 1970.
//
// In: signed releases, with an expiry in the past and one in the future. Out: which
// of them the machine takes before and after its clock is set, and what it says.
// Never: the clock of this machine.
package clock

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ota/test/harness"
)

const machine = "ota/test/clock/machine"

func TestMain(m *testing.M) { harness.Main(m, machine) }

// TestExpiry: until somebody has set the clock nothing is too old, neither a
// release nor a key, and the log says so; from then on what has expired is held.
func TestExpiry(t *testing.T) {
	kernel := os.Getenv("OTA_TEST_KERNEL")
	if kernel == "" {
		kernel = "/var/cache/ota-tests/linux.uml"
	}
	if _, err := os.Stat(kernel); err != nil {
		t.Skip("there is no kernel that runs as a process: unpack Debian's user-mode-linux, and name its linux.uml in OTA_TEST_KERNEL")
	}
	harness.Need(t, "mke2fs", "ssh-keygen")
	dir := harness.FastDir(t)
	shared, root := filepath.Join(dir, "shared"), filepath.Join(dir, "root")
	key := filepath.Join(dir, "key")
	harness.Run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key)
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	harness.Tree{"src/table.txt": harness.File("sunny"), "shared/": harness.Entry{Mode: os.ModeDir | 0o755}}.Write(t, dir)
	for serial, expires := range map[string]string{"1": "2020-01-31", "2": "2097-01-31", "3": "2020-01-31", "4": "2097-01-31"} {
		harness.Run(t, harness.Binary(), "pack", filepath.Join(dir, "src"), "-o", filepath.Join(shared, serial+".ota"), "--archive", "--app", "garden",
			"--version", "v"+serial, "--serial", serial, "--expires", expires, "--key", key)
	}
	folder := harness.Entry{Mode: os.ModeDir | 0o755}
	harness.Tree{
		"first": program(t, harness.Built(machine)), "ota": program(t, harness.Binary()),
		"dev/": folder, "proc/": folder, "mnt/": folder, "tmp/": folder, "garden/deposit/": folder, "garden/main/": folder,
		// The key is too old from 2030 on, and too young before 2000.
		"garden/allowed_signers": harness.File(`anna valid-after="20000101",valid-before="20300101" ` + string(public)),
		"garden/ota.toml": harness.File("[program]\ncommand = [\"/first\", \"program\"]\n[update]\nquiet = \"1h\"\n[trial]\nperiod = \"50ms\"\n" +
			"[device]\napp = \"garden\"\n[web]\nlisten = \"off\"\n"),
	}.Write(t, root)
	disk := filepath.Join(dir, "disk")
	harness.Run(t, "mke2fs", "-q", "-t", "ext4", "-d", root, disk, "128M")
	boot(t, dir, kernel, "ubd0="+disk, "root=/dev/ubda", "rw", "mem=256M", "init=/first", "SHARED="+shared)

	console := read(shared, "console")
	for release, want := range map[string]string{
		"1": "v1", "2": "v2", "3": "the release has expired, on 2020-01-31", "4": "v4",
	} {
		if said := read(shared, release); !strings.Contains(said, want) || strings.Contains(want, "expired") != strings.Contains(said, "exit status 3") {
			t.Errorf("release %s: %q, want %q", release, said, want)
		}
	}
	const told = "it is not known whether the release has expired"
	if count := strings.Count(console, told); count != 2 || !strings.Contains(console, "release=v1 expires=2020-01-31") {
		t.Errorf("it is said %d times, for 2 releases", count)
	}
	if t.Failed() {
		t.Logf("console of ota:\n%s\nof the machine:\n%s", console, read(dir, "console"))
	}
}

func program(t *testing.T, path string) harness.Entry {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return harness.Entry{Mode: 0o755, Content: string(content)}
}

func read(dir, name string) string {
	text, _ := os.ReadFile(filepath.Join(dir, name))
	return string(text)
}

// boot starts a machine, and waits until it switches itself off.
func boot(t *testing.T, dir, kernel string, args ...string) {
	t.Helper()
	console, err := os.Create(filepath.Join(dir, "console"))
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close()
	cmd := exec.Command(kernel, append(args, "con=null", "con0=null,fd:1", "quiet", "uml_dir="+dir, "umid=machine")...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, console, console
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(3*harness.Deadline, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer late.Stop()
	cmd.Wait() // with whatever code: what it has done tells
}
