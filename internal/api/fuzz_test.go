package api

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ota/internal/logs"
)

// put sends anything to a path that there is, as a caller; it returns the house,
// which has noted what it was asked, and the answer.
func put(t *testing.T, caller Caller, method, path, query string, header http.Header, body []byte) (*fakeHouse, *httptest.ResponseRecorder) {
	t.Helper()
	house := &fakeHouse{log: logs.New(logs.Options{})}
	say(t, house.log, "<script>", "\x1b[2J", "\u202e")
	ctx, cancel := context.WithCancel(WithCaller(t.Context(), caller))
	cancel() // so that what goes on without end has one
	request := (&http.Request{
		Method: method, URL: &url.URL{Path: path, RawQuery: query}, Header: header, ContentLength: int64(len(body)),
		Body: io.NopCloser(bytes.NewReader(body)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	answer := httptest.NewRecorder()
	Handler(house, slog.New(slog.DiscardHandler)).ServeHTTP(obedient{answer}, request)
	if answer.Code == http.StatusInternalServerError {
		t.Errorf("%s %s?%s %q: %s", method, path, query, body, answer.Body)
	}
	decoded(t, answer)
	return house, answer
}

// network is a caller from there, with all that a token can be given.
var network = Caller{Name: "token x", Rights: Rights}

// FuzzSteer: what can't be read changes nothing.
func FuzzSteer(f *testing.F) {
	for _, act := range []string{"start", "stop", "restart", "apply", "retry", "discard", "rollback", "pin", "unpin"} {
		f.Add(act, "release=1&trial=false&now=true", []byte(nil))
	}
	f.Add("rollback", "release=-1", []byte(nil))
	f.Add("pin", "release=1;release=2", []byte(nil))
	f.Add("apply", "now=%00", []byte("{}"))
	f.Add("rollback", strings.Repeat("release=9&", 1000), []byte(nil))
	f.Fuzz(func(t *testing.T, act, query string, body []byte) {
		house, answer := put(t, network, http.MethodPost, "/api/v1/"+act, query, http.Header{}, body)
		if len(house.asked) > 0 && (len(body) > 0 || answer.Code >= 500 && answer.Code != http.StatusServiceUnavailable) {
			t.Errorf("%s?%s with %d bytes: %v, %d", act, query, len(body), house.asked, answer.Code)
		}
		for _, asked := range house.asked {
			if strings.Contains(asked, "Release:-") || strings.HasPrefix(asked, "pin -") || strings.HasPrefix(asked, "pin 0=") {
				t.Errorf("%s?%s: %s", act, query, asked)
			}
		}
		values, _ := url.ParseQuery(query)
		_, err := strconv.ParseUint(cmp.Or(values.Get("release"), "0"), 10, 64)
		if err != nil && !strings.HasPrefix(values.Get("release"), "+") && slices.Contains([]string{"rollback", "pin", "unpin"}, act) && len(house.asked) > 0 {
			t.Errorf("%s?%s: %v", act, query, house.asked)
		}
	})
}

// FuzzLook: who looks changes nothing, and gets JSON.
func FuzzLook(f *testing.F) {
	for _, what := range []string{"status", "history", "why", "diff", "logs", "device"} {
		f.Add(what, "release=1&from=1&to=2&patch=true&n=5&follow=true", []byte(nil))
	}
	f.Add("why", "release=99999999999999999999", []byte(nil))
	f.Add("logs", "n=1e9&follow=2", []byte(nil))
	f.Add("diff", "from=%31&patch=<script>", []byte("x"))
	f.Fuzz(func(t *testing.T, what, query string, body []byte) {
		house, answer := put(t, network, http.MethodGet, "/api/v1/"+what, query, http.Header{}, body)
		for _, asked := range house.asked {
			if !strings.HasPrefix(asked, "why ") && !strings.HasPrefix(asked, "diff ") && asked != "log files" {
				t.Errorf("%s?%s: %s", what, query, asked)
			}
		}
		if answer.Code == http.StatusOK && strings.Contains(answer.Body.String(), "\x1b") {
			t.Errorf("%s?%s: a control character: %q", what, query, answer.Body)
		}
	})
}

// FuzzDrops: what is announced is no less than nothing, and is JSON.
func FuzzDrops(f *testing.F) {
	f.Add(http.MethodPost, "", "application/json", []byte(`{"files":1,"bytes":2}`))
	f.Add(http.MethodPost, "/d1/complete", "", []byte(nil))
	f.Add(http.MethodDelete, "/d1", "", []byte("x"))
	f.Add(http.MethodPost, "", "application/json; charset=utf-16", []byte(`{"files":-1}`))
	f.Add(http.MethodPost, "", "text/plain", []byte(`{"files":1,"bytes":9223372036854775808}`))
	f.Fuzz(func(t *testing.T, method, rest, kind string, body []byte) {
		house, answer := put(t, Caller{Rights: []Right{Upload}}, method, "/api/v1/drops"+rest, "", http.Header{"Content-Type": {kind}}, body)
		if slices.Contains(house.asked, "new drop") && !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
			t.Errorf("%q was taken for an object", body)
		}
		if len(house.asked) > 0 && answer.Code >= 400 {
			t.Errorf("%s %s %q: %d after %v", method, rest, body, answer.Code, house.asked)
		}
	})
}

// FuzzGate: only the owner, and only what can be read.
func FuzzGate(f *testing.F) {
	f.Add(http.MethodPost, "/password", []byte(`{"password":"correct horse"}`))
	f.Add(http.MethodPost, "/tokens", []byte(`{"name":"ci","allow":["read","owner"]}`))
	f.Add(http.MethodDelete, "/tokens/ci", []byte(nil))
	f.Add(http.MethodPost, "/link", []byte(nil))
	f.Add(http.MethodPost, "/pair", []byte("{}"))
	f.Add(http.MethodPost, "/logout", []byte(nil))
	f.Add(http.MethodPost, "/password", []byte(`{"password":null,"password":"\ud800"}`))
	f.Add(http.MethodGet, "/tokens", []byte(strings.Repeat("[", 9000)))
	f.Fuzz(func(t *testing.T, method, rest string, body []byte) {
		header := http.Header{"Content-Type": {"application/json"}}
		if house, answer := put(t, network, method, "/api/v1/web"+rest, "", header, body); len(house.asked) > 0 || answer.Code < 400 {
			t.Errorf("%s %s from the network: %d, %v", method, rest, answer.Code, house.asked)
		}
		house, answer := put(t, owner, method, "/api/v1/web"+rest, "", header, body)
		if len(house.asked) > 0 && answer.Code >= 400 || int64(len(body)) > gateBytes && len(house.asked) > 0 {
			t.Errorf("%s %s %q: %d after %v", method, rest, body, answer.Code, house.asked)
		}
	})
}

// FuzzMachine: watchers and load balancers get text in which no line of ours is
// forged.
func FuzzMachine(f *testing.F) {
	f.Add("/metrics", "x=1", "text/plain", []byte(nil))
	f.Add("/healthz", "", "application/openmetrics-text", []byte("x"))
	f.Add("/api/openapi.yaml", "", "*/*", []byte(nil))
	f.Fuzz(func(t *testing.T, path, query, accept string, body []byte) {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
			house, answer := put(t, network, method, path, query, http.Header{"Accept": {accept}}, body)
			if len(house.asked) > 0 && answer.Code >= 400 {
				t.Errorf("%s %s: %d after %v", method, path, answer.Code, house.asked)
			}
			if answer.Code < 300 && len(body) > 0 && slices.Contains([]string{"/metrics", "/healthz", "/api/openapi.yaml"}, path) {
				t.Errorf("%s %s takes a body", method, path)
			}
		}
	})
}
