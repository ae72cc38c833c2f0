//go:build linux && amd64

package uploads

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
	"time"

	"ota/test/harness"
)

// server is where a client sends to.
type server struct {
	port    int
	user    string // and password, for FTP
	resumes bool   // a file that is there in part; proftpd doesn't, with HiddenStores
	key     string // path of the private key, for ssh
}

func (s server) address() string { return net.JoinHostPort(loopback, strconv.Itoa(s.port)) }

const loopback = "127.0.0.1"

// startServer runs a server in the foreground until the test ends. The words
// in its settings that are in capitals and braces are filled in.
func startServer(t *testing.T, deposit, settings string, argv ...string) server {
	t.Helper()
	s, dir := server{port: harness.FreePort(t)}, t.TempDir()
	fill := strings.NewReplacer(
		"{PORT}", strconv.Itoa(s.port), "{DIR}", dir, "{DEPOSIT}", deposit,
		"{SETTINGS}", filepath.Join(dir, "settings"), "{ADDRESS}", loopback)
	harness.Tree{"settings": harness.File(fill.Replace(settings))}.Write(t, dir)
	for i := range argv {
		argv[i] = fill.Replace(argv[i])
	}
	log, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
		log.Close()
	})
	harness.Await(t, argv[0]+" to answer", func() bool {
		conn, err := net.Dial("tcp", s.address())
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, func() string {
		said, _ := os.ReadFile(log.Name())
		return string(said)
	})
	return s
}

func serveVsftpd(t *testing.T, deposit string) server {
	t.Helper()
	s := startServer(t, deposit, `listen=YES
listen_address={ADDRESS}
listen_port={PORT}
background=NO
run_as_launching_user=YES
seccomp_sandbox=NO
secure_chroot_dir={DIR}
anonymous_enable=YES
no_anon_password=YES
anon_root={DEPOSIT}
allow_writeable_chroot=YES
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_umask=022
pasv_address={ADDRESS}
connect_from_port_20=NO
`, "vsftpd", "{SETTINGS}")
	s.user, s.resumes = "anonymous:nobody", true
	return s
}

// proftpd is where the server is: unpacked into a folder, as Debian does not
// install it beside vsftpd.
func proftpd() string {
	folder := os.Getenv("OTA_TEST_PROFTPD")
	if folder == "" {
		folder = "/var/cache/ota-tests/proftpd"
	}
	return filepath.Join(folder, "usr/sbin/proftpd")
}

// cryptedSecret is "secret", as crypt(3) writes it.
const cryptedSecret = "$6$otaotaota$kLYeugPz/jFP5qZQB5vnkKTh5fd6VjT3p8au9K2PuMYVdXtZpqxylfTgVtUwp2zhn1H.E2WasesdwhR611Zxk."

func serveProftpd(t *testing.T, deposit string) server {
	t.Helper()
	harness.Need(t, proftpd())
	users := filepath.Join(t.TempDir(), "users")
	line := fmt.Sprintf("ota:%s:0:0::%s:/bin/sh\n", cryptedSecret, deposit)
	if err := os.WriteFile(users, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, deposit, `ServerName test
ServerType standalone
DefaultAddress {ADDRESS}
Port {PORT}
UseIPv6 off
UseReverseDNS off
User root
Group root
PidFile {DIR}/pid
ScoreboardFile {DIR}/scoreboard
DelayTable {DIR}/delay
SystemLog {DIR}/log
TransferLog none
WtmpLog off
AuthOrder mod_auth_file.c
AuthUserFile `+users+`
RequireValidShell off
RootLogin on
DefaultRoot {DEPOSIT}
AllowOverwrite on
HiddenStores on
`, proftpd(), "-n", "-q", "-c", "{SETTINGS}")
	s.user = "ota:secret"
	return s
}

func serveSSH(t *testing.T, deposit string) server {
	t.Helper()
	harness.Need(t, "/usr/sbin/sshd", "ssh-keygen")
	keys := t.TempDir()
	for _, name := range []string{"host", "user"} {
		generate := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(keys, name))
		if said, err := generate.CombinedOutput(); err != nil {
			t.Fatalf("cannot make a key: %v\n%s", err, said)
		}
	}
	// Debian's sshd wants it, and only its service makes it.
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, deposit, `ListenAddress {ADDRESS}
Port {PORT}
HostKey `+filepath.Join(keys, "host")+`
AuthorizedKeysFile `+filepath.Join(keys, "user.pub")+`
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
PidFile none
Subsystem sftp /usr/lib/openssh/sftp-server
`, "/usr/sbin/sshd", "-D", "-e", "-f", "{SETTINGS}")
	s.key = filepath.Join(keys, "user")
	return s
}

// serveSamba listens behind a relay, as its client knows no limit of speed.
func serveSamba(t *testing.T, deposit string) server {
	t.Helper()
	s := startServer(t, deposit, `[global]
server role = standalone server
interfaces = {ADDRESS}/8
bind interfaces only = yes
smb ports = {PORT}
private dir = {DIR}
lock directory = {DIR}
state directory = {DIR}
cache directory = {DIR}
pid directory = {DIR}
ncalrpc dir = {DIR}/ncalrpc
log file = {DIR}/log
map to guest = Bad User
guest account = root
load printers = no
disable spoolss = yes
[deposit]
path = {DEPOSIT}
read only = no
guest ok = yes
force user = root
`, "smbd", "-F", "--no-process-group", "-s", "{SETTINGS}")
	s.port = startRelay(t, s.address())
	return s
}

// startRelay passes connections on to a server, what the client sends at the
// limited speed.
func startRelay(t *testing.T, to string) int {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go relay(client, to)
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

func relay(client net.Conn, to string) {
	defer client.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	go io.Copy(client, server) // ends with either connection
	io.Copy(&slowly{to: server}, client)
}

// slowly writes at the limited speed.
type slowly struct {
	to    io.Writer
	begun time.Time
	sent  int64
}

func (s *slowly) Write(p []byte) (int, error) {
	if s.begun.IsZero() {
		s.begun = time.Now()
	}
	n, err := s.to.Write(p)
	s.sent += int64(n)
	keepPace(s.begun, s.sent)
	return n, err
}

// bytesPerSecond is how fast every client sends.
const bytesPerSecond = 8 << 20

// keepPace waits as long as a slow line would.
func keepPace(begun time.Time, sent int64) {
	time.Sleep(time.Until(begun.Add(time.Duration(sent) * time.Second / bytesPerSecond)))
}
