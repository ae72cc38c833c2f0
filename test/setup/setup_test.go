//go:build linux

// Package setup lets the real ota set up devices over the real OpenSSH.
//
// In: sshd in views of this machine that have another user, no room, no sudo; a
// Debian with systemd; a processor that qemu-user plays. Out: what `ota setup`
// makes of each, and says. Never: an account, a service or a file of this
// machine itself.
package setup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ota/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// account makes a fresh user in the server's view of the machine, which has no
// service manager and no sudo, and nothing installed.
const account = `
mount -t tmpfs none /run
mount -t tmpfs none /home
mount -t tmpfs none /usr/local/bin
mkdir -m 755 /run/etc /home/pi
cp /etc/passwd /etc/group /run/etc/
echo 'pi:x:12345:12345::/home/pi:/bin/sh' >>/run/etc/passwd
echo 'pi:x:12345:' >>/run/etc/group
mount --bind /run/etc/passwd /etc/passwd
mount --bind /run/etc/group /etc/group
chown 12345:12345 /home/pi
`

func config(name string, s harness.SSHServer, more string) string {
	return fmt.Sprintf("Host %s\nHostName 127.0.0.1\nPort %d\n%s\n", name, s.Port, more)
}

// TestFreshAccount: nothing starts ota there, so the files are put in place and
// it is said how to go on.
func TestFreshAccount(t *testing.T) {
	t.Parallel()
	k := harness.NewSSHKeys(t)
	s := harness.ServeSSH(t, k, account, "")
	jump := harness.ServeSSH(t, k, "", "")
	l := newLaptop(t, k, config("device", s, "User pi")+config("jump", jump, "User root")+config("far", s, "User pi\nProxyJump jump"))

	words := l.fails("it has neither systemd nor OpenRC to start it", "device:the garden, it's")
	if !strings.Contains(words, `/home/pi/.local/bin/ota run '/home/pi/the garden, it'\''s'`) {
		t.Error(words)
	}
	if got := s.Logins(); got != 1 {
		t.Errorf("ssh logged in %d times", got)
	}
	owner := harness.Run(t, "ssh", "-F", filepath.Join(l.dir, "config"), "device", `stat -c %U-%a "the garden, it's" .local/bin/ota; ls -A; .local/bin/ota version`)
	if !strings.HasPrefix(owner, "pi-755\npi-755\n.local\nthe garden, it's\nota ") {
		t.Error(owner)
	}

	before := jump.Logins()
	if words := l.fails("neither systemd nor OpenRC to start it", "far:the garden, it's"); strings.Contains(words, "copying") {
		t.Errorf("it was copied again: %s", words)
	}
	if jump.Logins() == before {
		t.Error("the jump host was not asked")
	}

	// Something starts it, which is not ours to know.
	background := exec.Command(filepath.Join(l.dir, "bin/ssh"), "device", `printf '[web]\nlisten = "off"\n' >"the garden, it's/ota.toml"; exec .local/bin/ota run "the garden, it's"`)
	if err := background.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { background.Process.Kill(); background.Wait() }()
	var result map[string]any
	harness.Await(t, "setup sees that it runs", func() bool {
		got := l.setup("device:the garden, it's", "--json")
		if got.code == 0 {
			result = l.does("device:the garden, it's")
		}
		return got.code == 0
	}, s.Said)
	if result["did"] != "nothing" || result["dir"] != "/home/pi/the garden, it's" || result["user"] != "pi" {
		t.Error(result)
	}
}

// TestAgent: the key is the agent's alone.
func TestAgent(t *testing.T) {
	t.Parallel()
	k := harness.NewSSHKeys(t)
	s := harness.ServeSSH(t, k, account, "")
	l := newLaptop(t, k, config("device", s, "User pi"))
	l.env = append(l.env, "SSH_AUTH_SOCK="+k.SSHAgent(t))
	if err := os.Rename(filepath.Join(k.Dir, "user"), filepath.Join(k.Dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	if got := l.setup("device", "--dry-run"); got.code != 0 || !strings.Contains(got.err, "would make the folder /home/pi/ota") {
		t.Errorf("%+v", got)
	}
	l.env = append(l.env, "SSH_AUTH_SOCK=")
	l.fails("ssh has not come through", "device", "--dry-run")
}

// TestOtherProcessor: a device with ARMv6, whose programs qemu-user runs, known
// to the kernel in a namespace of its own.
func TestOtherProcessor(t *testing.T) {
	t.Parallel()
	harness.Need(t, "qemu-arm-static")
	k := harness.NewSSHKeys(t)
	needEmulation(t)
	tools := t.TempDir()
	harness.Tree{
		"bin/uname": harness.Entry{Mode: 0o755, Content: "#!/bin/sh\n[ \"$1\" != -m ] || { echo armv6l; exit; }\nexec /usr/bin/uname \"$@\"\n"},
		"bin/dpkg":  harness.Entry{Mode: 0o755, Content: "#!/bin/sh\necho armhf\n"},
		"run": harness.Entry{Mode: 0o755, Content: `#!/bin/sh
exec unshare --user --map-root-user --mount sh -c '
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc || exit 99
printf "%s" ":arm:M::\\x7fELF\\x01\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\x28\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:$(command -v qemu-arm-static):" >/proc/sys/fs/binfmt_misc/register || exit 99
export HOME=/home/pi QEMU_CPU=arm1176 PATH=` + tools + `/bin:$PATH
cd; exec sh -c "$SSH_ORIGINAL_COMMAND"'
`},
	}.Write(t, tools)
	s := harness.ServeSSH(t, k, account+"chown 0:0 /home/pi\n", "ForceCommand "+tools+"/run")
	l := newLaptop(t, k, config("device", s, "User root"))

	binaries := t.TempDir()
	l.fails("there is no ota-linux-armv6 in "+binaries, "device:garden", "--binaries", binaries)
	wrong, err := os.ReadFile(harness.Binary())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(binaries, "ota-linux-armv6")
	if err := os.WriteFile(path, wrong, 0o755); err != nil {
		t.Fatal(err)
	}
	l.fails(path+" is no program for linux-armv6", "device:garden", "--binaries", binaries)

	if err := harness.Build(t.Context(), path, "GOARCH=arm", "GOARM=6"); err != nil {
		t.Fatal(err)
	}
	words := l.fails("neither systemd nor OpenRC to start it", "device:garden", "--binaries", binaries)
	said := harness.Run(t, "ssh", "-F", filepath.Join(l.dir, "config"), "device", "/usr/local/bin/ota version")
	if !strings.Contains(said, "linux/arm)") {
		t.Errorf("%s\n%s", said, words)
	}
}

// TestWhatIsMissing: one thing each, and nothing is changed.
func TestWhatIsMissing(t *testing.T) {
	t.Parallel()
	k := harness.NewSSHKeys(t)
	const systemd = "mkdir -p /run/systemd/system\n"
	closed := harness.ServeSSH(t, k, account, "")
	port := closed.Port
	for _, test := range []struct{ name, prepare, args, words string }{
		{"no sudo", account + systemd, "device", "cannot set up device: pi can't become root on it: there is neither sudo nor doas"},
		{"sudo asks", account + systemd + "printf '#!/bin/sh\nexit 1\n' >/usr/local/bin/sudo; chmod 755 /usr/local/bin/sudo\n", "device",
			"sudo asks for a password there, and nobody can be asked here"},
		{"no room for it", account + "for d in /tmp /var/tmp /home/pi; do mount -t tmpfs -o size=12m,mode=1777 none $d; done\n", "device",
			"there is no room for ota in /home/pi, /var/tmp, /tmp on it: "},
		{"no room in the folder", account + "mkdir /home/small; mount -t tmpfs -o size=1m,mode=1777 none /home/small\n", "device:/home/small/garden",
			"there is no room in /home/small/garden on it: 1.0 MB are free"},
		{"noexec", account + "for d in /tmp /var/tmp /home/pi; do mount -t tmpfs -o noexec,mode=1777 none $d; done\n", "device",
			"no program can be started from /home/pi, /var/tmp, /tmp on it: they are mounted noexec"},
		{"folder is a file", account, "device:/etc/passwd", "/etc/passwd is no folder there"},
		{"folder of root", account, "device:/etc/garden", "pi may not make the folder /etc/garden there"},
		{"nothing to uninstall", account, "device --uninstall", "there is no ota on it that could be uninstalled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := harness.ServeSSH(t, k, test.prepare, "SetEnv PATH=/usr/local/bin:/usr/bin:/bin")
			l := newLaptop(t, k, config("device", s, "User pi"))
			words := l.fails(test.words, strings.Fields(test.args)...)
			if strings.Contains(words, "copying") {
				t.Errorf("something was changed: %s", words)
			}
		})
	}
	t.Run("files only", func(t *testing.T) {
		s := harness.ServeSSH(t, k, account, "ForceCommand cat")
		l := newLaptop(t, k, config("device", s, "User pi"))
		l.fails("its shell has not told what it was asked", "device")
	})
	t.Run("refused", func(t *testing.T) {
		l := newLaptop(t, k, "Host device\nHostName 127.0.0.1\n")
		for _, words := range []string{"Connection refused", "ssh has not come through"} {
			l.fails(words, "device", "-p", "1")
		}
		l.fails("Could not resolve hostname", "no-such-host.invalid")
	})
	t.Run("unknown key", func(t *testing.T) {
		l := newLaptop(t, k, fmt.Sprintf("Host device\nHostName 127.0.0.1\nPort %d\nUserKnownHostsFile /dev/null\n", port))
		l.fails("Host key verification failed", "device")
	})
	t.Run("no ssh", func(t *testing.T) {
		l := newLaptop(t, k, "")
		l.env = append(l.env, "PATH="+t.TempDir())
		if words := l.fails("there is no ssh on this computer", "device"); !strings.Contains(words, "openssh-client") {
			t.Error(words)
		}
	})
}
