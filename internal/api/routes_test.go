package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/logs"
)

// everybody is a caller of the network who may do what a token can.
var everybody = Caller{Name: "token all", Rights: Rights}

// silent is a house that has something of everything.
func silent() *fakeHouse {
	return &fakeHouse{log: logs.New(logs.Options{}), apply: ApplyResult{Outcome: Applied, Release: new(3)}}
}

// ask sends a request as it stands on the wire, and returns the whole answer.
func ask(t testing.TB, handler http.Handler, caller Caller, raw string) *httptest.ResponseRecorder {
	t.Helper()
	request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	ctx, cancel := context.WithCancel(WithCaller(t.Context(), caller))
	if strings.HasSuffix(request.URL.Path, "/events") {
		cancel() // else it never ends
	}
	defer cancel()
	answer := obedient{httptest.NewRecorder()}
	handler.ServeHTTP(answer, request.WithContext(ctx))
	return answer.ResponseRecorder
}

// problemIn is the problem that an answer is; nil: it is none.
func problemIn(t testing.TB, answer *httptest.ResponseRecorder) *Problem {
	t.Helper()
	if answer.Code < 400 {
		return nil
	}
	problem := new(Problem)
	if err := json.Unmarshal(answer.Body.Bytes(), problem); err != nil || problem.Status != answer.Code ||
		answer.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v %q is no problem: %v", answer.Code, answer.Header(), answer.Body, err)
	}
	return problem
}

// TestPaths: there is one way to write a path.
func TestPaths(t *testing.T) {
	// {one} stands for one element and shows what it got.
	echo := func(w http.ResponseWriter, r *http.Request) error {
		return writeJSON(w, r.PathValue("one"))
	}
	routes := []route{
		{http.MethodGet, prefix + "/files/{one}", looking, 0, echo},
		{http.MethodGet, prefix + "/files/{one}/content", looking, 0, echo},
		{http.MethodDelete, prefix + "/files/{one}", looking, 0, echo},
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := answer(routes, &reply{ResponseWriter: w}, r); err != nil {
			writeProblem(w, problemOf(r.Context(), err))
		}
	})
	tests := []struct {
		target string
		status int
		got    string
	}{
		{"/api/v1/files/main", 200, "main"},
		{"/api/v1/files/main/content?path=../..", 200, "main"},
		{"/api/v1/files/a%20b%c3%a4%ff", 200, "a bä\ufffd"},
		{"http://elsewhere/api/v1/files/main", 200, "main"},
		{"/api/v1/files/", 404, ""},
		{"/api/v1/files", 404, ""},
		{"/api/v1/files/main/", 404, ""},
		{"/api/v1/files//content", 404, ""},
		{"/api/v1//files/main", 404, ""},
		{"//api/v1/files/main", 404, ""},
		{"/api/v1/files/main%2fcontent", 404, ""},
		{"/api/v1/files/..%2f..%2fetc", 404, ""},
		{"/api/v1/files/%2e%2e", 404, ""},
		{"/api/v1/files/..", 404, ""},
		{"/api/v1/files/./content", 404, ""},
		{"/api/v1/x/../files/main", 404, ""},
		{"/api/v1/files/a%00b", 404, ""},
		{"/api/v1/files/a%0ab", 404, ""},
		{"/api/v1/f%69les/main", 404, ""},
		{"/API/v1/files/main", 404, ""},
		{"/api/v1/files/main;x", 200, "main;x"},
		{"*", 404, ""},
	}
	for _, test := range tests {
		answer := ask(t, handler, everybody, "GET "+test.target+" HTTP/1.1\r\nHost: ota\r\n\r\n")
		if answer.Code != test.status {
			t.Errorf("%s: %d, want %d", test.target, answer.Code, test.status)
		}
		var got string
		if problemIn(t, answer) == nil && (json.Unmarshal(answer.Body.Bytes(), &got) != nil || got != test.got) {
			t.Errorf("%s: %q, want %q", test.target, got, test.got)
		}
	}
	answer := ask(t, handler, everybody, "POST /api/v1/files/main HTTP/1.1\r\nHost: ota\r\n\r\n")
	if allow := answer.Header().Get("Allow"); answer.Code != 405 || allow != "DELETE, GET, HEAD" {
		t.Errorf("%d, Allow %q", answer.Code, allow)
	}
	for method, want := range map[string]int{"HEAD": 200, "DELETE": 200, "OPTIONS": 405, "TRACE": 405, "get": 405, "PATCH": 405} {
		if answer := ask(t, handler, everybody, method+" /api/v1/files/main HTTP/1.1\r\nHost: ota\r\n\r\n"); answer.Code != want {
			t.Errorf("%s: %d, want %d", method, answer.Code, want)
		}
	}
}

// path is one that a route answers.
func (one route) path() string {
	parts := one.parts()
	for i, part := range parts {
		if part[0] == '{' {
			parts[i] = "1"
		}
	}
	return "/" + strings.Join(parts, "/")
}

// TestRights asks for everything with each right alone.
func TestRights(t *testing.T) {
	server := New(silent(), "", slog.New(slog.DiscardHandler))
	for _, one := range server.routes() {
		for _, right := range append(Rights, Owner, "") {
			raw := one.method + " " + one.path() + " HTTP/1.1\r\nHost: ota\r\n\r\n"
			answer := ask(t, server.Handler(), Caller{Name: "token x", Rights: []Right{right}}, raw)
			problemIn(t, answer)
			isHidden := slices.Contains(one.rights, Owner) && right != Owner
			isForbidden := !isHidden && len(one.rights) > 0 && !slices.Contains(one.rights, right)
			isRefused := answer.Code == http.StatusForbidden
			if isForbidden != isRefused || isHidden && answer.Code != http.StatusNotFound {
				t.Errorf("%s %s with the right to %q: %d", one.method, one.pattern, right, answer.Code)
			}
		}
	}
}

func TestFaults(t *testing.T) {
	var log bytes.Buffer
	server := New(silent(), "", slog.New(slog.NewTextHandler(&log, nil)))
	meet := func(fault func(w http.ResponseWriter)) (answer *httptest.ResponseRecorder, after any) {
		defer func() { after = recover() }()
		answer = httptest.NewRecorder()
		w := &reply{ResponseWriter: answer}
		defer server.caught(w, httptest.NewRequest(http.MethodGet, "/x", nil))
		fault(w)
		return answer, nil
	}
	answer, after := meet(func(w http.ResponseWriter) {
		w.Header().Set("Content-Disposition", "attachment")
		panic("the secret is 42")
	})
	if problem := problemIn(t, answer); after != nil || answer.Code != 500 || strings.Contains(problem.Detail, "42") ||
		answer.Header().Get("Content-Disposition") != "" {
		t.Errorf("%d %v %s, then %v", answer.Code, answer.Header(), answer.Body, after)
	}
	if !strings.Contains(log.String(), "the secret is 42") || !strings.Contains(log.String(), "routes_test.go") {
		t.Errorf("the log says %s", &log)
	}
	if _, after := meet(func(w http.ResponseWriter) { io.WriteString(w, "half"); panic("x") }); after != http.ErrAbortHandler {
		t.Errorf("in the middle of an answer: %v", after)
	}
	log.Reset()
	if _, after := meet(func(http.ResponseWriter) { panic(http.ErrAbortHandler) }); after != http.ErrAbortHandler || log.Len() > 0 {
		t.Errorf("%v, and the log says %s", after, &log)
	}
}

func TestReadJSON(t *testing.T) {
	const most = 100
	type drop struct {
		Files int    `json:"files"`
		Name  string `json:"name"`
	}
	var got drop
	routes := []route{{http.MethodPost, prefix + "/drops", uploading, most, func(w http.ResponseWriter, r *http.Request) error {
		got = drop{}
		if err := readJSON(w, r, &got); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}}}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := answer(routes, &reply{ResponseWriter: w}, r); err != nil {
			writeProblem(w, problemOf(r.Context(), err))
		}
	})
	const kind = "application/json"
	tests := []struct {
		kind, body string
		status     int
	}{
		{kind, `{"files":3,"name":"ä"}`, 204},
		{"Application/JSON; charset=utf-8", ` {"files":3} ` + "\n", 204},
		{kind, ``, 400},
		{kind, `{"files":3`, 400},
		{kind, `{"files":3}{"files":4}`, 400},
		{kind, `{"files":3} x`, 400},
		{kind, `{"files":3,"owner":true}`, 400},
		{kind, `{"files":"3"}`, 400},
		{kind, `{"files":1e99}`, 400},
		{kind, `{"files":3.5}`, 400},
		{kind, `[]`, 400},
		{kind, `"x"`, 400},
		{kind, "{\"name\":\"\xff\"}", 400},
		{kind, strings.Repeat("[", most), 400},
		{kind, `{"files":` + strings.Repeat("[", most-9), 400},
		{kind, `{"name":"` + strings.Repeat("x", most) + `"}`, 413},
		{"text/plain", `{"files":3}`, 415},
		{"application/x-www-form-urlencoded", `{"files":3}`, 415},
		{"multipart/form-data; boundary=x", `{"files":3}`, 415},
		{"", `{"files":3}`, 415},
		{"application/json; =", `{"files":3}`, 415},
	}
	for _, test := range tests {
		for _, length := range []string{
			fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(test.body), test.body),
			fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(test.body), test.body),
		} {
			if test.body == "" && strings.HasPrefix(length, "Transfer") {
				continue
			}
			answer := ask(t, handler, everybody, "POST /api/v1/drops HTTP/1.1\r\nHost: ota\r\nContent-Type: "+test.kind+"\r\n"+length)
			problemIn(t, answer)
			if answer.Code != test.status || answer.Code == 204 && got.Files != 3 {
				t.Errorf("%s %.40q: %d %s, want %d", test.kind, test.body, answer.Code, answer.Body, test.status)
			}
		}
	}
}

// TestInTurn: two people press at once.
func TestInTurn(t *testing.T) {
	house, begun, goOn := silent(), make(chan struct{}), make(chan struct{})
	house.stop = func(context.Context) error {
		close(begun)
		<-goOn
		return nil
	}
	var log bytes.Buffer
	server := New(house, "", slog.New(slog.NewTextHandler(&log, nil)))
	for _, first := range []Caller{everybody, owner} {
		begun, goOn = make(chan struct{}), make(chan struct{})
		stopped := make(chan int, 1)
		post := func(caller Caller, what string) *httptest.ResponseRecorder {
			return ask(t, server.Handler(), caller, "POST /api/v1/"+what+" HTTP/1.1\r\nHost: ota\r\n\r\n")
		}
		go func() { stopped <- post(first, "stop").Code }()
		receive(t, begun)
		for _, other := range []string{"start", "restart", "apply", "retry", "discard", "rollback"} {
			second := post(Caller{Name: "the page", Rights: Rights}, other)
			want := first.Name + ` is just doing "stop"; look what comes of it, then decide anew`
			if problem := problemIn(t, second); second.Code != http.StatusConflict || problem.Detail != want {
				t.Errorf("%s: %d %+v", other, second.Code, problem)
			}
			if second := post(owner, other); second.Code >= 400 {
				t.Errorf("the owner is refused: %d", second.Code)
			}
		}
		if pinned := post(everybody, "pin?release=1"); pinned.Code != http.StatusNoContent {
			t.Errorf("pin: %d", pinned.Code)
		}
		close(goOn)
		if code := receive(t, stopped); code != http.StatusNoContent {
			t.Errorf("the first got %d", code)
		}
		if again := post(everybody, "restart"); again.Code != http.StatusNoContent {
			t.Errorf("when the first is done: %d", again.Code)
		}
	}
	if told := `msg="asked over the network" action=discard by="the page"`; strings.Count(log.String(), told) != 2 || strings.Contains(log.String(), "by=owner") {
		t.Errorf("the log says %s", &log)
	}
}

// On the network an answer of success means that something was done.
func TestBusyOverTheNetwork(t *testing.T) {
	house := silent()
	house.apply = ApplyResult{Outcome: Busy}
	handler := Handler(house, slog.New(slog.DiscardHandler))
	for _, act := range []string{"apply", "retry"} {
		raw := "POST /api/v1/" + act + " HTTP/1.1\r\nHost: ota\r\n\r\n"
		if answer := ask(t, handler, everybody, raw); answer.Code != 409 || problemIn(t, answer).Advice == "" {
			t.Errorf("%s: %d %s", act, answer.Code, answer.Body)
		}
		if answer := ask(t, handler, owner, raw); answer.Code != 200 {
			t.Errorf("%s by the owner: %d %s", act, answer.Code, answer.Body)
		}
	}
}

// TestBombs: what must not come to a handler at all.
func TestBombs(t *testing.T) {
	house := silent()
	client := serveHouse(t, house, folder(t, 0))
	tests := []struct {
		name, request string
		status        int
	}{
		{"a large header", "POST /api/v1/stop HTTP/1.1\r\nHost: ota\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", 431},
		{"many headers", "POST /api/v1/stop HTTP/1.1\r\nHost: ota\r\n" + strings.Repeat("X: y\r\n", 16<<10) + "\r\n", 431},
		{"a long path", "POST /api/v1/stop" + strings.Repeat("/x", 32<<10) + " HTTP/1.1\r\nHost: ota\r\n\r\n", 431},
		{"two lengths", "POST /api/v1/stop HTTP/1.1\r\nHost: ota\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n", 400},
		{"a negative length", "POST /api/v1/stop HTTP/1.1\r\nHost: ota\r\nContent-Length: -1\r\n\r\n", 400},
		{"an endless length", "POST /api/v1/stop HTTP/1.1\r\nHost: ota\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
		{"a length as large as can be", "POST /api/v1/stop HTTP/1.1\r\nHost: ota\r\nContent-Length: 9223372036854775807\r\n\r\n", 413},
		{"another way to transfer", "POST /api/v1/stop HTTP/1.1\r\nHost: ota\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
		{"no host", "POST /api/v1/stop HTTP/1.1\r\n\r\n", 400},
		{"a folded header", "POST /api/v1/stop HTTP/1.1\r\nHost: ota\r\n X: y\r\n\r\n", 400},
		{"nonsense", "\x00\x01\x02\r\n\r\n", 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conn := connect(t, client.socket)
			go io.WriteString(conn, test.request)
			conn.SetReadDeadline(time.Now().Add(patience))
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != test.status {
				t.Errorf("%s, want %d", answer.Status, test.status)
			}
		})
	}
	if diff := cmp.Diff([]string(nil), house.asked); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// FuzzRequests asks for anything: the answer is one of a handler or a problem,
// and no value of a path could be two.
func FuzzRequests(f *testing.F) {
	for _, one := range New(silent(), "", nil).routes() {
		f.Add(one.method, one.path(), "release=1&n=2&path=x", "", "")
	}
	f.Add("POST", "/api/v1/drops", "", "application/json", `{"files":1,"bytes":[[[[`)
	f.Add("GET", "/api/v1/files/..%2f", "path=%00", "", "")
	handler := Handler(silent(), slog.New(slog.DiscardHandler))
	f.Fuzz(func(t *testing.T, method, path, query, kind, body string) {
		target, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		target.RawQuery = query
		ctx, cancel := context.WithCancel(WithCaller(t.Context(), owner))
		cancel()
		request := (&http.Request{
			Method: method, URL: target, Header: http.Header{"Content-Type": {kind}}, ContentLength: int64(len(body)),
			Body: io.NopCloser(strings.NewReader(body)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		}).WithContext(ctx)
		answer := obedient{httptest.NewRecorder()}
		handler.ServeHTTP(answer, request)
		if problem := problemIn(t, answer.ResponseRecorder); problem != nil && problem.Status == 500 {
			t.Errorf("%s %s %q: %+v", method, target, body, problem)
		}
		path200, clean := elements(target)
		if answer.Code < 400 && (!clean || slices.ContainsFunc(path200, func(one element) bool { return strings.ContainsAny(one.text, "/\x00\n") })) {
			t.Errorf("%q was answered", target)
		}
	})
}
