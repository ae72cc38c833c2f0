package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/kit/hint"
)

// fakeDrops keeps in memory what comes.
type fakeDrops struct {
	mutex sync.Mutex
	files map[string]*fakeFile
	drops []Drop
	err   error // of everything
}

type fakeFile struct {
	Arrival
	data    []byte
	writing chan struct{} // of 1: full while somebody writes
}

func newFakeDrops() *fakeDrops { return &fakeDrops{files: map[string]*fakeFile{}} }

func (f *fakeDrops) Drops() []Drop { return f.drops }

func (f *fakeDrops) NewDrop(files int, bytes int64) (Drop, error) {
	return Drop{ID: "d1", Expected: files, Bytes: bytes}, f.err
}

func (f *fakeDrops) CompleteDrop(id string) (int, error) { return len(f.files), f.err }
func (f *fakeDrops) CancelDrop(id string) error          { return f.err }
func (f *fakeDrops) CancelArrival(id string) error       { return f.err }

func (f *fakeDrops) NewArrival(drop, path string, size int64) (Arrival, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.err != nil {
		return Arrival{}, f.err
	}
	one := &fakeFile{Arrival: Arrival{ID: fmt.Sprint("f", len(f.files)+1), Path: Path(path), Size: size}, writing: make(chan struct{}, 1)}
	if drop != "" {
		one.Drop = &drop
	}
	f.files[one.ID] = one
	return one.Arrival, nil
}

func (f *fakeDrops) Arrival(id string) (Arrival, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if one := f.files[id]; one != nil {
		return one.Arrival, nil
	}
	return Arrival{}, &NoDrop{id}
}

func (f *fakeDrops) Append(_ context.Context, id string, offset int64, from io.Reader) (int64, error) {
	f.mutex.Lock()
	one := f.files[id]
	f.mutex.Unlock()
	select {
	case one.writing <- struct{}{}:
		defer func() { <-one.writing }()
	default:
		return one.Offset, ErrUploading
	}
	buffer := make([]byte, 1000)
	for {
		n, err := from.Read(buffer)
		f.mutex.Lock()
		one.data = append(one.data, buffer[:n]...)
		one.Offset = int64(len(one.data))
		f.mutex.Unlock()
		if one.Offset > one.Size {
			return offset, ErrTooMuch
		}
		if err == io.EOF {
			return one.Offset, nil
		}
		if err != nil {
			return one.Offset, err
		}
	}
}

// uploadsHandler routes as the handler of everything does.
func uploadsHandler(drops Drops) http.Handler {
	mux := http.NewServeMux()
	for _, one := range append(newUploads(drops).routes(), dropAnswers{drops}.routes()...) {
		mux.HandleFunc(one.method+" "+one.pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, one.body)
			if err := one.answer(w, r); err != nil {
				writeProblem(w, problemOf(r.Context(), err))
			}
		})
	}
	return mux
}

// tus makes a request of the tus protocol; headers are "Name: value".
func tus(handler http.Handler, method, path, body string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, prefix+path, strings.NewReader(body))
	r.Header.Set(resumableHeader, tusVersion)
	if path == "/drops" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Result()
}

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

const piece = "Content-Type: " + pieceType

func TestAFileInPieces(t *testing.T) {
	drops := newFakeDrops()
	handler := uploadsHandler(drops)
	made := tus(handler, "POST", "/uploads", "", "Upload-Length: 11",
		"Upload-Metadata: filename "+b64("main.py")+",relativePath "+b64("app/ä.py")+",drop "+b64("d1")+",empty")
	if made.StatusCode != 201 || made.Header.Get("Location") != prefix+"/uploads/f1" {
		t.Fatalf("%d %v", made.StatusCode, made.Header)
	}
	for i, one := range []string{"hello", " ", "world"} {
		offset := len(drops.files["f1"].data)
		added := tus(handler, "PATCH", "/uploads/f1", one, piece, fmt.Sprint("Upload-Offset: ", offset))
		if added.StatusCode != 204 || added.Header.Get(offsetHeader) != strconv.Itoa(offset+len(one)) {
			t.Errorf("piece %d: %d %v", i, added.StatusCode, added.Header)
		}
	}
	asked := tus(handler, "HEAD", "/uploads/f1", "")
	want := http.Header{
		"Tus-Resumable": {"1.0.0"}, "Upload-Offset": {"11"}, "Upload-Length": {"11"}, "Cache-Control": {"no-store"},
		"Upload-Metadata": {"relativePath " + b64("app/ä.py") + ",drop " + b64("d1")},
	}
	if diff := cmp.Diff(want, asked.Header); diff != "" || asked.StatusCode != 200 {
		t.Errorf("%d -want +got:\n%s", asked.StatusCode, diff)
	}
	if got := string(drops.files["f1"].data); got != "hello world" {
		t.Errorf("%q", got)
	}
	if gone := tus(handler, "DELETE", "/uploads/f1", ""); gone.StatusCode != 204 {
		t.Errorf("%d", gone.StatusCode)
	}
}

func TestAFileInOneRequest(t *testing.T) {
	drops := newFakeDrops()
	handler := uploadsHandler(drops)
	made := tus(handler, "POST", "/uploads", "hello", piece, "Upload-Length: 5", "Upload-Metadata: filename "+b64("a"))
	if made.StatusCode != 201 || made.Header.Get(offsetHeader) != "5" || string(drops.files["f1"].data) != "hello" {
		t.Errorf("%d %v", made.StatusCode, made.Header)
	}
	empty := tus(handler, "POST", "/uploads", "", "Upload-Length: 0", "Upload-Metadata: filename "+b64("b"))
	if empty.StatusCode != 201 || empty.Header.Get(offsetHeader) != "0" {
		t.Errorf("an empty file is not whole: %d %v", empty.StatusCode, empty.Header)
	}
}

func TestWhatTheServerCan(t *testing.T) {
	can := tus(uploadsHandler(newFakeDrops()), "OPTIONS", "/uploads", "")
	if can.StatusCode != 204 || can.Header.Get("Tus-Extension") != tusExtensions || can.Header.Get("Tus-Version") != tusVersion {
		t.Errorf("%d %v", can.StatusCode, can.Header)
	}
	for name := range can.Header {
		if strings.HasPrefix(name, "Access-Control") {
			t.Errorf("%s lets others in", name)
		}
	}
}

func TestWrongRequests(t *testing.T) {
	named := "Upload-Metadata: filename " + b64("a")
	tests := []struct {
		name, method, path, body string
		headers                  []string
		status                   int
	}{
		{"no length", "POST", "/uploads", "", []string{named}, 400},
		{"a negative length", "POST", "/uploads", "", []string{named, "Upload-Length: -1"}, 400},
		{"a length with a sign", "POST", "/uploads", "", []string{named, "Upload-Length: +1"}, 400},
		{"a length in words", "POST", "/uploads", "", []string{named, "Upload-Length: one"}, 400},
		{"two lengths", "POST", "/uploads", "", []string{named, "Upload-Length: 1", "Upload-Length: 2"}, 400},
		{"a huge length", "POST", "/uploads", "", []string{named, "Upload-Length: 9007199254740993"}, 413},
		{"a length that is no number", "POST", "/uploads", "", []string{named, "Upload-Length: 99999999999999999999"}, 400},
		{"a length said later", "POST", "/uploads", "", []string{named, "Upload-Defer-Length: 1"}, 400},
		{"parts", "POST", "/uploads", "", []string{named, "Upload-Length: 1", "Upload-Concat: partial"}, 400},
		{"no metadata", "POST", "/uploads", "", []string{"Upload-Length: 1"}, 400},
		{"metadata that are not base64", "POST", "/uploads", "", []string{"Upload-Length: 1", "Upload-Metadata: filename ä"}, 400},
		{"metadata that are not UTF-8", "POST", "/uploads", "", []string{"Upload-Length: 1", "Upload-Metadata: filename " + b64("\xff")}, 400},
		{"a key twice", "POST", "/uploads", "", []string{"Upload-Length: 1", named + ",filename " + b64("b")}, 400},
		{"a body of another type", "POST", "/uploads", "x", []string{named, "Upload-Length: 1"}, 415},
		{"a body that is too long", "POST", "/uploads", "xy", []string{named, piece, "Upload-Length: 1"}, 413},
		{"no offset", "PATCH", "/uploads/f1", "x", []string{piece}, 400},
		{"another offset", "PATCH", "/uploads/f1", "x", []string{piece, "Upload-Offset: 1"}, 409},
		{"another type", "PATCH", "/uploads/f1", "x", []string{"Upload-Offset: 0", "Content-Type: text/plain"}, 415},
		{"too much", "PATCH", "/uploads/f1", "xyz", []string{piece, "Upload-Offset: 0"}, 413},
		{"no such file", "PATCH", "/uploads/f9", "x", []string{piece, "Upload-Offset: 0"}, 404},
		{"no such file to ask for", "HEAD", "/uploads/f9", "", nil, 404},
		{"another method in a header", "POST", "/uploads/f1", "x", []string{"X-HTTP-Method-Override: PATCH"}, 405},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			drops := newFakeDrops()
			drops.NewArrival("", "old", 2)
			got := tus(uploadsHandler(drops), test.method, test.path, test.body, test.headers...)
			if got.StatusCode != test.status {
				t.Errorf("%d, not %d", got.StatusCode, test.status)
			}
			if len(drops.files) != 1 || len(drops.files["f1"].data) != 0 {
				t.Error("something was taken")
			}
			if test.body != "" && test.status != 405 && got.Header.Get("Connection") != "close" {
				t.Error("the rest of the body is waited for")
			}
		})
	}
	r := httptest.NewRequest("POST", prefix+"/uploads", nil)
	r.Header.Set(resumableHeader, "0.2.2")
	w := httptest.NewRecorder()
	uploadsHandler(newFakeDrops()).ServeHTTP(w, r)
	if w.Code != 412 || w.Header().Get("Tus-Version") != tusVersion {
		t.Errorf("another version: %d %v", w.Code, w.Header())
	}
}

// unread fails the test if a body is read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) { u.t.Error("the body was read"); return 0, io.EOF }

func TestErrorsOfTheHouse(t *testing.T) {
	for _, test := range []struct {
		err    error
		status int
	}{
		{hint.With(&NoSpace{2, 1}, "make room"), 507}, {&NoDrop{"x"}, 404}, {&BadUpload{"no"}, 400},
		{ErrUploading, 423}, {errors.New("something is in the way"), 409},
	} {
		drops := newFakeDrops()
		drops.err = test.err
		handler := uploadsHandler(drops)
		r := httptest.NewRequest("POST", prefix+"/uploads", unread{t})
		r.ContentLength = 2
		for name, value := range map[string]string{resumableHeader: tusVersion, lengthHeader: "2", metadataHeader: "filename " + b64("a"), "Content-Type": pieceType} {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		var problem Problem
		if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil || w.Code != test.status || problem.Status != test.status || problem.Detail != test.err.Error() {
			t.Errorf("%v: %d %s %v", test.err, w.Code, w.Body, err)
		}
		if problem.Advice != hint.Of(test.err) {
			t.Errorf("%v: hint %q", test.err, problem.Advice)
		}
		for _, path := range []string{"/drops", "/drops/d1/complete"} {
			if got := tus(handler, "POST", path, "{}"); got.StatusCode != test.status {
				t.Errorf("%s: %d", path, got.StatusCode)
			}
		}
	}
}

func TestDropsAreListedBegunAndCompleted(t *testing.T) {
	drops := newFakeDrops()
	drops.drops = []Drop{{ID: "d1", Created: noon}}
	handler := uploadsHandler(drops)
	for _, test := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"GET", "/drops", "", 200, `[{"id":"d1","created":"` + noon.Format(time.RFC3339Nano) + `","expected":0,"bytes":0,"received":0,"files":[]}]`},
		{"POST", "/drops", `{"files":3,"bytes":1234}`, 201, `{"id":"d1","created":"0001-01-01T00:00:00Z","expected":3,"bytes":1234,"received":0,"files":[]}`},
		{"POST", "/drops/d1/complete", "", 200, `{"files":0}`},
		{"DELETE", "/drops/d1", "", 204, ""},
		{"POST", "/drops", `{"files":3,"more":1}`, 400, ""},
		{"POST", "/drops", `{"files":"3"}`, 400, ""},
		{"POST", "/drops", `{"files":3} {}`, 400, ""},
		{"POST", "/drops", "", 400, ""},
		{"POST", "/drops", strings.Repeat(" ", jsonBytes+1), 413, ""},
	} {
		got := tus(handler, test.method, test.path, test.body)
		text, _ := io.ReadAll(got.Body)
		if got.StatusCode != test.status || test.answer != "" && strings.TrimSpace(string(text)) != test.answer {
			t.Errorf("%s %s %.40s: %d %s", test.method, test.path, test.body, got.StatusCode, text)
		}
	}
}

// TestALostConnectionIsNotWaitedFor: a client that comes back, when its old
// connection says nothing, goes on at once.
func TestALostConnectionIsNotWaitedFor(t *testing.T) {
	drops := newFakeDrops()
	server := httptest.NewServer(uploadsHandler(drops))
	defer server.Close()
	one, _ := drops.NewArrival("", "a", 10)
	lost, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer lost.Close()
	fmt.Fprintf(lost, "PATCH %s/uploads/%s HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nContent-Type: %s\r\nUpload-Offset: 0\r\nContent-Length: 10\r\n\r\nhello", prefix, one.ID, pieceType)
	began := time.Now()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for ; ; <-again.C {
		r, _ := http.NewRequest("PATCH", server.URL+prefix+"/uploads/"+one.ID, strings.NewReader("world"))
		for name, value := range map[string]string{resumableHeader: tusVersion, offsetHeader: "5", "Content-Type": pieceType} {
			r.Header.Set(name, value)
		}
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		if got.StatusCode == 204 {
			break
		}
		if got.StatusCode != 423 && got.StatusCode != 409 {
			t.Fatal(got.StatusCode)
		}
		if time.Since(began) > patience {
			t.Fatal("waited in vain")
		}
	}
	if time.Since(began) < stalled {
		t.Error("a connection was cut that had not stalled")
	}
	if got := string(drops.files[one.ID].data); got != "helloworld" {
		t.Errorf("%q", got)
	}
}

func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{"filename " + b64("a"), "a,b", " ", "a b c", "a " + b64("x") + ",a " + b64("y"), strings.Repeat("a,", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		found, err := readMetadata([]string{header})
		if err == nil && len(found) == 0 {
			t.Error("nothing was found, and no error")
		}
	})
}

func FuzzUploads(f *testing.F) {
	f.Add("POST", "/uploads", "5", "0", "filename "+b64("a"), pieceType, []byte("hello"))
	f.Add("PATCH", "/uploads/f1", "", "0", "", pieceType, []byte("hello"))
	f.Add("POST", "/drops", "", "", "", "", []byte(`{"files":1}`))
	f.Add("HEAD", "/uploads/f1", "", "", "", "", []byte(nil))
	f.Add("DELETE", "/uploads/f1", "", "", "", "", []byte(nil))
	f.Add("OPTIONS", "/uploads", "", "", "", "", []byte(nil))
	f.Add("PATCH", "/uploads/f1", "", "-1", "", pieceType, []byte("hello, more than there may be"))
	f.Add("POST", "/uploads", "99999999999999999999", "+0", "relativePath "+b64("../x")+",relativePath "+b64("y"), "", []byte(nil))
	f.Fuzz(func(t *testing.T, method, path, length, offset, metadata, kind string, body []byte) {
		r, err := http.NewRequest(method, "http://x"+prefix+path, bytes.NewReader(body))
		if err != nil {
			return
		}
		r.Header = http.Header{
			resumableHeader: {tusVersion}, lengthHeader: {length}, offsetHeader: {offset}, metadataHeader: {metadata}, "Content-Type": {kind},
		}
		drops := newFakeDrops()
		drops.NewArrival("", "old", 5)
		w := httptest.NewRecorder()
		uploadsHandler(drops).ServeHTTP(w, r)
		for _, one := range drops.files {
			if w.Code < 300 && one.Offset > one.Size {
				t.Errorf("%d of %d bytes", one.Offset, one.Size)
			}
		}
		if w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
