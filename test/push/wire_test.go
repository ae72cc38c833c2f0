//go:build linux

package push

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ota/test/harness"
)

// wireVariable names the folder of a wire to this test binary when it is called
// as ssh.
const wireVariable = "OTA_TEST_WIRE"

// wired is a wire as the test sees it.
type wired struct {
	t   *testing.T
	dir string
}

// wire puts another ssh before the real one, which runs the command here and
// fails as it is told.
func (l *laptop) wire() *wired {
	l.t.Helper()
	w := &wired{l.t, l.t.TempDir()}
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	for name, to := range map[string]string{"ssh": self, "ota": harness.Binary()} {
		if err := os.Symlink(to, filepath.Join(w.dir, name)); err != nil {
			l.t.Fatal(err)
		}
	}
	l.env = append(l.env, "PATH="+w.dir+":"+os.Getenv("PATH"), wireVariable+"="+w.dir)
	return w
}

// plan says what becomes of the next connections: cut, flip, hang or stall after
// so many bytes. Those after them are good.
func (w *wired) plan(script ...string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, "plan"), []byte(strings.Join(script, "\n")), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wired) lines(name string) []string {
	text, _ := os.ReadFile(filepath.Join(w.dir, name))
	return strings.Fields(string(text))
}

func (w *wired) sent() (sum int64) {
	for _, line := range w.lines("sent") {
		n, _ := strconv.ParseInt(line, 10, 64)
		sum += n
	}
	return sum
}

func (w *wired) calls() int       { return len(w.lines("calls")) }
func (w *wired) hasStalled() bool { return len(w.lines("stalled")) > 0 }
func (w *wired) hasEnded() bool   { return len(w.lines("sent")) == w.calls() }

func note(dir, name, line string) {
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	fmt.Fprintln(file, line)
}

// wire is ssh: it runs the last argument, with a fault of its own.
func wire(dir string) int {
	w := &wired{dir: dir}
	script, _ := os.ReadFile(filepath.Join(dir, "plan"))
	plans := strings.Split(strings.TrimSpace(string(script)), "\n")
	fault, at := "", int64(0)
	if i := w.calls(); i < len(plans) {
		fmt.Sscan(plans[i], &fault, &at)
	}
	note(dir, "calls", "1")
	// The shell's greeting is none of the protocol.
	fmt.Println("welcome to the device")
	cmd := exec.Command("sh", "-c", os.Args[len(os.Args)-1])
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	in, out, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	cmd.Stdin = in
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	in.Close()
	sent := int64(0)
	defer func() { note(dir, "sent", strconv.FormatInt(sent, 10)) }()
	from := io.Reader(os.Stdin)
	if fault != "" {
		from = io.LimitReader(os.Stdin, at)
	}
	sent, _ = io.Copy(out, from)
	switch fault {
	case "cut":
		cmd.Process.Kill()
		return 255
	case "flip":
		var one [1]byte
		if _, err := io.ReadFull(os.Stdin, one[:]); err == nil {
			out.Write([]byte{one[0] ^ 0x20})
			more, _ := io.Copy(out, os.Stdin)
			sent += more
		}
	case "hang":
		// Nobody tells the other side that this one has gone.
		keeper := exec.Command("sleep", "10")
		keeper.ExtraFiles = []*os.File{out}
		if err := keeper.Start(); err != nil {
			panic(err)
		}
		return 255
	case "stall":
		note(dir, "stalled", "1")
		io.Copy(io.Discard, os.Stdin)
	}
	out.Close()
	if cmd.Wait() != nil {
		return 255
	}
	return 0
}

// reach starts an sshd that knows the laptop, and returns the target.
func (l *laptop) reach(device *harness.Device) string {
	t := l.t
	t.Helper()
	harness.NeedRoot(t)
	harness.Need(t, "/usr/sbin/sshd", "ssh-keygen", "ssh")
	dir := harness.FastDir(t)
	for _, name := range []string{"host", "user"} {
		if said, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, name)).CombinedOutput(); err != nil {
			t.Fatalf("cannot make a key: %v\n%s", err, said)
		}
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()
	fill := strings.NewReplacer("DIR", dir, "PORT", strconv.Itoa(port))
	real, _ := exec.LookPath("ssh")
	harness.Tree{
		"sshd_config": harness.File(fill.Replace(`ListenAddress 127.0.0.1
Port PORT
HostKey DIR/host
AuthorizedKeysFile DIR/user.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
PidFile none
SetEnv PATH=DIR/bin:/usr/bin:/bin
`)),
		"ssh_config": harness.File(fill.Replace(`Host device
HostName 127.0.0.1
Port PORT
User root
IdentityFile DIR/user
IdentitiesOnly yes
StrictHostKeyChecking no
UserKnownHostsFile DIR/known
LogLevel ERROR
`)),
		"ssh":     harness.Entry{Mode: 0o755, Content: "#!/bin/sh\nexec " + real + " -F " + dir + "/ssh_config \"$@\"\n"},
		"bin/ota": harness.Link(harness.Binary()),
	}.Write(t, dir)
	server := exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", filepath.Join(dir, "sshd_config"))
	server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-server.Process.Pid, syscall.SIGKILL)
		server.Wait()
	})
	harness.Await(t, "sshd to answer", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, func() string { return "" })
	l.env = append(l.env, "PATH="+dir+":"+os.Getenv("PATH"))
	return "device:" + device.Dir
}
