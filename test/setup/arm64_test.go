//go:build linux

package setup

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ota/test/harness"
)

// busybox returns a busybox for arm64, which is all of a system that a device has
// to have.
func busybox(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("OTA_TEST_ARM64")
	if dir == "" {
		dir = "/var/cache/ota-tests/arm64"
	}
	path := filepath.Join(dir, "bin/busybox")
	if _, err := os.Stat(path); err != nil {
		harness.Lack(t, "there is no busybox for arm64: unpack Debian's busybox-static:arm64 into "+dir+", or name another folder in OTA_TEST_ARM64")
	}
	return path
}

// needEmulation ends the test as harness.Need does where the kernel does not let us
// say, in a namespace of our own, what runs the programs of another processor: it
// is too old (before Linux 6.7) or has no binfmt_misc, or a sandbox is around us.
func needEmulation(t *testing.T) {
	t.Helper()
	harness.Need(t, "unshare")
	said, err := exec.CommandContext(t.Context(), "env", "LC_ALL=C", "unshare", "--user", "--map-root-user", "--mount",
		"mount", "-t", "binfmt_misc", "none", "/proc/sys/fs/binfmt_misc").CombinedOutput()
	if err == nil {
		return
	}
	// What unshare(2) and mount(2) are refused with; "No space left" is the limit of user
	// namespaces (user_namespaces(7)), which a sandbox sets to none.
	for _, refusal := range []string{"not permitted", "ermission denied", "not implemented", "No space left", "does not exist", "unknown filesystem type"} {
		if strings.Contains(string(said), refusal) {
			harness.Lack(t, "no program of another processor can be run in a namespace of its own: "+string(said))
		}
	}
	t.Fatalf("%v\n%s", err, said)
}

// enter lets a program in a root of another processor run. What runs it is known
// in a namespace of its own and goes with it: F has the kernel open it before the
// root is changed, P leaves a program the name that it was called by, which busybox
// needs. Who logs in is a fresh user there.
const enter = `#!/bin/sh
exec unshare --user --map-root-user --mount --pid --fork --kill-child sh -ec '
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
printf "%%s" ":arm64:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:$(command -v qemu-aarch64-static):PF" >/proc/sys/fs/binfmt_misc/register
mount -t proc none %[1]s/proc
for one in null zero urandom; do mount --bind /dev/$one %[1]s/dev/$one; done
exec env -i HOME=/home/pi USER=pi PATH=/usr/local/bin:/bin "$(command -v unshare)" --root=%[1]s --wd=/ --user --map-user=12345 --map-group=12345 "$@"
' sh "$@"
`

// systemOf lays out the root of a device with nothing but busybox in it, and
// returns the program that enters it.
func systemOf(t *testing.T, busybox, dir string) (enters string) {
	t.Helper()
	program, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "root")
	tree := harness.Tree{
		"bin/busybox": harness.Entry{Mode: 0o755, Content: string(program)},
		"etc/passwd":  harness.File("root:x:0:0::/root:/bin/sh\npi:x:12345:12345::/home/pi:/bin/sh\n"),
		"etc/group":   harness.File("root:x:0:\npi:x:12345:\n"),
		"dev/null":    harness.File(""), "dev/zero": harness.File(""), "dev/urandom": harness.File(""),
		"proc/": harness.Entry{Mode: os.ModeDir | 0o755}, "home/pi/": harness.Entry{Mode: os.ModeDir | 0o755},
		"tmp/": harness.Entry{Mode: os.ModeDir | 0o1777}, "usr/local/bin/": harness.Entry{Mode: os.ModeDir | 0o755},
	}
	tree.Write(t, root)
	for applet := range strings.FieldsSeq(harness.Run(t, "qemu-aarch64-static", busybox, "--list")) {
		if applet == "busybox" {
			continue
		}
		if err := os.Symlink("busybox", filepath.Join(root, "bin", applet)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { endIn(root) })
	enters = filepath.Join(dir, "enter")
	if err := os.WriteFile(enters, fmt.Appendf(nil, enter, root), 0o755); err != nil {
		t.Fatal(err)
	}
	return enters
}

// endIn ends what runs in a root: sshd leaves it alone when who logged in is gone.
// With the program that has made the name spaces all in them goes.
func endIn(root string) {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		line, _ := os.ReadFile(path)
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && bytes.HasPrefix(line, []byte("unshare\x00")) && bytes.Contains(line, []byte(root+"/proc")) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// TestOtherUserSpace: a device all of whose programs are for another processor, and
// whose tools are those of busybox. The ota that comes to it runs there, and
// answers.
func TestOtherUserSpace(t *testing.T) {
	t.Parallel()
	harness.Need(t, "qemu-aarch64-static")
	k := harness.NewSSHKeys(t)
	needEmulation(t)
	enters := systemOf(t, busybox(t), k.Dir)
	if machine := harness.Run(t, enters, "uname", "-m"); machine != "aarch64\n" {
		t.Fatalf("uname -m says %q", machine)
	}
	s := harness.ServeSSH(t, k, "", fmt.Sprintf(`ForceCommand exec %s sh -c "cd; exec sh -c \"\$1\"" sh "$SSH_ORIGINAL_COMMAND"`, enters))
	l := newLaptop(t, k, config("device", s, "User root"))
	over := func(command string) string {
		t.Helper()
		return harness.Run(t, "ssh", "-F", filepath.Join(l.dir, "config"), "device", command)
	}
	binaries := t.TempDir()
	if err := harness.Build(t.Context(), filepath.Join(binaries, "ota-linux-arm64"), "GOARCH=arm64"); err != nil {
		t.Fatal(err)
	}

	words := l.fails("it has neither systemd nor OpenRC to start it", "device:the garden", "--binaries", binaries)
	if !strings.Contains(words, `/home/pi/.local/bin/ota run '/home/pi/the garden'`) || !strings.Contains(words, "pi on arm64, Linux ") {
		t.Error(words)
	}
	if said := over(`uname -m; id -un; ls -A; .local/bin/ota version`); !strings.HasPrefix(said, "aarch64\npi\n.local\nthe garden\nota ") ||
		!strings.Contains(said, "linux/arm64)") {
		t.Error(said)
	}

	// Whatever starts programs there starts it: it runs a program of the device,
	// and answers who sets it up again.
	over(`printf '[web]\nlisten = "off"\n[program]\ncommand = ["sh", "main.sh"]\n' >"the garden/ota.toml"
mkdir "the garden/main" && printf 'uname -m; exec sleep 100000\n' >"the garden/main/main.sh"`)
	background := exec.CommandContext(t.Context(), filepath.Join(l.dir, "bin/ssh"), "device", `exec .local/bin/ota run "the garden"`)
	var console strings.Builder
	background.Stdout, background.Stderr = &console, &console
	if err := background.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); background.Wait() }()
	t.Cleanup(func() {
		background.Process.Kill()
		<-ended
		if t.Failed() {
			t.Log(console.String())
		}
	})
	harness.Await(t, "its program says what it runs on", func() bool {
		said, _ := exec.Command("ssh", "-F", filepath.Join(l.dir, "config"), "device", `.local/bin/ota -C "the garden" logs`).Output()
		return strings.Contains(string(said), "aarch64")
	}, s.Said)
	result := l.does("device:the garden", "--binaries", binaries)
	if result["did"] != "nothing" || result["kind"] != "linux-arm64" || result["dir"] != "/home/pi/the garden" || result["user"] != "pi" {
		t.Error(result)
	}
}
