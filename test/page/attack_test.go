//go:build linux

package page

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ota/test/harness"
)

// script is a program that has a token.
type script struct {
	testing.TB
	address string // host:port
	token   string
}

// tokenFor makes a token of a device that allows something.
func tokenFor(t testing.TB, d *harness.Device, name, allow string) *script {
	t.Helper()
	token := strings.TrimSpace(d.Say("web", "token", "--name", name, "--allow", allow))
	return &script{t, addressOf(t, d), token}
}

// addressOf is where the page is.
func addressOf(t testing.TB, d *harness.Device) string {
	t.Helper()
	var where *url.URL
	harness.Await(t, "the page can be opened", func() bool { // a certificate takes its time
		var status struct {
			Web struct{ Address string }
		}
		err := json.Unmarshal([]byte(d.Say("status", "--json")), &status)
		if err == nil {
			where, err = url.Parse(status.Web.Address)
		}
		return err == nil && where.Host != ""
	}, d.Console)
	return where.Host
}

// ask sends a request letter by letter, as no client of Go's would, and returns
// the status and the body.
func (s *script) ask(method, target string, headers ...string) (int, string) {
	s.Helper()
	return s.send(method, target, "", headers...)
}

func (s *script) send(method, target, body string, headers ...string) (int, string) {
	s.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	if s.token != "" {
		headers = append(headers, "Authorization: Bearer "+s.token)
	}
	if body != "" {
		headers = append(headers, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	headers = append(headers, "Host: "+s.address, "Connection: close")
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\n%s\r\n\r\n%s", method, target, strings.Join(headers, "\r\n"), body)
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		s.Fatalf("%s %q: %v", method, target, err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, string(text)
}

var pathLine = regexp.MustCompile(`(?m)^  (/\S*):$`)

// TestStrangersReachNothing tries every path of the API's description, and of the
// page, with every method. One asks for a code itself, and has none here.
func TestStrangersReachNothing(t *testing.T) {
	d := device(t, harness.Tree{"main.py": harness.File(beat)}, settings)
	reader := tokenFor(t, d, "reader", "read")
	status, description := reader.ask("GET", "/api/openapi.yaml")
	if status != 200 {
		t.Fatalf("the description: %d %s", status, description)
	}
	var paths []string
	for _, found := range pathLine.FindAllStringSubmatch(description, -1) {
		paths = append(paths, strings.NewReplacer("{number}", "1", "{area}", "main", "{name}", "x", "{id}", "x").Replace(found[1]))
	}
	if len(paths) < 30 {
		t.Fatalf("only %d paths are described: %q", len(paths), paths)
	}
	paths = append(paths, "/page/page.js", "/page/page.css", "/favicon.ico", "/robots.txt", "/.env", "/nothing")
	stranger := &script{t, reader.address, ""}
	for _, path := range paths {
		if path == "/login" {
			continue
		}
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} {
			status, body := stranger.ask(method, path, "Origin: http://"+reader.address)
			asksForCode := path == "/api/v1/pair" && method == "POST" && status == 415
			if status != 401 && !(path == "/" && status == 303) && !asksForCode {
				t.Errorf("%s %s: %d %.200s", method, path, status, body)
			}
		}
	}
	if restarts := d.Await("status", func(harness.Status) bool { return true }).Program.Restarts; restarts != 0 {
		t.Errorf("the program was started %d times", restarts)
	}
}

// TestNoWayOut asks for files that are not to be had.
func TestNoWayOut(t *testing.T) {
	const secret = "the-secret-of-the-device"
	d := device(t, harness.Tree{
		"main.py": harness.File(beat), ".env": harness.File("KEY=" + secret), "lib/.env": harness.File("KEY=" + secret),
		"keys/device.key": harness.File(secret), "out": harness.Link("../outside.txt"), "deeper": harness.Link(".."), "text.txt": harness.File("hello"),
	}, settings+"hide = [\"*.key\"]\n")
	harness.Tree{"outside.txt": harness.File(secret)}.Write(t, d.Dir)
	reader := tokenFor(t, d, "reader", "read")
	if status, body := reader.ask("GET", "/api/v1/files/main/content?path=text.txt"); status != 200 || body != "hello" {
		t.Fatalf("an ordinary file: %d %q", status, body)
	}
	names := []string{
		"../outside.txt", "..%2foutside.txt", "%2e%2e/outside.txt", "%252e%252e/outside.txt", "..%255coutside.txt", "..\\outside.txt", "..%5coutside.txt",
		"text.txt%00", "%00", "text.txt%00/../../outside.txt", "/etc/passwd", "%2fetc%2fpasswd", "//etc/passwd", "lib/../../outside.txt", "./../outside.txt",
		".env", "lib/.env", "lib%2f.env", ".ENV%20", "./.env", "lib//.env", "keys/device.key", "out", "deeper/outside.txt", "deeper/main/.env",
		"....//outside.txt", "..;/outside.txt", "%c0%ae%c0%ae/outside.txt", "%ef%bc%8e%ef%bc%8e/outside.txt", "file:///etc/passwd", "~/outside.txt",
	}
	var targets []string
	for _, name := range names {
		for _, area := range []string{"main", "deposit"} {
			targets = append(targets, "/api/v1/files/"+area+"/content?path="+name, "/api/v1/files/"+area+"?path="+name,
				"/api/v1/files/"+area+"/content?view=true&path="+name)
		}
		targets = append(targets, "/api/v1/logs/files/"+name, "/page/"+name, "/api/v1/files/"+name, "/api/v1/files/main/"+name, "/login/"+name)
	}
	targets = append(targets, "/api/v1/files/main?path=", "/api/v1/files/main?path=lib", "/api/v1/files/main?path=keys", "/api/v1/diff?patch=true",
		"/api/v1/releases/1/archive?format=zip", "/api/v1/releases/1/archive?format=tar.gz", "/", "/api/v1/status", "/api/v1/history")
	for _, target := range targets {
		status, body := reader.ask("GET", target)
		if strings.Contains(body, secret) || strings.Contains(body, "root:x:") {
			t.Errorf("%s: %d gives away %.300q", target, status, body)
		}
		if isListing := status == 200 && strings.Contains(target, "files/main?"); isListing && (strings.Contains(body, `".env"`) || strings.Contains(body, "device.key")) {
			t.Errorf("%s names what is hidden: %s", target, body)
		}
	}
}

// TestUploadsStayInDeposit: the path of an upload leads nowhere else.
func TestUploadsStayInDeposit(t *testing.T) {
	d := device(t, harness.Tree{"main.py": harness.File(beat)}, settings)
	uploader := tokenFor(t, d, "uploader", "upload")
	before, err := harness.Read(filepath.Join(d.Dir, "main"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"../x.py", "/x.py", "a/../../x.py", "..", ".", "", "a//x.py", "a/./x.py", "x\x00.py", "..\\x.py", "a\\x.py", "C:\\x.py", ".hold", "x/\x1b[31m.py",
		strings.Repeat("x", 300), strings.Repeat("x/", 3000) + "x", "\xff\xfe", "../.ota/access.json", "x\n.py",
	} {
		status, body := uploader.send("POST", "/api/v1/uploads", "print(1)\n", "Tus-Resumable: 1.0.0", "Upload-Length: 9",
			"Content-Type: application/offset+octet-stream", "Upload-Metadata: relativePath "+base64.StdEncoding.EncodeToString([]byte(path)))
		if status < 400 || status >= 500 {
			t.Errorf("%q: %d %s", path, status, body)
		}
	}
	if found, _ := os.ReadDir(d.Deposit()); len(found) > 0 {
		t.Errorf("deposit/ holds %v", found)
	}
	after, err := harness.Read(filepath.Join(d.Dir, "main"))
	if err != nil {
		t.Fatal(err)
	}
	if difference := harness.Diff(before.WithoutBytecode(), after.WithoutBytecode()); difference != "" {
		t.Error(difference)
	}
	for _, stray := range []string{"x.py", "../x.py"} {
		if _, err := os.Lstat(filepath.Join(d.Dir, stray)); err == nil {
			t.Errorf("%s was written", stray)
		}
	}
}

// TestWhatDoesNotFitIsNotRead: the answer comes before the body does.
func TestWhatDoesNotFitIsNotRead(t *testing.T) {
	d := device(t, harness.Tree{"main.py": harness.File(beat)}, settings)
	uploader := tokenFor(t, d, "uploader", "upload")
	name := "Upload-Metadata: filename " + base64.StdEncoding.EncodeToString([]byte("big.bin"))
	for length, want := range map[string]int{"1125899906842624": 507, "9007199254740993": 0, "99999999999999999999999": 0, "-1": 0, "x": 0, "1e3": 0} {
		status, body := uploader.ask("POST", "/api/v1/uploads", "Tus-Resumable: 1.0.0", "Upload-Length: "+length, name)
		if want != 0 && status != want || status < 400 {
			t.Errorf("a length of %s: %d %s", length, status, body)
		}
	}
	if status, body := uploader.send("POST", "/api/v1/drops", `{"files":1,"bytes":1125899906842624}`, "Content-Type: application/json"); status != 507 {
		t.Errorf("a drop that does not fit: %d %s", status, body)
	}
	for _, bomb := range []string{
		strings.Repeat("[", 100_000), `{"files":` + strings.Repeat("9", 5000) + `}`, `{"files":1,"files":2,"x":1}`, `{"files":-1}`, `null`, `{}{}`, "\x00",
		`{"files":1e400}`, "{" + strings.Repeat(`"a":{`, 10_000),
	} {
		if status, _ := uploader.send("POST", "/api/v1/drops", bomb, "Content-Type: application/json"); status < 400 || status >= 500 {
			t.Errorf("%.30q: %d", bomb, status)
		}
	}
}

// TestTwoPressAtOnce: one wins, the other is told.
func TestTwoPressAtOnce(t *testing.T) {
	d := device(t, harness.Tree{"main.py": harness.File("import time\ntry:\n    while True: time.sleep(60)\nfinally:\n    time.sleep(1)\n")}, settings)
	first, second := tokenFor(t, d, "first", "control"), tokenFor(t, d, "second", "control")
	statuses := make(chan int, 2)
	for _, one := range []*script{first, second} {
		go func() {
			status, _ := one.ask("POST", "/api/v1/restart")
			statuses <- status
		}()
	}
	got := []int{<-statuses, <-statuses}
	slices.Sort(got)
	if !slices.Equal(got, []int{204, 409}) {
		t.Errorf("the answers are %v", got)
	}
}

// TestSecretsAreNowhere: neither in what is kept nor in what is said, but for
// where a person asked for them.
func TestSecretsAreNowhere(t *testing.T) {
	d := device(t, harness.Tree{"main.py": harness.File(beat)}, settings)
	code := link(t, d)
	_, code, _ = strings.Cut(code, "code=")
	token := tokenFor(t, d, "ci", "read,upload,control")
	const password = "a-long-password-of-mine"
	set := d.Command(t.Context(), "web", "password")
	set.Stdin = strings.NewReader(password + "\n")
	if said, err := set.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	stranger := &script{t, token.address, ""}
	form := []string{"Content-Type: application/x-www-form-urlencoded", "Origin: http://" + token.address}
	for _, secret := range []string{"wrong-password", password} {
		stranger.send("POST", "/login", "code="+url.QueryEscape(secret), form...)
	}
	token.ask("GET", "/api/v1/status")
	token.ask("POST", "/api/v1/restart")
	for _, secret := range []string{code, token.token, password, "wrong-password"} {
		if secret == "" {
			t.Fatal("there is no secret")
		}
		if strings.Contains(d.Console(), secret) {
			t.Errorf("the console shows %s", secret)
		}
		filepath.WalkDir(d.Dir, func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				if text, err := os.ReadFile(path); err == nil && bytes.Contains(text, []byte(secret)) {
					t.Errorf("%s holds %s", path, secret)
				}
			}
			return nil
		})
	}
	if info, err := os.Stat(filepath.Join(d.Dir, ".ota", "access.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("access.json: %v, %v", info, err)
	}
}

// read reads what a command prints as JSON.
func read(t testing.TB, d *harness.Device, into any, args ...string) {
	t.Helper()
	if err := json.Unmarshal([]byte(d.Say(args...)), into); err != nil {
		t.Fatal(err)
	}
}
