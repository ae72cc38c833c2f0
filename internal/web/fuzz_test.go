package web

import (
	"bufio"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"ota/internal/api"
)

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

// FuzzRequest sends anything before the login: whatever it is, nothing inside
// answers.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/", "Origin: x")
	f.Add("POST", "/login", "Content-Type: application/x-www-form-urlencoded")
	f.Add("GET", "/api/v1/status", "Authorization: Bearer x")
	f.Add("GET", "/login/..%2f", "Cookie: ota-1=x")
	inside := &house{acts: make(chan string, 8)}
	s := New(Options{House: inside, API: api.Handler(inside, slog.New(slog.DiscardHandler)), Door: newDoor(), Log: slog.New(slog.DiscardHandler)})
	s.guard = newGuard(s.options, 1, false)
	handler := s.handler()
	f.Fuzz(func(t *testing.T, method, path, header string) {
		text := method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n" + header + "\r\n\r\n"
		request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil || strings.Contains(header, goodToken) || strings.Contains(header, goodSession) {
			t.Skip()
		}
		answer := &recorder{header: http.Header{}}
		handler.ServeHTTP(answer, request)
		isLogin := request.URL.Path == "/login" || strings.HasPrefix(request.URL.Path, "/login/")
		if answer.status < 300 && !isLogin {
			t.Errorf("%q: %d", text, answer.status)
		}
	})
}

type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}
func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(200)
	return len(p), nil
}
