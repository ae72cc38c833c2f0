package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
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

// TestIgnoresRanges: a server that knows no parts sends all of it again, and that
// is what counts.
func TestIgnoresRanges(t *testing.T) {
	s := newServer(t)
	s.cut = 400_000
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Range") == "" {
			return false
		}
		s.content = strings.Repeat("abcdefghij", 50_000) // and another one, as it happens
		w.Header().Set("ETag", s.tag)
		io.WriteString(w, s.content)
		return true
	}
	s.fetches(s.url(t.TempDir()), Seen{})
	if len(s.asked) != 2 || s.asked[1].Get("Range") == "" {
		t.Errorf("asked: %v", s.asked)
	}
}

// TestWrongLength: a server that announces more than it has is not believed, and
// of what is behind an announced end nothing is read.
func TestWrongLength(t *testing.T) {
	s := newServer(t)
	lie := 1
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Range") != "" { // of what it does not have
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return true
		}
		conn, out, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return true
		}
		defer conn.Close()
		fmt.Fprintf(out, "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: %d\r\n\r\n%s", len(s.content)+lie, s.content)
		out.Flush()
		return true
	}
	dir := t.TempDir()
	s.fails(s.url(dir), "the server has less of the file than has come already")
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	lie = -len(s.content) / 2
	fetched, err := s.url(dir).Fetch(t.Context(), Seen{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(fetched.Path); err != nil || string(got) != s.content[:len(s.content)/2] {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestEndless: a server that breaks off again and again is left alone after a
// while, and what has come is kept for the next look.
func TestEndless(t *testing.T) {
	s := newServer(t)
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		have := 0
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &have)
		w.Header().Set("ETag", s.tag)
		w.Header().Set("Content-Length", fmt.Sprint(len(s.content)-have))
		if have > 0 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", have, len(s.content)-1, len(s.content)))
			w.WriteHeader(http.StatusPartialContent)
		}
		io.WriteString(w, s.content[have:have+1000])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	dir := t.TempDir()
	s.fails(s.url(dir), "the connection broke")
	if asked := len(s.asked); asked != mostPieces {
		t.Errorf("it was asked %d times", asked)
	}
	s.answer = nil
	s.fetches(s.url(dir), Seen{})
	if last := s.asked[len(s.asked)-1]; last.Get("Range") != fmt.Sprintf("bytes=%d-", 1000*mostPieces) {
		t.Errorf("asked: %v", last)
	}
}

// TestSilence: a server that stops in the middle of the file is left after a
// minute, and asked for the rest.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{T: t, content: strings.Repeat("0123456789", 100_000), tag: `"a"`}
		u := NewURL(URLOptions{Address: "http://device/garden.ota", Dir: t.TempDir(),
			Room: func(int64) error { return nil }, Signed: func() bool { return true }})
		u.client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			go func() {
				defer there.Close()
				request, err := http.ReadRequest(bufio.NewReader(there))
				if err != nil {
					t.Error(err)
					return
				}
				if s.asked = append(s.asked, request.Header); len(s.asked) == 1 {
					fmt.Fprintf(there, "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: %d\r\n\r\n%s", len(s.content), s.content[:400_000])
					io.Copy(io.Discard, there) // until the device hangs up
					return
				}
				fmt.Fprintf(there, "HTTP/1.1 206 Partial Content\r\nETag: \"a\"\r\nContent-Range: bytes 400000-%d/%d\r\nContent-Length: %d\r\n\r\n%s",
					len(s.content)-1, len(s.content), len(s.content)-400_000, s.content[400_000:])
			}()
			return here, nil
		}
		began := time.Now()
		s.fetches(u, Seen{})
		if waited := time.Since(began); waited != silence || len(s.asked) != 2 {
			t.Errorf("after %s; asked: %v", waited, s.asked)
		}
	})
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

// roomFor gives out room for this many bytes in all.
func roomFor(u *URL, all int64) func(int64) error {
	return func(bytes int64) error {
		if u.size()+bytes > all {
			return errors.New("no room")
		}
		return nil
	}
}

// TestFitsExactly: room for the file, and for nothing more, is enough.
func TestFitsExactly(t *testing.T) {
	s := newServer(t)
	u := s.url(t.TempDir())
	u.Room = roomFor(u, int64(len(s.content)))
	s.fetches(u, Seen{})
}

// TestTooLargeUntold: a file whose size the server does not tell is given up where
// the room ends, and not fetched up to there again; another one is.
func TestTooLargeUntold(t *testing.T) {
	s := newServer(t)
	piece := strings.Repeat("0123456789", roomStep/10/2)
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("ETag", `"large"`)
		for range 4 {
			if _, err := io.WriteString(w, piece); err != nil {
				break // the device has hung up
			}
			w.(http.Flusher).Flush()
		}
		return true
	}
	u := s.url(t.TempDir())
	u.Room = roomFor(u, roomStep)
	s.fails(u, "no room")
	var most int64
	u.Room = func(bytes int64) error {
		most = max(most, u.size())
		return roomFor(u, roomStep)(bytes)
	}
	s.fails(u, "no room")
	if most > 0 {
		t.Errorf("%d bytes came again", most)
	}
	s.answer = nil
	s.fetches(u, Seen{})
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
	for _, test := range []struct {
		code  int
		after string
		want  time.Duration
	}{
		{http.StatusServiceUnavailable, "7200", 2 * time.Hour},
		{http.StatusTooManyRequests, "Thu, 01 Jan 1970 01:30:00 GMT", 90 * time.Minute},
		{http.StatusTooManyRequests, "", 0},
	} {
		s.answer = func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Date", "Thu, 01 Jan 1970 00:00:00 GMT")
			w.Header().Set("Retry-After", test.after)
			w.WriteHeader(test.code)
			return true
		}
		_, err := u.Fetch(t.Context(), Seen{})
		if later, ok := errors.AsType[*laterError](err); !ok || later.after != test.want {
			t.Errorf("%d, %q: %v", test.code, test.after, err)
		}
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
