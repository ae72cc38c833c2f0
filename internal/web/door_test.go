package web

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
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

// TestOneTokenKeepsNobodyOut: however many connections a script holds, and also
// when its token has ended.
func TestOneTokenKeepsNobodyOut(t *testing.T) {
	s := start(t, nil)
	open := func(headers string) (net.Conn, *bufio.Reader) {
		conn := s.dial()
		t.Cleanup(func() { conn.Close() })
		fmt.Fprintf(conn, "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n", headers)
		reader := bufio.NewReader(conn)
		answer, err := http.ReadResponse(reader, nil)
		if err != nil || answer.StatusCode != 200 {
			t.Fatalf("%v, %v", answer, err)
		}
		io.Copy(io.Discard, answer.Body)
		return conn, reader
	}
	mine, from := open(s.cookie()) // the oldest of all
	for range maxConnections + 5 {
		open(bearer)
	}
	if answer := s.ask("GET", "/login"); answer.StatusCode != 200 {
		t.Errorf("who wants to log in: %s", answer.Status)
	}
	fmt.Fprintf(mine, "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n", s.cookie())
	if answer, err := http.ReadResponse(from, nil); err != nil || answer.StatusCode != 200 {
		t.Errorf("who was there before: %v, %v", answer, err)
	}
}

func TestWhoMakesRoom(t *testing.T) {
	l := newListener(nil)
	take := func(user string) *connection {
		near, far := net.Pipe()
		t.Cleanup(func() { near.Close(); far.Close() })
		one := &connection{Conn: near, from: l}
		one.user.Store(user)
		l.takeIn(one)
		return one
	}
	isOpen := func(one *connection) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, other := range l.open {
			if other == one {
				return true
			}
		}
		return false
	}
	page := take("the page")
	visitor := take(stranger)
	var greedy []*connection
	for range maxConnections - 2 {
		greedy = append(greedy, take("token greedy"))
	}
	take(stranger)
	if isOpen(visitor) || !isOpen(page) || !isOpen(greedy[0]) {
		t.Error("the oldest stranger goes first")
	}
	for _, one := range l.open {
		if one.user.Load() == stranger {
			one.user.Store("token greedy")
		}
	}
	take("the page")
	if !isOpen(page) || isOpen(greedy[0]) || !isOpen(greedy[1]) || len(l.open) != maxConnections {
		t.Error("then the oldest of who has the most")
	}
}

// TestWhoWasLetInIsAStrangerAgain when that has ended.
func TestWhoWasLetInIsAStrangerAgain(t *testing.T) {
	inside := &house{acts: make(chan string, 8)}
	quiet := slog.New(slog.DiscardHandler)
	door := newDoor()
	s := New(Options{House: inside, API: api.Handler(inside, quiet), Door: door, Log: quiet})
	s.guard = newGuard(s.options, 1, false)
	conn := &connection{from: newListener(nil)}
	conn.user.Store(stranger)
	ask := func(path string) string {
		request := httptest.NewRequest("GET", path, nil).WithContext(withConnection(t.Context(), conn))
		request.Host = "localhost"
		request.AddCookie(&http.Cookie{Name: "ota-1", Value: goodSession})
		s.handler().ServeHTTP(httptest.NewRecorder(), request)
		return conn.user.Load().(string)
	}
	if who := ask("/api/v1/status"); who != "the page" {
		t.Errorf("it is %q", who)
	}
	if who := ask("/login"); who != stranger {
		t.Errorf("at the login it is %q", who)
	}
	ask("/api/v1/status")
	door.Logout(goodSession)
	if who := ask("/api/v1/status"); who != stranger {
		t.Errorf("after the end of the session it is %q", who)
	}
}

// pipes are connections without the system, so that time can pass at once.
type pipes struct {
	conns chan net.Conn
	done  context.Context
	close context.CancelFunc
}

func newPipes() *pipes {
	p := &pipes{conns: make(chan net.Conn)}
	p.done, p.close = context.WithCancel(context.Background())
	return p
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done.Done():
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.close(); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	near, far := net.Pipe()
	p.conns <- far
	return near
}

// TestNobodyIsWaitedForWithoutEnd lets strangers, and one who has logged in, be
// as slow as they like.
func TestNobodyIsWaitedForWithoutEnd(t *testing.T) {
	form := "POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	tests := map[string]struct {
		sends string        // at once
		drip  string        // then, again and again
		pause time.Duration // between
		reads bool
		most  time.Duration
	}{
		"says nothing":             {"", "", 0, true, requestTime},
		"begins a header":          {"GET /login HTTP/1.1\r\nHost: localhost\r\n", "X-A: b\r\n", time.Second, true, requestTime},
		"sends a form by letters":  {form + "Content-Length: 1000\r\n\r\n", "a", time.Second, true, requestTime},
		"sends a form without end": {form + "Transfer-Encoding: chunked\r\n\r\n", "3e8\r\n" + strings.Repeat("a", 1000) + "\r\n", 0, true, requestTime},
		"sends a body with a GET":  {"GET /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n", "a", time.Second, true, requestTime},
		"takes no page":            {strings.Repeat("GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n", 3), "", 0, false, writeTime},
		"takes no style":           {"GET /login/base.css HTTP/1.1\r\nHost: localhost\r\n\r\n", "", 0, false, writeTime},
		"takes no answer":          {"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n" + bearer + "\r\n\r\n", "", 0, false, writeTime},
		"takes no page of its own": {"GET / HTTP/1.1\r\nHost: localhost\r\n" + bearer + "\r\n\r\n", "", 0, false, writeTime},
		"asks, and says no more":   {"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n", "", 0, true, idleTime},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				line, quiet, inside := newPipes(), slog.New(slog.DiscardHandler), &house{acts: make(chan string, 8)}
				s := New(Options{House: inside, API: api.Handler(inside, quiet), Door: newDoor(), Log: quiet})
				s.guard = newGuard(s.options, 1, false)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- s.serve(ctx, newListener(line), nil) }()
				conn := line.dial()
				if test.reads {
					go io.Copy(io.Discard, conn)
				}
				go func() {
					_, err := io.WriteString(conn, test.sends)
					for err == nil && test.drip != "" {
						<-time.After(test.pause)
						_, err = io.WriteString(conn, test.drip)
					}
				}()
				<-time.After(test.most + time.Second)
				conn.SetWriteDeadline(time.Now().Add(time.Second))
				if _, err := io.WriteString(conn, "x"); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("the connection is still there: %v", err)
				}
				conn.Close()
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// stumbling is a listener that has no more files for a moment.
type stumbling struct {
	net.Listener
	errors chan error
}

func (s *stumbling) Accept() (net.Conn, error) {
	select {
	case err := <-s.errors:
		return nil, err
	default:
		return s.Listener.Accept()
	}
}

// passing is an error like that of too many open files.
type passing struct{}

func (passing) Error() string   { return "too many open files" }
func (passing) Timeout() bool   { return false }
func (passing) Temporary() bool { return true }

// TestTLSGoesOnWhenThereAreFilesAgain: an error that passes is not the end.
func TestTLSGoesOnWhenThereAreFilesAgain(t *testing.T) {
	under, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	failing := &stumbling{under, make(chan error, 1)}
	failing.errors <- passing{}
	own, err := openCertificate(Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(newListener(failing).encrypted(own.config())) }()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	answer, err := client.Get("https://" + under.Addr().String() + "/")
	if err != nil || answer.StatusCode != http.StatusNotFound {
		t.Errorf("%v, %v", answer, err)
	}
	server.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// TestTheServerEndsWithWhatItHasBegun: nobody who has said nothing yet is waited
// for, nothing goes on, and the same server can run again.
func TestTheServerEndsWithWhatItHasBegun(t *testing.T) {
	before := runtime.NumGoroutine()
	dir := t.TempDir()
	ready := make(chan string, 1)
	quiet, inside := slog.New(slog.DiscardHandler), &house{acts: make(chan string, 8)}
	s := New(Options{
		Listen: "0.0.0.0:0", Dir: dir, House: inside, API: api.Handler(inside, quiet), Door: newDoor(), Log: quiet,
		Ready: func(address string) { ready <- address },
	})
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		where, err := url.Parse(<-ready)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			conn, err := net.Dial("tcp", "127.0.0.1:"+where.Port())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		answer, err := client.Get("https://127.0.0.1:" + where.Port() + "/login")
		if err != nil || answer.StatusCode != 200 {
			t.Fatalf("%v, %v", answer, err)
		}
		answer.Body.Close()
		began := time.Now()
		cancel()
		if err := <-ended; err != nil || time.Since(began) > graceTime+2*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if s.Web().Address != nil {
			t.Error("it says that it is there")
		}
	}
	for deadline := time.Now().Add(requestTime / 2); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, and before there were %d:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
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

// FuzzLogin sends anything as the form: a session begins with the secret only.
func FuzzLogin(f *testing.F) {
	f.Add("application/x-www-form-urlencoded", "code=wrong")
	f.Add("application/x-www-form-urlencoded; charset=x", "code=%zz&code=1")
	f.Add("multipart/form-data; boundary=x", "--x\r\n")
	f.Add("", strings.Repeat("code=x&", 10_000))
	f.Add("application/x-www-form-urlencoded", "code=<script>&code=\u202e\x1b[2J")
	quiet, inside := slog.New(slog.DiscardHandler), &house{acts: make(chan string, 8)}
	f.Fuzz(func(t *testing.T, kind, body string) {
		s := New(Options{House: inside, API: api.Handler(inside, quiet), Door: newDoor(), Log: quiet})
		s.guard = newGuard(s.options, 1, false)
		request := httptest.NewRequest("POST", "/login", strings.NewReader(body))
		request.Host, request.Header = "localhost", http.Header{"Content-Type": {kind}}
		answer := httptest.NewRecorder()
		s.handler().ServeHTTP(answer, request)
		form, err := url.ParseQuery(body)
		knows := err == nil && strings.TrimSpace(form.Get("code")) == goodPassword
		if isIn := len(answer.Result().Cookies()) > 0; isIn && !knows || answer.Code >= 500 {
			t.Errorf("%q %q: %d, %v", kind, body, answer.Code, answer.Header())
		}
		isHarmless(t, answer.Body.String())
	})
}

// FuzzLoginPage shows anything as the code of a link.
func FuzzLoginPage(f *testing.F) {
	f.Add(`"><script>alert(1)</script>`)
	f.Add("link_ABC' onfocus=alert(1) autofocus")
	f.Add("\x1b[2J\u202e\x00</form>")
	quiet, inside := slog.New(slog.DiscardHandler), &house{}
	s := New(Options{House: inside, API: api.Handler(inside, quiet), Door: newDoor(), Log: quiet})
	s.guard = newGuard(s.options, 1, false)
	f.Fuzz(func(t *testing.T, code string) {
		request := httptest.NewRequest("GET", "/login?"+url.Values{"code": {code}}.Encode(), nil)
		request.Host = "localhost"
		answer := httptest.NewRecorder()
		s.handler().ServeHTTP(answer, request)
		if answer.Code != 200 {
			t.Errorf("%d", answer.Code)
		}
		isHarmless(t, answer.Body.String())
	})
}

// isHarmless fails the test where a page has more scripts, forms or attributes
// that are scripts than ours, or characters that turn text around.
func isHarmless(t *testing.T, page string) {
	t.Helper()
	for _, evil := range []string{"<script>", "<img", "<iframe", "\x1b", "\u202e", "\x00"} {
		if strings.Contains(page, evil) {
			t.Errorf("the page has %q: %s", evil, page)
		}
	}
	if strings.Count(page, "<form") > 1 || strings.Count(page, "<script") > 2 {
		t.Errorf("the page has more than is ours: %s", page)
	}
}

// FuzzHost: what is taken for a name of this machine leads to nobody else's, in
// the way to TLS neither.
func FuzzHost(f *testing.F) {
	for _, host := range []string{"localhost", "127.0.0.1:80", "[::1]:8484", "::1%x@evil.example", "127.0.0.1:@evil.example", "garden.", "[::1]"} {
		f.Add(host)
	}
	g := newGuard(Options{Hosts: []string{"garden"}}, 1, true)
	f.Fuzz(func(t *testing.T, host string) {
		if !g.knows(host) {
			return
		}
		to, err := url.Parse("https://" + host + "/")
		if err != nil { // an address of IPv6 without its brackets
			if _, err := netip.ParseAddr(host); err != nil {
				t.Errorf("%q is no host", host)
			}
			return
		}
		name := strings.ToLower(strings.TrimSuffix(to.Hostname(), "."))
		_, isAddress := netip.ParseAddr(name)
		isName := name == "garden" || name == "localhost" || strings.TrimSuffix(name, ".local") == nameOfHost()
		if to.User != nil || to.Path != "/" || isAddress != nil && !isName {
			t.Errorf("%q leads to %q", host, to)
		}
	})
}
