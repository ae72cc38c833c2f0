package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// filesOf is a server with the routes of Files only.
func filesOf(house House) http.Handler {
	mux := http.NewServeMux()
	for _, route := range New(house, "", slog.New(slog.DiscardHandler)).fileRoutes() {
		mux.HandleFunc(route.method+" "+route.pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := route.answer(w, r); err != nil {
				writeProblem(w, problemOf(r.Context(), err))
			}
		})
	}
	return mux
}

func get(t *testing.T, house House, target string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	filesOf(house).ServeHTTP(answer, request)
	return answer
}

// holding is a file with this content.
func holding(name, text string) *Content {
	body := struct {
		io.ReadSeeker
		io.Closer
	}{strings.NewReader(text), io.NopCloser(nil)}
	return &Content{ReadSeekCloser: body, Name: name, Size: int64(len(text)), Modified: time.Unix(1, 5)}
}

func TestListing(t *testing.T) {
	house := &fakeHouse{
		listing: Listing{Path: "a b", Entries: List[FileEntry]{{Name: "x\xff", Kind: "link", Target: new(Path("y"))}}, More: 1},
		written: []LogFile{{Name: "l", Size: 3}},
	}
	var listing Listing
	answer := get(t, house, "/api/v1/files/main?path=a+b/%ff")
	if err := json.Unmarshal(answer.Body.Bytes(), &listing); err != nil || listing.More != 1 || string(listing.Entries[0].Name) != `x\xff` {
		t.Errorf("%+v, %v", listing, err)
	}
	var files []LogFile
	answer = get(t, house, "/api/v1/logs/files")
	if err := json.Unmarshal(answer.Body.Bytes(), &files); err != nil || files[0] != house.written[0] {
		t.Errorf("%+v, %v", files, err)
	}
	get(t, house, "/api/v1/files/deposit")
	if diff := cmp.Diff([]string{`list main "a b/\xff"`, "log files", `list deposit ""`}, house.asked); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// wrongPaths lead elsewhere than down, or can't be paths.
var wrongPaths = []string{
	"..", "../x", "a/../b", "a/..", "/etc/passwd", "/", "a//b", "a/", "./a", "a/.", "a\x00b", strings.Repeat("a/", 2048) + "a",
}

func TestWrongRequestsAskNobody(t *testing.T) {
	house := &fakeHouse{}
	targets := map[string]int{
		"/api/v1/files/logs?path=a":                    http.StatusNotFound,
		"/api/v1/files/.ota/content?path=a":            http.StatusNotFound,
		"/api/v1/files/main/content":                   http.StatusBadRequest,
		"/api/v1/files/main/content?path=a&view=maybe": http.StatusBadRequest,
		"/api/v1/releases/0/archive":                   http.StatusBadRequest,
		"/api/v1/releases/-1/archive":                  http.StatusBadRequest,
		"/api/v1/releases/x/archive":                   http.StatusBadRequest,
		"/api/v1/releases/1/archive?format=rar":        http.StatusBadRequest,
	}
	for _, path := range wrongPaths {
		targets["/api/v1/files/main?path="+url.QueryEscape(path)] = http.StatusBadRequest
		targets["/api/v1/files/deposit/content?path="+url.QueryEscape(path)] = http.StatusBadRequest
	}
	for target, want := range targets {
		answer := get(t, house, target)
		if answer.Code != want || answer.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", target, answer.Code, answer.Body)
		}
	}
	if len(house.asked) != 0 {
		t.Errorf("asked %q", house.asked)
	}
}

func TestDownload(t *testing.T) {
	house := &fakeHouse{content: holding("seite.html", "<script>0123456789")}
	for target, ask := range map[string]string{
		"/api/v1/files/main/content?path=seite.html": `open main "seite.html"`,
		"/api/v1/logs/files/seite.html":              `open log "seite.html"`,
	} {
		house.asked = nil
		answer := get(t, house, target, "Range", "bytes=8-10")
		if answer.Code != http.StatusPartialContent || answer.Body.String() != "012" || house.asked[0] != ask {
			t.Errorf("%s: %d %q, asked %q", target, answer.Code, answer.Body, house.asked)
		}
		want := http.Header{
			"Content-Type":            {"application/octet-stream"},
			"Content-Disposition":     {`attachment; filename="seite.html"`},
			"X-Content-Type-Options":  {"nosniff"},
			"Content-Security-Policy": {"sandbox; default-src 'none'"},
			"Cache-Control":           {"no-store"},
			"Accept-Ranges":           {"bytes"},
			"Content-Range":           {"bytes 8-10/18"},
			"Content-Length":          {"3"},
			"Last-Modified":           {"Thu, 01 Jan 1970 00:00:01 GMT"},
			"Etag":                    {`"3b9aca05-12"`},
		}
		if diff := cmp.Diff(want, answer.Header()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", target, diff)
		}
	}
	house.err = &NoFile{"a\nb"}
	if answer := get(t, house, "/api/v1/files/main/content?path=x"); answer.Code != http.StatusNotFound || !strings.Contains(answer.Body.String(), `there is no a\\nb`) {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

func TestView(t *testing.T) {
	long := strings.Repeat("ä", viewBytes/2-1) + "x€ more"
	for name, test := range map[string]struct{ content, want string }{
		"text":  {"<b>\xe2\x82\xac\x1b[31m\n", "<b>€\x1b[31m\n"},
		"empty": {"", ""},
		"long":  {long, strings.Repeat("ä", viewBytes/2-1) + "x"}, // the next character does not fit
	} {
		answer := get(t, &fakeHouse{content: holding("a.html", test.content)}, "/api/v1/files/main/content?path=a.html&view=true")
		header := answer.Header()
		if answer.Code != http.StatusOK || answer.Body.String() != test.want || (header.Get(incompleteHeader) != "") != (name == "long") {
			t.Errorf("%s: %d, %d bytes, %v", name, answer.Code, answer.Body.Len(), header)
		}
		if header.Get("Content-Type") != "text/plain; charset=utf-8" || header.Get("Content-Disposition") != `inline; filename="a.html"` ||
			header.Get("Content-Security-Policy") == "" || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", name, header)
		}
	}
	for _, content := range []string{"\x00", "\xff", strings.Repeat("a", 100) + "\x00"} {
		answer := get(t, &fakeHouse{content: holding("a", content)}, "/api/v1/files/main/content?path=a&view=true")
		if answer.Code != http.StatusConflict || !strings.Contains(answer.Body.String(), "it is not a text") {
			t.Errorf("%q: %d %s", content, answer.Code, answer.Body)
		}
	}
}

func TestArchive(t *testing.T) {
	house := &fakeHouse{archive: &Archive{Name: "böse\n\"x\".tar.gz", Write: func(_ context.Context, to io.Writer) error {
		_, err := io.WriteString(to, "packed")
		return err
	}}}
	answer := get(t, house, "/api/v1/releases/3/archive?format=tar.gz")
	if answer.Body.String() != "packed" || house.asked[0] != "archive 3 tar.gz" || answer.Header().Get("Content-Type") != "application/gzip" {
		t.Errorf("%q, %q, %v", answer.Body, house.asked, answer.Header())
	}
	if got, want := answer.Header().Get("Content-Disposition"), `attachment; filename="b_se__x_.tar.gz"; filename*=UTF-8''b%C3%B6se_%22x%22.tar.gz`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	house.archive.Write = func(context.Context, io.Writer) error { return errors.New("it rots") }
	answer = get(t, house, "/api/v1/releases/3/archive")
	if answer.Code != http.StatusConflict || !strings.Contains(answer.Body.String(), "it rots") || answer.Header().Get("Content-Disposition") != "" {
		t.Errorf("nothing was sent yet: %d %s", answer.Code, answer.Body)
	}
}

// TestHalfAnArchiveIsNoArchive: the connection breaks, so that who loads it
// down can tell.
func TestHalfAnArchiveIsNoArchive(t *testing.T) {
	for _, before := range []int{1, 100_000} {
		house := &fakeHouse{archive: &Archive{Name: "a.zip", Write: func(_ context.Context, to io.Writer) error {
			if _, err := to.Write(make([]byte, before)); err != nil {
				return err
			}
			return errors.New("it rots")
		}}}
		server := httptest.NewServer(filesOf(house))
		answer, err := http.Get(server.URL + "/api/v1/releases/3/archive")
		if err == nil {
			_, err = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
		if err == nil {
			t.Errorf("%d bytes of an archive were taken for a whole one", before)
		}
		server.Close()
	}
}

// TestReaderThatGoesEndsTheArchive: nothing is packed for nobody.
func TestReaderThatGoesEndsTheArchive(t *testing.T) {
	ended := make(chan error, 1)
	house := &fakeHouse{archive: &Archive{Name: "a.zip", Write: func(_ context.Context, to io.Writer) error {
		for {
			if _, err := to.Write(make([]byte, 1<<16)); err != nil {
				ended <- err
				return err
			}
		}
	}}}
	server := httptest.NewServer(filesOf(house))
	defer server.Close()
	answer, err := http.Get(server.URL + "/api/v1/releases/3/archive")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if receive(t, ended) == nil {
		t.Error("it goes on")
	}
}

// stalling takes what it is given only before its deadline.
type stalling struct {
	http.ResponseWriter
	deadlines []time.Time
	writes    []int
}

func (s *stalling) SetWriteDeadline(at time.Time) error {
	s.deadlines = append(s.deadlines, at)
	return nil
}

func (s *stalling) Write(text []byte) (int, error) {
	s.writes = append(s.writes, len(text))
	return len(text), nil
}

func TestTimeForEachStep(t *testing.T) {
	slow := &stalling{ResponseWriter: httptest.NewRecorder()}
	if n, err := newPatient(t.Context(), slow).Write(make([]byte, 80<<10)); n != 80<<10 || err != nil {
		t.Fatal(n, err)
	}
	if diff := cmp.Diff([]int{32 << 10, 32 << 10, 16 << 10}, slow.writes); diff != "" || len(slow.deadlines) != 3 {
		t.Errorf("%s, %v", diff, slow.deadlines)
	}
	if slow.deadlines[2].Before(slow.deadlines[0]) || time.Until(slow.deadlines[2]) > stallTime {
		t.Error(slow.deadlines)
	}
}

// TestDiffHides: only who may use the control socket looks into secrets.
func TestDiffHides(t *testing.T) {
	for caller, want := range map[*Caller]bool{
		{Rights: []Right{Read, Upload, Control}}: true,
		{Rights: []Right{Read, Owner}}:           false,
		{}:                                       true,
	} {
		house := &askedDiff{}
		request := httptest.NewRequest(http.MethodGet, "/api/v1/diff?patch=true&hide=false", nil)
		request = request.WithContext(WithCaller(request.Context(), *caller))
		if err := New(house, "", slog.New(slog.DiscardHandler)).diff(httptest.NewRecorder(), request); err != nil {
			t.Fatal(err)
		}
		if house.request.Hide != want {
			t.Errorf("%v: %+v", caller.Rights, house.request)
		}
	}
}

type askedDiff struct {
	fakeHouse
	request DiffRequest
}

func (a *askedDiff) Diff(request DiffRequest) (Diff, error) {
	a.request = request
	return Diff{}, nil
}

// FuzzFiles: whatever is asked for, the house is asked for paths below an area
// only, and each answer says what it is.
func FuzzFiles(f *testing.F) {
	for _, path := range append(wrongPaths, "a", "a/b c", `a\b`, "\xff", "ä/.env", "..a", "a..") {
		f.Add("main", path, "true")
	}
	f.Fuzz(func(t *testing.T, area, name, view string) {
		for _, rest := range []string{"", "/content"} {
			house := &fakeHouse{content: holding(name, name)}
			target := "/api/v1/files/" + url.PathEscape(area) + rest + "?" + url.Values{"path": {name}, "view": {view}}.Encode()
			answer := get(t, house, target)
			for _, asked := range house.asked {
				clean := name == "" && rest == "" || path.Clean("/"+name) == "/"+name && name != "" && len(name) <= pathBytes && !strings.Contains(name, "\x00")
				if !clean || area != "main" && area != "deposit" {
					t.Errorf("%s: %s", target, asked)
				}
			}
			if disposition := answer.Header().Get("Content-Disposition"); disposition != "" {
				safeDisposition(t, disposition)
			}
		}
	})
}

func FuzzDisposition(f *testing.F) {
	for _, name := range []string{"a.zip", "a\r\nSet-Cookie: x", `"; filename=b`, "a\\", "\u202egpj.exe", "\xff", "%41", "", "a/../b", "日本"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) { safeDisposition(t, dispositionOf("attachment", name)) })
}

func safeDisposition(t *testing.T, value string) {
	t.Helper()
	for _, b := range []byte(value) {
		if b < ' ' || b > '~' {
			t.Errorf("%q holds the byte %x", value, b)
		}
	}
	kind, parameters, err := mime.ParseMediaType(value)
	name := parameters["filename"]
	if err != nil || kind != "attachment" && kind != "inline" || len(parameters) != 1 {
		t.Errorf("%q: %s %v, %v", value, kind, parameters, err)
	}
	if strings.ContainsAny(name, "/\\\r\n\u202e") || !utf8.ValidString(name) {
		t.Errorf("%q names %q", value, name)
	}
}

// FuzzArchiveRequest: a number above 0 and a known format, or nobody is asked.
func FuzzArchiveRequest(f *testing.F) {
	f.Add("3", "zip")
	f.Add("-3", "tar.gz")
	f.Add("99999999999999999999", "")
	f.Fuzz(func(t *testing.T, number, format string) {
		house := &fakeHouse{archive: &Archive{Name: format, Write: func(_ context.Context, to io.Writer) error {
			_, err := io.Copy(to, bytes.NewReader([]byte(number)))
			return err
		}}}
		get(t, house, "/api/v1/releases/"+url.PathEscape(number)+"/archive?"+url.Values{"format": {format}}.Encode())
		if len(house.asked) == 0 {
			return
		}
		var n int
		var kind string
		if _, err := fmt.Sscanf(house.asked[0], "archive %d%s", &n, &kind); err != nil || n < 1 || kind != "zip" && kind != "tar.gz" {
			t.Errorf("%q %q: %q", number, format, house.asked)
		}
	})
}

// FuzzLogFile: the name arrives as it was sent; what it may be the house knows.
func FuzzLogFile(f *testing.F) {
	f.Add("logfile_01-01-26_00.00.00.log")
	f.Add("../ota.toml")
	f.Add("a%2fb")
	f.Fuzz(func(t *testing.T, name string) {
		house := &fakeHouse{content: holding(name, "x")}
		get(t, house, "/api/v1/logs/files/"+url.PathEscape(name))
		if len(house.asked) == 1 && house.asked[0] != "log files" && house.asked[0] != fmt.Sprintf("open log %q", name) {
			t.Errorf("%q: %q", name, house.asked)
		}
	})
}
