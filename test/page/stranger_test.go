//go:build linux

package page

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ota/test/harness"
)

// beyond is [web] for other machines; of the tests, too, only this one asks.
const beyond = `
[update]
quiet = "100ms"
[trial]
period = "300ms"
[web]
listen = "0.0.0.0:8484"
`

// shown is the fingerprint of the certificate that a browser is shown.
func shown(t testing.TB, port string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sum := sha256.Sum256(conn.ConnectionState().PeerCertificates[0].Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

// TestBeyondTheMachineIsTLS: with a certificate that is kept, by whose
// fingerprint a person knows it, and nothing without it.
func TestBeyondTheMachineIsTLS(t *testing.T) {
	d := device(t, harness.Tree{"main.py": harness.File(beat)}, beyond)
	_, port, err := net.SplitHostPort(addressOf(t, d))
	if err != nil {
		t.Fatal(err)
	}
	first := shown(t, port)
	for where, text := range map[string]string{"the console": d.Console(), "status": d.Say("status"), "status --json": d.Say("status", "--json")} {
		if !strings.Contains(text, first) {
			t.Errorf("%s does not show %s:\n%s", where, first, text)
		}
	}
	if strings.Contains(d.Console(), "code=") {
		t.Error("the console is none and shows a link")
	}
	if info, err := os.Stat(filepath.Join(d.Dir, ".ota", "web.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("web.pem: %v, %v", info, err)
	}
	plain := &script{t, "127.0.0.1:" + port, ""}
	for _, target := range []string{"/", "/login", "/api/v1/status", "/metrics", "//evil.example"} {
		if status, body := plain.ask("GET", target); status != http.StatusTemporaryRedirect || strings.Contains(body, "<form") {
			t.Errorf("without TLS %s: %d %s", target, status, body)
		}
	}
	if status, _ := plain.send("POST", "/login", "code=x", "Content-Type: application/x-www-form-urlencoded"); status != http.StatusUpgradeRequired {
		t.Errorf("a login without TLS: %d", status)
	}
	ota := d.Await("ota", func(s harness.Status) bool { return s.PID != 0 }).PID
	if ports := listening(t, ota); !slices.Equal(ports, []string{port}) {
		t.Errorf("it listens at the ports %q", ports)
	}
	d.Stop()
	d.Start()
	// Another ota may have its port by now.
	if _, port, err = net.SplitHostPort(addressOf(t, d)); err != nil {
		t.Fatal(err)
	}
	if again := shown(t, port); again != first {
		t.Errorf("it was %s and is %s", first, again)
	}
}

// listening are the ports of TCP at which a process listens.
func listening(t testing.TB, pid int) (ports []string) {
	t.Helper()
	sockets := map[string]bool{}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if to, err := os.Readlink(file); err == nil {
			sockets[to] = true
		}
	}
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			const listens = "0A" // proc_net_tcp(5)
			fields := strings.Fields(line)
			if len(fields) < 10 || fields[3] != listens || !sockets["socket:["+fields[9]+"]"] {
				continue
			}
			var port int
			fmt.Sscanf(fields[1][strings.LastIndexByte(fields[1], ':')+1:], "%X", &port)
			ports = append(ports, fmt.Sprint(port))
		}
	}
	return ports
}

// TestAnotherUserGetsNothing: neither over the control socket nor from .ota,
// whoever the program runs as.
func TestAnotherUserGetsNothing(t *testing.T) {
	harness.NeedRoot(t)
	harness.Need(t, "curl")
	dir, err := os.MkdirTemp("", "ota-page-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d := harness.NewDevice(t, dir, harness.Tree{"main.py": harness.File(beat), ".env": {Mode: 0o600, Content: "KEY=1"}}, "[program]\nuser = \"nobody\"\n"+beyond)
	d.Start()
	d.Await("the program", func(s harness.Status) bool { return s.Program.State == "running" })
	uploader := tokenFor(t, d, "uploader", "upload")
	overTLS(t, uploader, "POST", "/api/v1/uploads", "Tus-Resumable: 1.0.0", "Upload-Length: 9", "Upload-Metadata: filename "+base64.StdEncoding.EncodeToString([]byte("half.py")))

	var private []string
	own := filepath.Join(dir, ".ota")
	filepath.WalkDir(own, func(path string, entry fs.DirEntry, err error) error {
		below, _ := filepath.Rel(own, path)
		isGiven := below == "busy" || strings.HasPrefix(below, "venvs") || strings.HasPrefix(below, "check") || strings.HasPrefix(below, "warm")
		if err == nil && !entry.IsDir() && !isGiven {
			private = append(private, path)
		}
		return nil
	})
	for _, name := range []string{"access.json", "web.pem", "control.sock"} {
		if !slices.Contains(private, filepath.Join(own, name)) {
			t.Fatalf("there is no %s among %q", name, private)
		}
	}
	can := asNobody(t, "sh", append([]string{"-c", `for f; do [ -r "$f" ] || [ -w "$f" ] && echo "$f"; done; ls "$0"`, own}, private...)...)
	if can = strings.TrimSpace(can); strings.Contains(can, own+"/") {
		t.Errorf("another user reaches %s", can)
	}

	socket := filepath.Join(own, "control.sock")
	stop := []string{"-s", "-m", "10", "--unix-socket", socket, "-w", "%{http_code}", "-o", "/dev/null", "-X", "POST", "http://ota/api/v1/stop"}
	if said := asNobody(t, "curl", stop...); said != "000" {
		t.Errorf("at the closed socket: %q", said)
	}
	for _, path := range []string{own, socket} {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, request := range [][]string{stop, {"-s", "-m", "10", "--unix-socket", socket, "-w", "%{http_code}", "-o", "/dev/null", "--request-target", "*", "-X", "OPTIONS", "http://ota/"}} {
		if said := asNobody(t, "curl", request...); said != "403" {
			t.Errorf("at the opened socket: %q", said)
		}
	}
	d.Await("the program runs on", func(s harness.Status) bool { return s.Program.State == "running" })
}

// asNobody runs a command as another user, and returns what it prints.
func asNobody(t testing.TB, name string, args ...string) string {
	t.Helper()
	const nobody = 65534
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	said, _ := cmd.Output() // how it ends is what is asked
	return string(said)
}

// overTLS asks once, over TLS.
func overTLS(t testing.TB, s *script, method, target string, headers ...string) {
	t.Helper()
	_, port, _ := net.SplitHostPort(s.address)
	conn, err := tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	headers = append(headers, "Host: "+s.address, "Authorization: Bearer "+s.token, "Connection: close")
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\n%s\r\n\r\n", method, target, strings.Join(headers, "\r\n"))
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode >= 300 {
		t.Fatalf("%v, %v", answer, err)
	}
}

// TestSlowAndEndless: who sends a byte now and then, or never ends, is cut off,
// and nobody else notices.
func TestSlowAndEndless(t *testing.T) {
	d := device(t, harness.Tree{"main.py": harness.File(beat)}, settings)
	owner := tokenFor(t, d, "owner", "read,upload,control")
	host := " HTTP/1.1\r\nHost: " + owner.address + "\r\n"
	form := "POST /login" + host + "Origin: http://" + owner.address + "\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	letIn := "Authorization: Bearer " + owner.token + "\r\n"
	name := "Upload-Metadata: filename " + base64.StdEncoding.EncodeToString([]byte("x.bin")) + "\r\n"
	chunk := "1000\r\n" + strings.Repeat("a", 0x1000) + "\r\n"
	var all sync.WaitGroup
	for what, one := range map[string]struct{ begin, drip string }{
		"nothing":                 {"", ""},
		"a header by lines":       {"GET /login" + host, "X-A: b\r\n"},
		"a form by letters":       {form + "Content-Length: 4000\r\n\r\n", "a"},
		"a form without end":      {form + "Transfer-Encoding: chunked\r\n\r\n", chunk},
		"a stranger's upload":     {"POST /api/v1/uploads" + host + "Transfer-Encoding: chunked\r\n\r\n", chunk},
		"a body where none is":    {"GET /api/v1/status" + host + letIn + "Transfer-Encoding: chunked\r\n\r\n", chunk},
		"JSON by letters":         {"POST /api/v1/drops" + host + letIn + "Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n", " "},
		"JSON without end":        {"POST /api/v1/drops" + host + letIn + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", chunk},
		"more than was announced": {"POST /api/v1/uploads" + host + letIn + name + "Tus-Resumable: 1.0.0\r\nUpload-Length: 10000\r\nContent-Type: application/offset+octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n", chunk},
	} {
		all.Go(func() {
			conn, err := net.Dial("tcp", owner.address)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			ended := make(chan struct{})
			go func() {
				io.Copy(io.Discard, conn)
				close(ended)
			}()
			go func() {
				_, err := io.WriteString(conn, one.begin)
				for again := time.NewTicker(100 * time.Millisecond); err == nil && one.drip != ""; <-again.C {
					_, err = io.WriteString(conn, one.drip)
				}
			}()
			select {
			case <-ended:
			case <-time.After(25 * time.Second):
				t.Errorf("%s: the connection is still there", what)
			}
		})
	}
	for range 20 {
		if status, body := owner.ask("GET", "/api/v1/status"); status != 200 {
			t.Errorf("somebody else: %d %s", status, body)
		}
	}
	all.Wait()
	if left, _ := os.ReadDir(d.Deposit()); len(left) > 0 {
		t.Errorf("deposit/ holds %v", left)
	}
}

// TestRequestsThatAreMuch: of one request there is one answer, and no more of it
// than there is of the file.
func TestRequestsThatAreMuch(t *testing.T) {
	content := strings.Repeat("0123456789", 1000)
	d := device(t, harness.Tree{"main.py": harness.File(beat), "text.txt": harness.File(content)}, settings)
	all := tokenFor(t, d, "all", "read,upload")
	stranger := &script{t, all.address, ""}
	var ranges []string
	for i := range 1500 {
		ranges = append(ranges, fmt.Sprintf("%d-%d", i, i))
	}
	for _, ranges := range []string{strings.Join(ranges, ","), strings.Repeat("0-,", 3000) + "0-", "0-9999,0-9999", "-1", "5-4", "99999999999999999999-", "0-99999999999999999999"} {
		status, body := all.ask("GET", "/api/v1/files/main/content?path=text.txt", "Range: bytes="+ranges)
		if status >= 500 || len(body) > 40*len(content) {
			t.Errorf("%.20s: %d, %d bytes", ranges, status, len(body))
		}
	}
	if status, _ := all.ask("GET", "/api/v1/why?"+strings.Repeat("release=1&", 1000)); status >= 500 {
		t.Errorf("many parameters: %d", status)
	}
	if status, _ := stranger.ask("GET", "/api/v1/status", "Cookie: "+strings.Repeat("ota-8484=x; ", 1000)); status != 401 {
		t.Errorf("many cookies: %d", status)
	}
	if status, _ := stranger.ask("GET", "/login", "Cookie: a="+strings.Repeat("x", 40_000)); status != 431 {
		t.Errorf("a large cookie: %d", status)
	}
	meta := base64.StdEncoding.EncodeToString([]byte("x.bin"))
	upload := func(length, token string) string {
		conn, err := net.Dial("tcp", all.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /api/v1/uploads HTTP/1.1\r\nHost: %s\r\n%sTus-Resumable: 1.0.0\r\nUpload-Length: %s\r\nUpload-Metadata: filename %s\r\n"+
			"Content-Type: application/offset+octet-stream\r\nContent-Length: %s\r\nExpect: 100-continue\r\n\r\n", all.address, token, length, meta, length)
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line)
	}
	letIn := "Authorization: Bearer " + all.token + "\r\n"
	for _, one := range []struct{ length, token, want string }{
		{"1125899906842624", letIn, "HTTP/1.1 507 Insufficient Storage"}, {"5", "", "HTTP/1.1 401 Unauthorized"}, {"5", letIn, "HTTP/1.1 100 Continue"},
	} {
		if got := upload(one.length, one.token); got != one.want {
			t.Errorf("%s bytes are expected: %q", one.length, got)
		}
	}
}

// TestWhatIsHiddenIsNotQuoted: what is wrong with a file that must not be seen is
// said without its text; on the device itself with it.
func TestWhatIsHiddenIsNotQuoted(t *testing.T) {
	const secret = "s3cret-of-the-device"
	d := device(t, harness.Tree{"main.py": harness.File(beat)}, settings+"hide = [\"secrets.py\"]\n")
	upload(t, d, harness.Tree{"secrets.py": harness.File("KEY = ('" + secret + "'\n"), "main.py": harness.File(beat + "# 2\n"), ".env.bak": harness.File(secret)})
	d.Await("the hold", func(s harness.Status) bool { return s.Deposit.State == "held" })
	if why := d.Say("why"); !strings.Contains(why, secret) {
		t.Errorf("the owner does not see it: %s", why)
	}
	network := tokenFor(t, d, "network", "read,control")
	for _, target := range []string{
		"/api/v1/status", "/api/v1/why", "/", "/api/v1/files/deposit", "/api/v1/files/deposit/content?path=secrets.py", "/api/v1/files/deposit/content?path=.env.bak",
		"/api/v1/diff?patch=true", "/metrics", "/healthz", "/api/v1/logs?n=1000",
	} {
		if _, body := network.ask("GET", target); strings.Contains(body, secret) {
			t.Errorf("%s shows it: %s", target, body)
		}
	}
	for _, act := range []string{"retry", "apply"} {
		if status, body := network.ask("POST", "/api/v1/"+act); strings.Contains(body, secret) || status >= 500 {
			t.Errorf("%s: %d %s", act, status, body)
		}
	}
	if text := beginOf(t, network, "/api/v1/events?log=1000"); strings.Contains(text, secret) || !strings.Contains(text, "secrets.py") {
		t.Errorf("the events: %s", text)
	}
}

// beginOf is what a stream sends at once.
func beginOf(t testing.TB, s *script, target string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Deadline)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.address+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var text bytes.Buffer
	for reader := bufio.NewReader(answer.Body); !strings.Contains(text.String(), "event: device"); {
		line, err := reader.ReadString('\n')
		text.WriteString(line)
		if err != nil {
			break
		}
	}
	return text.String()
}

// TestTheProcessListHasNoSecret: what stands among the arguments of a process
// everybody on the machine can read.
func TestTheProcessListHasNoSecret(t *testing.T) {
	d := device(t, harness.Tree{"main.py": harness.File(beat)}, settings)
	seen := filepath.Join(t.TempDir(), "seen")
	bin := t.TempDir()
	opener := "#!/bin/sh\ncat /proc/[0-9]*/cmdline /proc/$PPID/environ 2>/dev/null | tr '\\0' '\\n' > " + seen + "\nstat -c %a \"$1\" >> " + seen + "\n"
	if err := os.WriteFile(filepath.Join(bin, "xdg-open"), []byte(opener), 0o755); err != nil {
		t.Fatal(err)
	}
	open := d.Command(t.Context(), "web", "--open")
	open.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	said, err := open.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	code := regexp.MustCompile(`link_[A-Z2-7]+`).FindString(string(said))
	text, err := os.ReadFile(seen)
	if err != nil || code == "" || !strings.Contains(string(text), "xdg-open") {
		t.Fatalf("%v, %q: %s", err, said, text)
	}
	if strings.Contains(string(text), code) {
		t.Error("the link is among the arguments of a process")
	}
	if !strings.HasSuffix(strings.TrimSpace(string(text)), "\n600") {
		t.Errorf("the file that leads to the page: %s", text[max(0, len(text)-20):])
	}
}
