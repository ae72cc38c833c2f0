package web

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ota/internal/api"
)

// TestNothingAnswersBeforeTheDoor: net/http answers some requests by itself, and
// reads some paths and hosts in ways of its own.
func TestNothingAnswersBeforeTheDoor(t *testing.T) {
	s := start(t, nil)
	for text, want := range map[string]int{
		"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n":                                                               400,
		"OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n\r\n":                                                            400,
		"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n":                                                                   400,
		"GET http:.evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n":                                                 400,
		"GET http://evil.example/login HTTP/1.1\r\nHost: localhost\r\n\r\n":                                           421,
		"GET http://localhost/api/v1/status HTTP/1.1\r\nHost: evil.example\r\n\r\n":                                   401,
		"GET http://a:b@evil.example/login HTTP/1.1\r\nHost: localhost\r\n\r\n":                                       421,
		"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n":                                                 400,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":                                                                            400,
		"GET /api/v1/status HTTP/1.0\r\n\r\n":                                                                         421,
		"GET /login HTTP/1.0\r\nHost: evil.example\r\n\r\n":                                                           421,
		"GET /api/v1/status HTTP/1.0\r\nHost: localhost\r\n\r\n":                                                      401,
		"GET //login HTTP/1.1\r\nHost: localhost\r\n\r\n":                                                             401,
		"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n":         401,
		"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n":            303,
		"TRACE /login HTTP/1.1\r\nHost: localhost\r\n\r\n":                                                            405,
		"POST /api/v1/uploads HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n":       401,
		"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n": 400,
		"GET /login HTTP/1.1\r\nHost : localhost\r\n\r\n":                                                             400,
		"GET /login HTTP/1.1\r\n Host: localhost\r\n\r\n":                                                             400,
	} {
		if answer := s.raw(text); answer.StatusCode != want {
			t.Errorf("%q: %s, want %d", text, answer.Status, want)
		}
	}
}

// TestHostsThatLookLikeOurs holds what comes before or behind an address in one.
func TestHostsThatLookLikeOurs(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		s := start(t, func(o *Options) {
			if encrypted {
				o.Listen = "0.0.0.0:0"
			}
		})
		_, port, _ := net.SplitHostPort(s.address)
		s.address, s.tls = "127.0.0.1:"+port, false
		for _, host := range []string{
			"127.0.0.1:@evil.example", "127.0.0.1:80@evil.example", "127.0.0.1@evil.example", "::1%x@evil.example", "[::1%25x]:" + port, "[::1", "::1]",
			"[::1]evil.example", "localhost:x", "localhost:-1", "localhost:" + port + ":1", "[localhost]", "localhost..", "127.0.0.1.", "evil.example:127.0.0.1",
			"%6cocalhost", "localhost%00", "127.1", "[::ffff:127.0.0.1]x",
		} {
			answer := s.ask("GET", "/login?code=1", "Host: "+host)
			if answer.StatusCode != 421 && answer.StatusCode != 400 || answer.Header.Get("Location") != "" {
				t.Errorf("%q: %s to %q", host, answer.Status, answer.Header.Get("Location"))
			}
		}
	}
}

// TestTheWayToTLSLeadsNowhereElse: what is redirected keeps host and path.
func TestTheWayToTLSLeadsNowhereElse(t *testing.T) {
	s := start(t, func(o *Options) { o.Listen = "0.0.0.0:0" })
	_, port, _ := net.SplitHostPort(s.address)
	s.address, s.tls = "127.0.0.1:"+port, false
	for _, target := range []string{
		"/", "//evil.example", "/\\evil.example", "/%0d%0aSet-Cookie:x=y", "/login?code=//evil.example", "http://127.0.0.1:" + port + "//evil.example/", "/@evil.example",
	} {
		answer := s.ask("GET", target)
		to, err := url.Parse(answer.Header.Get("Location"))
		if err != nil || answer.StatusCode != http.StatusTemporaryRedirect || to.Scheme != "https" || to.Host != s.address || to.User != nil || len(answer.Cookies()) > 0 {
			t.Errorf("%s: %s to %q", target, answer.Status, answer.Header.Get("Location"))
		}
	}
	for _, target := range []string{"*", "http:.evil.example/", "http:@evil.example"} {
		if answer := s.raw("GET " + target + " HTTP/1.1\r\nHost: " + s.address + "\r\n\r\n"); answer.Header.Get("Location") != "" || answer.StatusCode < 400 {
			t.Errorf("%s: %s to %q", target, answer.Status, answer.Header.Get("Location"))
		}
	}
	if answer := s.send("POST", "/login", "code=correct+horse", "Content-Type: application/x-www-form-urlencoded"); answer.StatusCode != http.StatusUpgradeRequired || len(answer.Cookies()) > 0 {
		t.Errorf("a login without TLS: %s", answer.Status)
	}
}

// TestAPageWithoutTLSIsNotOurs where we have it: who stands on the way can write
// one.
func TestAPageWithoutTLSIsNotOurs(t *testing.T) {
	s := start(t, func(o *Options) { o.Listen = "0.0.0.0:0" })
	_, port, _ := net.SplitHostPort(s.address)
	s.address = "127.0.0.1:" + port
	if answer := s.ask("POST", "/api/v1/restart", s.cookie(), "Origin: http://"+s.address); answer.StatusCode != 403 {
		t.Errorf("without TLS: %s", answer.Status)
	}
	if answer := s.ask("POST", "/api/v1/restart", s.cookie(), s.origin()); answer.StatusCode != 204 {
		t.Errorf("with TLS: %s", answer.Status)
	}
	if isSame("null", "null", false) || isSame("ftp://x", "x", false) || isSame("x", "x", false) || !isSame("https://x", "x", false) {
		t.Error("the scheme of an origin is http or https")
	}
}

// TestNoOtherSiteLogsInOrOut: a browser of somebody whose page makes it do that.
func TestNoOtherSiteLogsInOrOut(t *testing.T) {
	s := start(t, nil)
	form := "Content-Type: application/x-www-form-urlencoded"
	for _, headers := range [][]string{
		{"Origin: http://evil.example"}, {"Origin: null"}, {"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, {"Sec-Fetch-Site: same-site"},
	} {
		if answer := s.send("POST", "/login", "code=correct+horse", append(headers, form)...); answer.StatusCode != 403 || len(answer.Cookies()) > 0 {
			t.Errorf("a login, %v: %s", headers, answer.Status)
		}
		if answer := s.ask("POST", "/logout", append(headers, s.cookie())...); answer.StatusCode != 403 {
			t.Errorf("a logout, %v: %s", headers, answer.Status)
		}
	}
	if answer := s.ask("GET", "/logout", s.cookie()); answer.StatusCode != 405 {
		t.Errorf("a logout by a picture: %s", answer.Status)
	}
	if answer := s.ask("GET", "/api/v1/status", s.cookie()); answer.StatusCode != 200 {
		t.Errorf("the session has ended: %s", answer.Status)
	}
}

// TestNoOtherSitePairs: no page makes a browser try codes, and nobody else gets by
// that way anywhere.
func TestNoOtherSitePairs(t *testing.T) {
	s := start(t, nil)
	body, kind := `{"code":"BCDF-GHJK","name":"x"}`, "Content-Type: application/json"
	for _, headers := range [][]string{
		{"Origin: http://evil.example"}, {"Origin: null"}, {"Sec-Fetch-Site: cross-site"}, {"Sec-Fetch-Site: same-site"},
	} {
		if answer := s.send("POST", api.PairPath, body, append(headers, kind)...); answer.StatusCode != 403 {
			t.Errorf("%v: %s", headers, answer.Status)
		}
	}
	if answer := s.send("POST", api.PairPath, body, kind); answer.StatusCode != 201 || s.house.paired != "BCDF-GHJK" {
		t.Errorf("a computer: %s, %q", answer.Status, s.house.paired)
	}
	for _, one := range [][2]string{{"GET", api.PairPath}, {"POST", api.PairPath + "/"}, {"POST", api.PairPath + "/../status"}, {"POST", api.ReceivePath}} {
		if answer := s.ask(one[0], one[1]); answer.StatusCode != 401 {
			t.Errorf("%v: %s", one, answer.Status)
		}
	}
}

// TestProblemsAreFramedByNobody: the headers of every answer are those of the
// page.
func TestProblemsAreFramedByNobody(t *testing.T) {
	s := start(t, nil)
	for _, answer := range []*http.Response{
		s.ask("GET", "/api/v1/status"), s.ask("GET", "/x", bearer), s.ask("GET", "/login", "Host: evil.example"), s.ask("DELETE", "/login"),
		s.ask("POST", "/logout", s.cookie(), "Origin: http://evil.example"), s.ask("GET", "/page/none", s.cookie()), s.ask("GET", "/login/page.js"),
		s.send("POST", "/login", "code=wrong", "Content-Type: application/x-www-form-urlencoded", s.origin()),
		s.ask("POST", "/api/v1/restart", bearer), s.ask("GET", "/api/v1/status", bearer), s.ask("GET", "/page/page.js", s.cookie()),
	} {
		for name, value := range headers {
			if got := answer.Header.Get(name); got != value && (name != "Cache-Control" || got != "no-cache") {
				t.Errorf("%s %s: %s is %q", answer.Status, answer.Header.Get("Content-Type"), name, got)
			}
		}
		if kind := answer.Header.Get("Content-Type"); answer.StatusCode >= 400 && kind != "application/problem+json" && kind != "text/html; charset=utf-8" {
			t.Errorf("%s: it is %q", answer.Status, kind)
		}
	}
}

// TestWhatAStrangerSendsBehindIsNotRead: neither what is pipelined nor what is
// smuggled in a body becomes a request.
func TestWhatAStrangerSendsBehindIsNotRead(t *testing.T) {
	s := start(t, nil)
	inner := "POST /api/v1/restart HTTP/1.1\r\nHost: localhost\r\n" + s.cookie() + "\r\n" + s.origin() + "\r\n\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n\r\n", len(inner))
	for _, outer := range []string{
		"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"POST /api/v1/drops HTTP/1.1\r\nHost: localhost\r\n" + length,
		"POST /api/v1/drops HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n" + s.origin() + "\r\n" + length,
		"GET /login HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"DELETE /login HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		conn := s.dial()
		io.WriteString(conn, outer+inner)
		reader := bufio.NewReader(conn)
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatalf("%.40q: %v", outer, err)
		}
		io.Copy(io.Discard, answer.Body)
		if _, err := http.ReadResponse(reader, nil); err == nil || !answer.Close {
			t.Errorf("%.40q: another answer came, or the connection stays", outer)
		}
		conn.Close()
	}
	if len(s.house.acts) > 0 {
		t.Error("it was restarted")
	}
}

// TestACertificateOfTheOwner: its files are taken, and taken again when they have
// changed, but not while they are no pair.
func TestACertificateOfTheOwner(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write := func(paths ...string) {
		made, err := makeCertificate("garden")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if err := os.WriteFile(path, append(made, '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
			later := time.Now().Add(time.Hour) // whatever the file system's clock shows
			os.Chtimes(path, later, later.Add(time.Duration(len(path))))
		}
	}
	options := Options{Dir: dir, Cert: cert, Key: key, Log: slog.New(slog.DiscardHandler)}
	if _, err := openCertificate(options); err == nil {
		t.Error("files that are not there")
	}
	write(cert, key)
	server := New(options)
	given, err := openCertificate(options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, ownFile)); err == nil {
		t.Error("one of our own was made all the same")
	}
	first := given.fingerprint()
	server.at.Store(&place{"https://garden", given})
	look := func() string {
		given.looked, given.states = time.Time{}, [2]state{}
		return given.fingerprint()
	}
	write(cert)
	if look() != first {
		t.Error("a certificate without its key was taken")
	}
	write(cert, key)
	if look() == first {
		t.Error("the new one was not taken")
	}
	if told := server.Web().Fingerprint; told == nil || *told != given.fingerprint() {
		t.Errorf("the fingerprint that is told is %v", told)
	}
	own, err := openCertificate(Options{Dir: dir, Log: options.Log})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, ownFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if pair := own.current(); pair.Leaf.NotAfter.Year() != 2049 || pair.Leaf.IsCA {
		t.Errorf("%+v", pair.Leaf)
	}
}
