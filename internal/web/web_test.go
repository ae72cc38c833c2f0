package web

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"ota/internal/api"
	"ota/internal/logs"
	"ota/internal/web/access"
)

// The secrets that the door of the tests knows.
const (
	goodPassword = "correct horse"
	goodSession  = "session-1"
	goodToken    = "ota_reader"
)

// door lets in who knows one of the secrets.
type door struct {
	mu      sync.Mutex
	session context.Context // nil: nobody has logged in
	end     func()
	tries   int
}

func newDoor() *door {
	d := &door{}
	d.session, d.end = context.WithCancel(context.Background())
	return d
}

func (d *door) Login(_ netip.Addr, secret string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tries++; d.tries > 3 {
		return "", &access.SlowDown{After: 6500 * time.Millisecond}
	}
	if secret != goodPassword {
		return "", access.ErrWrong
	}
	return goodSession, nil
}

func (d *door) Session(ctx context.Context, secret string) (context.Context, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if secret != goodSession || d.session.Err() != nil {
		return ctx, false
	}
	ctx, end := context.WithCancel(ctx)
	context.AfterFunc(d.session, end)
	return api.WithCaller(ctx, api.Caller{Name: "the page", Rights: api.Rights}), true
}

func (d *door) Token(ctx context.Context, _ netip.Addr, secret string) (context.Context, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if secret != goodToken && d.tries > 3 {
		return ctx, &access.SlowDown{After: 6500 * time.Millisecond}
	}
	if secret != goodToken {
		return ctx, access.ErrToken
	}
	return api.WithCaller(ctx, api.Caller{Name: "token reader", Rights: []api.Right{api.Read}}), nil
}

func (d *door) Logout(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.end()
	return nil
}

// house is one in which little happens.
type house struct {
	api.House
	acts   chan string
	paired string // the last code
}

func (h *house) Paired(_ netip.Addr, code, name string) (api.IssuedToken, error) {
	h.paired = code
	return api.IssuedToken{Name: name}, nil
}

func (h *house) Status() api.Status                         { return api.Status{Running: true, Version: "1"} }
func (h *house) Device() api.Device                         { return api.Device{Name: "greenhouse"} }
func (h *house) History() ([]api.HistoryEntry, error)       { return nil, nil }
func (h *house) Why(int) (api.Why, error)                   { return api.Why{}, nil }
func (h *house) Tail(int) []logs.Line                       { return nil }
func (h *house) Restart(context.Context) error              { h.acts <- "restart"; return nil }
func (h *house) List(api.Area, string) (api.Listing, error) { return api.Listing{}, nil }
func (h *house) StartID() string                            { return "1" }
func (h *house) Changed() <-chan struct{}                   { return nil }

// stand is a server that runs.
type stand struct {
	*testing.T
	door    *door
	house   *house
	log     *bytes.Buffer
	address string // host:port
	tls     bool
}

func start(t *testing.T, change func(*Options)) *stand {
	t.Helper()
	s := &stand{T: t, door: newDoor(), house: &house{acts: make(chan string, 8)}, log: &bytes.Buffer{}}
	ready := make(chan string, 1)
	options := Options{
		Listen: "127.0.0.1:0", Hosts: []string{"Garden.example"}, Dir: t.TempDir(), House: s.house, Door: s.door,
		Log:   slog.New(slog.NewTextHandler(s.log, nil)),
		Ready: func(address string) { ready <- address },
	}
	options.API = api.Handler(s.house, options.Log)
	if change != nil {
		change(&options)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	server := New(options)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case address := <-ready:
		where, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		s.address, s.tls = where.Host, where.Scheme == "https"
	case err := <-ended:
		t.Fatal(err)
	}
	return s
}

// ask sends a request as it is written and returns the answer.
func (s *stand) ask(method, path string, headers ...string) *http.Response {
	s.Helper()
	return s.send(method, path, "", headers...)
}

func (s *stand) send(method, path, body string, headers ...string) *http.Response {
	s.Helper()
	text := method + " " + path + " HTTP/1.1\r\n"
	host := "Host: " + s.address
	for _, header := range headers {
		if strings.HasPrefix(header, "Host:") {
			host = header
			continue
		}
		text += header + "\r\n"
	}
	if body != "" {
		text += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	return s.raw(text + host + "\r\n\r\n" + body)
}

func (s *stand) raw(text string) *http.Response {
	s.Helper()
	conn := s.dial()
	s.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		s.Fatal(err)
	}
	method, _, _ := strings.Cut(text, " ")
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		s.Fatalf("%.60q: %v", text, err)
	}
	return answer
}

func (s *stand) dial() net.Conn {
	s.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.Fatal(err)
	}
	if s.tls {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	return conn
}

func (s *stand) cookie() string {
	_, port, _ := net.SplitHostPort(s.address)
	name := "ota-" + port
	if s.tls {
		name = "__Host-" + name
	}
	return "Cookie: " + name + "=" + goodSession
}

func (s *stand) origin() string {
	if s.tls {
		return "Origin: https://" + s.address
	}
	return "Origin: http://" + s.address
}

const bearer = "Authorization: Bearer " + goodToken

// TestNobodyGetsInWithoutLogin tries every path with every method.
func TestNobodyGetsInWithoutLogin(t *testing.T) {
	s := start(t, nil)
	paths := []string{
		"/page/page.js", "/page/", "/logout", "/metrics", "/healthz", "/api/openapi.yaml", "/api/v1/status", "/api/v1/events", "/api/v1/restart",
		"/api/v1/uploads", "/api/v1/uploads/1", "/api/v1/files/main/content?path=main.py", "/api/v1/web/tokens", "/favicon.ico", "/nothing",
		"//login", "/./login", "/login/../page/page.js", "/%6cogin/../metrics", "/LOGIN", "/login%2f..%2fmetrics", "/login/%2e%2e/metrics",
	}
	methods := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"}
	for _, path := range paths {
		for _, method := range methods {
			for _, headers := range [][]string{
				nil, {s.origin()}, {"Cookie: " + strings.TrimPrefix(strings.Replace(s.cookie(), goodSession, "other", 1), "Cookie: ")},
				{"Authorization: Bearer other"}, {"Authorization: Basic b3RhOm90YQ=="}, {"X-Forwarded-For: 127.0.0.1"}, {"X-HTTP-Method-Override: GET"},
			} {
				if method == "CONNECT" {
					continue // of it there are no paths
				}
				answer := s.ask(method, path, append(headers, "Connection: close")...)
				if status := answer.StatusCode; status != 401 && status != 403 && status != 404 && status != 405 && status != 400 {
					t.Errorf("%s %s %v: %s", method, path, headers, answer.Status)
				}
			}
		}
	}
	if answer := s.ask("GET", "/"); answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/login" {
		t.Errorf("the page itself: %s", answer.Status)
	}
	select {
	case act := <-s.house.acts:
		t.Errorf("somebody made it %s", act)
	default:
	}
}

func TestWhoHasLoggedInGetsIn(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "0.0.0.0:0"} {
		s := start(t, func(o *Options) { o.Listen = listen })
		s.address = strings.Replace(s.address, nameOfHost(), "127.0.0.1", 1)
		wrong := s.send("POST", "/login", "code=wrong", "Content-Type: application/x-www-form-urlencoded", s.origin())
		if wrong.StatusCode != 401 || len(wrong.Cookies()) > 0 {
			t.Errorf("a wrong password: %s", wrong.Status)
		}
		right := s.send("POST", "/login", "code=correct+horse", "Content-Type: application/x-www-form-urlencoded", s.origin())
		if right.StatusCode != http.StatusSeeOther || len(right.Cookies()) != 1 {
			t.Fatalf("the right password: %s", right.Status)
		}
		cookie := right.Cookies()[0]
		if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Secure != s.tls || cookie.Path != "/" || cookie.Domain != "" {
			t.Errorf("the cookie: %v", cookie)
		}
		for _, path := range []string{"/", "/page/page.css", "/api/v1/status"} {
			if answer := s.ask("GET", path, s.cookie()); answer.StatusCode != 200 {
				t.Errorf("%s: %s", path, answer.Status)
			}
		}
		if answer := s.ask("POST", "/api/v1/restart", s.cookie(), s.origin()); answer.StatusCode != 204 {
			t.Errorf("restart: %s", answer.Status)
		}
		if answer := s.ask("POST", "/logout", s.cookie(), s.origin()); answer.StatusCode != http.StatusSeeOther {
			t.Errorf("logout: %s", answer.Status)
		}
		if answer := s.ask("GET", "/api/v1/status", s.cookie()); answer.StatusCode != 401 {
			t.Errorf("after logout: %s", answer.Status)
		}
	}
}

func TestWrongTriesAreToldToWait(t *testing.T) {
	s := start(t, nil)
	var last *http.Response
	for range 4 {
		last = s.send("POST", "/login", "code=wrong", "Content-Type: application/x-www-form-urlencoded", s.origin())
	}
	script := s.send("GET", "/api/v1/status", "", "Authorization: Bearer wrong")
	for _, answer := range []*http.Response{last, script} {
		if answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") != "7" {
			t.Errorf("%s, %q", answer.Status, answer.Header.Get("Retry-After"))
		}
	}
}

// TestOnlyItsOwnNames: who makes a browser believe that his name is at our
// address (DNS rebinding) gets nothing.
func TestOnlyItsOwnNames(t *testing.T) {
	s := start(t, nil)
	_, port, _ := net.SplitHostPort(s.address)
	for host, want := range map[string]int{
		"127.0.0.1:" + port: 200, "127.0.0.1": 200, "[::1]:" + port: 200, "localhost:" + port: 200, "LOCALHOST.": 200,
		nameOfHost(): 200, nameOfHost() + ".local:" + port: 200, "garden.example": 200, "192.168.1.7:" + port: 200,
		"evil.example": 421, "evil.example:" + port: 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "xlocalhost": 421,
		"garden.example.evil.example": 421, "0x7f000001": 421, "2130706433": 421, "": 400, "127.0.0.1@evil.example": 400,
	} {
		if answer := s.ask("GET", "/api/v1/status", bearer, "Host: "+host); answer.StatusCode != want && !(want == 400 && answer.StatusCode == 421) {
			t.Errorf("%q: %s", host, answer.Status)
		}
	}
}

func TestNoOtherSiteSendsFor(t *testing.T) {
	s := start(t, nil)
	_, port, _ := net.SplitHostPort(s.address)
	for _, headers := range [][]string{
		{"Origin: http://evil.example"}, {"Origin: null"}, {"Origin: https://" + s.address + ".evil.example"}, {"Origin: http://127.0.0.1:1"},
		{"Origin: http://localhost:" + port}, {"Sec-Fetch-Site: cross-site"}, {"Sec-Fetch-Site: same-site"}, {"Sec-Fetch-Site: cross-site", s.origin()},
		{}, // a cookie alone says nothing
	} {
		if answer := s.ask("POST", "/api/v1/restart", append(headers, s.cookie())...); answer.StatusCode != 403 && answer.StatusCode != 401 {
			t.Errorf("%v: %s", headers, answer.Status)
		}
	}
	for _, headers := range [][]string{
		{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script"}, {"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors"},
		{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"}, {"Origin: http://evil.example"},
	} {
		for _, path := range []string{"/", "/api/v1/status", "/page/page.js"} {
			if answer := s.ask("GET", path, append(headers, s.cookie())...); answer.StatusCode != 403 {
				t.Errorf("GET %s %v: %s", path, headers, answer.Status)
			}
		}
	}
	link := []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}
	if answer := s.ask("GET", "/login?code=abc", link...); answer.StatusCode != 200 {
		t.Errorf("a link in a mail: %s", answer.Status)
	}
	if answer := s.ask("GET", "/api/v1/status", append(link, s.cookie())...); answer.StatusCode != 403 {
		t.Errorf("a link to the API: %s", answer.Status)
	}
	if len(s.house.acts) > 0 {
		t.Error("somebody else's request was obeyed")
	}
	for _, answer := range []*http.Response{s.ask("GET", "/login"), s.ask("GET", "/", s.cookie()), s.ask("GET", "/api/v1/status"), s.ask("OPTIONS", "/api/v1/status", bearer)} {
		for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"} {
			if answer.Header.Get(name) != "" {
				t.Errorf("%s is sent", name)
			}
		}
		for name := range headers {
			if answer.Header.Get(name) == "" {
				t.Errorf("%s is missing", name)
			}
		}
		if policy := answer.Header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("the policy is %q", policy)
		}
	}
}

// TestTokensDoWhatTheyMay: this one may look only.
func TestTokensDoWhatTheyMay(t *testing.T) {
	s := start(t, nil)
	if answer := s.ask("GET", "/api/v1/status", bearer); answer.StatusCode != 200 {
		t.Error(answer.Status)
	}
	if answer := s.ask("POST", "/api/v1/restart", bearer); answer.StatusCode != 403 {
		t.Error(answer.Status)
	}
	if answer := s.ask("GET", "/api/v1/web/tokens", bearer); answer.StatusCode != 404 {
		t.Error(answer.Status)
	}
}

func TestBombs(t *testing.T) {
	s := start(t, nil)
	if answer := s.ask("GET", "/login", "X-Bomb: "+strings.Repeat("x", 2*headerBytes)); answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header bomb: %s", answer.Status)
	}
	form := "Content-Type: application/x-www-form-urlencoded"
	if answer := s.send("POST", "/login", "code="+strings.Repeat("x", 2*formBytes), form, s.origin()); answer.StatusCode != 400 {
		t.Errorf("a long form: %s", answer.Status)
	}
	for _, kind := range []string{"Content-Type: application/json", "Content-Type: multipart/form-data; boundary=x", "X: y"} {
		if answer := s.send("POST", "/login", "code=correct+horse", kind, s.origin()); answer.StatusCode != 400 {
			t.Errorf("%s: %s", kind, answer.Status)
		}
	}
	for _, text := range []string{
		"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
		"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
		"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
		"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET /login HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
		"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		if answer := s.raw(text); answer.StatusCode < 400 {
			t.Errorf("%.50q: %s", text, answer.Status)
		}
	}
}

// TestSlowStrangersKeepNobodyOut: five hundred connections that send a byte now
// and then, while somebody works with the page.
func TestSlowStrangersKeepNobodyOut(t *testing.T) {
	s := start(t, nil)
	mine := s.dial()
	defer mine.Close()
	reader := bufio.NewReader(mine)
	work := func() {
		t.Helper()
		fmt.Fprintf(mine, "GET /api/v1/status HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", s.address, bearer)
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, answer.Body)
		if answer.StatusCode != 200 {
			t.Fatal(answer.Status)
		}
	}
	work()
	for i := range 500 {
		conn := s.dial()
		defer conn.Close()
		io.WriteString(conn, "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n")
		if i%2 == 0 {
			io.WriteString(conn, "Origin: http://localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\ns")
		}
	}
	work()
	if answer := s.ask("GET", "/login"); answer.StatusCode != 200 {
		t.Errorf("another visitor: %s", answer.Status)
	}
}

func TestTheStreamsOfASessionEndWithIt(t *testing.T) {
	s := start(t, nil)
	stream := s.ask("GET", "/api/v1/events", s.cookie())
	if stream.StatusCode != 200 {
		t.Fatal(stream.Status)
	}
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, stream.Body)
		close(ended)
	}()
	s.door.Logout(goodSession)
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the stream goes on")
	}
}

func TestPlainHTTPIsSentToTLS(t *testing.T) {
	s := start(t, func(o *Options) { o.Listen = "0.0.0.0:0" })
	_, port, _ := net.SplitHostPort(s.address)
	s.address, s.tls = "127.0.0.1:"+port, false
	answer := s.ask("GET", "/login?code=1")
	if answer.StatusCode != http.StatusTemporaryRedirect || answer.Header.Get("Location") != "https://"+s.address+"/login?code=1" {
		t.Errorf("%s to %q", answer.Status, answer.Header.Get("Location"))
	}
	if answer := s.ask("GET", "/", "Host: evil.example"); answer.StatusCode != http.StatusMisdirectedRequest {
		t.Error(answer.Status)
	}
}

func TestTheNextFreePort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := start(t, func(o *Options) { o.Listen = taken.Addr().String() })
	if s.address == taken.Addr().String() || !strings.Contains(s.log.String(), "next free one") {
		t.Errorf("it is at %s, and says %q", s.address, s.log)
	}
}

func TestTheCertificateIsKept(t *testing.T) {
	options := Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}
	first, err := openCertificate(options)
	if err != nil {
		t.Fatal(err)
	}
	again, err := openCertificate(options)
	if err != nil {
		t.Fatal(err)
	}
	if first.fingerprint() != again.fingerprint() {
		t.Error("another one was made")
	}
	if len(first.fingerprint()) != 32*3-1 {
		t.Errorf("the fingerprint is %s", first.fingerprint())
	}
}
