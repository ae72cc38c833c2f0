package api

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestTheGate: each question arrives with what it is about, and the answer comes
// back as it was given.
func TestTheGate(t *testing.T) {
	house := &fakeHouse{
		web:    Web{Address: new("https://garden:8484"), Fingerprint: new("AA:BB")},
		tokens: []Token{{Name: "ci", Allow: List[Right]{Upload}, Created: noon}},
	}
	client, ctx := serveHouse(t, house, folder(t, 0)), t.Context()
	questions := []struct {
		ask  func() (any, error)
		want any
	}{
		{func() (any, error) { return client.Web(ctx) }, house.web},
		{func() (any, error) { return client.WebLink(ctx) }, LoginLink{"http://127.0.0.1:8484/login?code=1"}},
		{func() (any, error) { return client.Pair(ctx) }, PairCode{"BCDF-GHJK", new("http://127.0.0.1:8484"), noon}},
		{func() (any, error) { return nil, client.SetPassword(ctx, "grün & <b>\" ☃") }, nil},
		{func() (any, error) { return nil, client.SetPassword(ctx, "") }, nil},
		{func() (any, error) { return client.Tokens(ctx) }, house.tokens},
		{func() (any, error) { return client.NewToken(ctx, "ci", []Right{Upload, Read}) }, IssuedToken{"ci", List[Right]{Upload, Read}, "ota_secret"}},
		{func() (any, error) { return nil, client.RevokeToken(ctx, "a.b_c-d") }, nil},
		{func() (any, error) { return nil, client.EndSessions(ctx) }, nil},
	}
	for i, question := range questions {
		got, err := question.ask()
		if err != nil {
			t.Fatalf("question %d: %v", i, err)
		}
		if diff := cmp.Diff(question.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("question %d: -want +got:\n%s", i, diff)
		}
	}
	asked := []string{"link", "pair", `password "grün & <b>\" ☃"`, `password ""`, "token ci [upload read]", "revoke a.b_c-d", "logout"}
	if diff := cmp.Diff(asked, house.asked); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTheGateRefuses(t *testing.T) {
	house := &fakeHouse{}
	client, ctx := serveHouse(t, house, folder(t, 0)), t.Context()
	tests := []struct {
		err    error
		ask    func() error
		status int
		detail string
		hint   string
	}{
		{&NoToken{"a\nb"}, func() error { return client.RevokeToken(ctx, "a") }, 404, `there is no token a\nb`, `"ota web token list" lists the tokens`},
		{&Unfit{"too short", "make it longer"}, func() error { return client.SetPassword(ctx, "a") }, 400, "too short", "make it longer"},
		{&Unfit{"no name", ""}, func() error { _, err := client.NewToken(ctx, "", nil); return err }, 400, "no name", ""},
		{errors.New("the page is off"), func() error { _, err := client.WebLink(ctx); return err }, 409, "the page is off", ""},
		{errors.New("the page is off"), func() error { _, err := client.Pair(ctx); return err }, 409, "the page is off", ""},
		{errors.New("the disk is full"), func() error { return client.EndSessions(ctx) }, 409, "the disk is full", ""},
	}
	for _, test := range tests {
		house.err = test.err
		problem, ok := errors.AsType[*Problem](test.ask())
		if !ok || problem.Status != test.status || problem.Detail != test.detail || problem.Advice != test.hint {
			t.Errorf("%v: %#v", test.err, problem)
		}
	}
	house.err, house.asked = nil, nil
	if err := client.SetPassword(ctx, "\xff is no text"); err == nil || len(house.asked) > 0 {
		t.Errorf("error %v, asked %q", err, house.asked)
	}
}

// TestBodiesOfTheGate: what is not exactly what belongs there changes nothing.
func TestBodiesOfTheGate(t *testing.T) {
	house := &fakeHouse{}
	server := serveHouse(t, house, folder(t, 0))
	tests := []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/web/password", `{"password": "long enough"}`, 204},
		{"POST", "/web/password", ``, 400},
		{"POST", "/web/password", `null`, 400},
		{"POST", "/web/password", `{}`, 400},
		{"POST", "/web/password", `{"password": null}`, 400},
		{"POST", "/web/password", `{"password": 12345678}`, 400},
		{"POST", "/web/password", `{"password": "long enough", "hint": "x"}`, 400},
		{"POST", "/web/password", `{"password": "long enough"} {}`, 400},
		{"POST", "/web/password", "{\"password\": \"long \xff enough\"}", 400},
		{"POST", "/web/password", `{"password": "` + strings.Repeat("a", gateBytes) + `"}`, 413},
		{"POST", "/web/tokens", `{"name": "ci", "allow": "read"}`, 400},
		{"POST", "/web/tokens", `{"name": "ci", "allow": ["read"]}]`, 400},
		{"POST", "/web/tokens", `{"name": "ci", "allow": ["read"]}`, 201},
		{"POST", "/web/link", `{}`, 413},
		{"POST", "/web/logout", `{}`, 413},
		{"DELETE", "/web/tokens/ci", `{}`, 413},
	}
	dialer := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, server.socket) },
	}}
	defer dialer.CloseIdleConnections()
	for _, test := range tests {
		request, err := http.NewRequestWithContext(t.Context(), test.method, "http://ota"+prefix+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		answer, err := dialer.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != test.status {
			t.Errorf("%s %s %.60q: %d %s, %v", test.method, test.path, test.body, answer.StatusCode, text, err)
		}
	}
	if diff := cmp.Diff([]string{`password "long enough"`, "token ci [read]"}, house.asked); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
