package source

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// server has one file.
type server struct {
	*testing.T
	*httptest.Server
	content string
	tag     string
	cut     int // bytes after which the connection breaks; 0: it does not
	answer  func(w http.ResponseWriter, r *http.Request) bool
	asked   []http.Header
	room    error
}

func newServer(t *testing.T) *server {
	s := &server{T: t, content: strings.Repeat("0123456789", 100_000), tag: `"a"`}
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked = append(s.asked, r.Header.Clone())
	if s.answer != nil && s.answer(w, r) {
		return
	}
	w.Header().Set("ETag", s.tag)
	if s.cut == 0 {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(s.content))
		return
	}
	cut := s.cut
	s.cut = 0
	w.Header().Set("Content-Length", fmt.Sprint(len(s.content)))
	w.Write([]byte(s.content[:cut]))
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func (s *server) url(dir string) *URL {
	u := NewURL(URLOptions{
		Address: s.URL + "/garden.ota?signature=secret", Dir: dir, Agent: "ota/1",
		Room: func(int64) error { return s.room }, Signed: func() bool { return false }, ClockSet: func() *bool { return nil },
	})
	u.client.Transport.(*http.Transport).TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig
	return u
}

// fetches fetches, and expects the whole content.
func (s *server) fetches(u *URL, before Seen) Seen {
	s.Helper()
	fetched, err := u.Fetch(s.Context(), before)
	if err != nil || fetched == nil {
		s.Fatalf("%v, %v", fetched, err)
	}
	if got, err := os.ReadFile(fetched.Path); err != nil || string(got) != s.content {
		s.Errorf("%d bytes, %v", len(got), err)
	}
	if fetched.Name != "garden.ota" {
		s.Errorf("it is called %q", fetched.Name)
	}
	return fetched.Seen
}

func (s *server) fails(u *URL, want string) {
	s.Helper()
	fetched, err := u.Fetch(s.Context(), Seen{})
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
		s.Errorf("%v, %v; want %q", fetched, err, want)
	}
}

func TestNotModified(t *testing.T) {
	s := newServer(t)
	u := s.url(t.TempDir())
	seen := s.fetches(u, Seen{})
	if fetched, err := u.Fetch(t.Context(), seen); fetched != nil || err != nil {
		t.Errorf("%v, %v", fetched, err)
	}
	s.content, s.tag = "another", `"b"`
	s.fetches(u, seen)
}

// TestResumed: what has come is not fetched again, neither at once nor after a
// start of ota.
func TestResumed(t *testing.T) {
	s := newServer(t)
	s.cut = 400_000
	s.fetches(s.url(t.TempDir()), Seen{})
	if len(s.asked) != 2 || !strings.HasPrefix(s.asked[1].Get("Range"), "bytes=") || s.asked[1].Get("If-Range") != `"a"` {
		t.Errorf("asked: %v", s.asked)
	}

	dir := t.TempDir()
	s.cut, s.answer = 400_000, func(w http.ResponseWriter, r *http.Request) bool {
		if s.cut == 0 { // and then the network is away
			panic(http.ErrAbortHandler)
		}
		return false
	}
	if _, err := s.url(dir).Fetch(t.Context(), Seen{}); err == nil {
		t.Fatal("it came in one piece")
	}
	s.answer, s.asked = nil, nil
	s.fetches(s.url(dir), Seen{})
	if len(s.asked) != 1 || s.asked[0].Get("Range") == "" {
		t.Errorf("asked: %v", s.asked)
	}
}

// TestChangedWhileResuming: half of one release and half of another is none.
func TestChangedWhileResuming(t *testing.T) {
	s := newServer(t)
	s.cut = 400_000
	s.answer = func(http.ResponseWriter, *http.Request) bool {
		if s.cut == 0 && s.tag == `"a"` {
			s.content, s.tag = strings.Repeat("abcdefghij", 90_000), `"b"`
		}
		return false
	}
	s.fetches(s.url(t.TempDir()), Seen{})
}

// TestWrongPlace: a server that goes on somewhere else is not believed.
func TestWrongPlace(t *testing.T) {
	s := newServer(t)
	s.cut = 400_000
	u := s.url(t.TempDir())
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Range") == "" {
			return false
		}
		w.Header().Set("Content-Range", "bytes 0-9/1000000")
		w.WriteHeader(http.StatusPartialContent)
		w.Write([]byte("0123456789"))
		return true
	}
	s.fails(u, "at another place")
	s.answer = nil
	s.fetches(u, Seen{})
}

// TestNoTag: without one nothing can be resumed, and all of it is fetched again.
func TestNoTag(t *testing.T) {
	s := newServer(t)
	s.tag, s.cut = "", 400_000
	s.fetches(s.url(t.TempDir()), Seen{})
	if last := s.asked[len(s.asked)-1]; last.Get("Range") != "" {
		t.Errorf("asked: %v", last)
	}
}

func TestTooLarge(t *testing.T) {
	s := newServer(t)
	s.room = errors.New("no room")
	dir := t.TempDir()
	s.fails(s.url(dir), "no room")
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestAnswers(t *testing.T) {
	s := newServer(t)
	u := s.url(t.TempDir())
	code := http.StatusNotFound
	s.answer = func(w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(code); return true }
	s.fails(u, "answered 404 Not Found")
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, "http://127.0.0.1:1/garden.ota", http.StatusFound)
		return true
	}
	s.fails(u, "from https:// to http://")
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Retry-After", "7200")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	_, err := u.Fetch(t.Context(), Seen{})
	if later, ok := errors.AsType[*laterError](err); !ok || later.after != 2*time.Hour {
		t.Errorf("%v", err)
	}
}

// TestToken goes to the server that it is for, and to no other.
func TestToken(t *testing.T) {
	elsewhere := newServer(t)
	s := newServer(t)
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1)+"/x", http.StatusFound)
		return true
	}
	u := s.url(t.TempDir())
	u.Token = func() (string, error) { return "abc", nil }
	u.client.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true // the certificate has no such name
	elsewhere.fetches(u, Seen{})
	if s.asked[0].Get("Authorization") != "Bearer abc" || elsewhere.asked[0].Get("Authorization") != "" {
		t.Errorf("%v, then %v", s.asked[0], elsewhere.asked[0])
	}
}

// TestWithoutTLS: only where signatures protect the release.
func TestWithoutTLS(t *testing.T) {
	s := newServer(t)
	open := httptest.NewServer(s)
	t.Cleanup(open.Close)
	u := s.url(t.TempDir())
	u.Address = open.URL + "/garden.ota"
	s.fails(u, "without TLS")
	u.Signed = func() bool { return true }
	s.fetches(u, Seen{})
}

// TestStrangerOnTheWay: a certificate of nobody is not believed.
func TestStrangerOnTheWay(t *testing.T) {
	s := newServer(t)
	s.Config.ErrorLog = nil
	u := s.url(t.TempDir())
	u.client.Transport.(*http.Transport).TLSClientConfig = nil
	s.fails(u, "can't be reached")
	if len(s.asked) > 0 {
		t.Error("it was asked")
	}
}

func TestNames(t *testing.T) {
	for address, want := range map[string]string{
		"https://a/b/garden-v1.ota": "garden-v1.ota", "https://a/x?y=z.ota": "source.ota", "https://a/.ota": "source.ota",
		"https://a/b%20c.ota": "source.ota", "https://a/latest": "source.ota",
	} {
		if got := NewURL(URLOptions{Address: address}).name(); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}
