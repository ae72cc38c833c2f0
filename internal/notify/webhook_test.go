package notify

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// example is the message that docs/notify.md shows.
func example() Message {
	m := messageOf(Happening{
		Kind: Failed, Release: 7, From: 6, Reason: "exit code 1, failed twice during its trial",
		Evidence: &Evidence{
			Code: new(1), Error: new("ValueError: could not convert string to float: 'boom'"), File: new("main.py"), Line: new(12),
			Output: []string{"measuring", "Traceback (most recent call last):", `  File "main.py", line 12, in read_sensor`},
		},
	}, Here{"greenhouse", "/home/pi/garden", new(true)}, time.Date(2026, 11, 26, 20, 15, 4, 0, time.UTC))
	m.ID = "k3v7q2hxwe-41"
	return m
}

// TestDocumented: what docs/notify.md shows is what is sent, field by field, and
// each field is explained there.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/notify.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(page), "```json\n")
	shown, _, _ := strings.Cut(after, "```")
	want, _ := encode(example())
	var got, sent map[string]any
	if err := json.Unmarshal([]byte(shown), &got); err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal(want, &sent)
	if diff := cmp.Diff(sent, got); diff != "" {
		t.Errorf("docs/notify.md shows another message (-sent +shown)\n%s", diff)
	}
	for field := range sent {
		if !strings.Contains(string(page), "| `"+field+"` |") {
			t.Errorf("docs/notify.md does not explain %q", field)
		}
	}
	for field := range sent["evidence"].(map[string]any) {
		if !strings.Contains(string(page), "| `evidence."+field+"` |") {
			t.Errorf("docs/notify.md does not explain evidence.%q", field)
		}
	}
	for _, variable := range variables(example()) {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/notify.md does not name %s", name)
		}
	}
}

const secretPath = "/services/T0/secret"

func post(t *testing.T, handler http.HandlerFunc) Result {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	return NewWebhook(server.URL+secretPath, "ota/test", func() *bool { return nil }).Send(t.Context(), example())
}

func TestPosted(t *testing.T) {
	var got Message
	result := post(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &got); err != nil || r.Method != http.MethodPost || r.URL.Path != secretPath {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		for name, want := range map[string]string{"Content-Type": "application/json", "Idempotency-Key": "k3v7q2hxwe-41", "User-Agent": "ota/test"} {
			if r.Header.Get(name) != want {
				t.Errorf("%s: %q", name, r.Header.Get(name))
			}
		}
		w.Write([]byte("thank you\x1b[2J\n" + strings.Repeat("x", 1<<20)))
	})
	if diff := cmp.Diff(example(), got); diff != "" || result.Outcome != Delivered || result.Status != 200 {
		t.Errorf("%+v\n%s", result, diff)
	}
	if len([]rune(result.Said)) > longestLine || !strings.HasPrefix(result.Said, `thank you\x1b[2J`) {
		t.Errorf("%q", result.Said)
	}
}

func TestAnswers(t *testing.T) {
	for code, want := range map[int]Outcome{
		200: Delivered, 201: Delivered, 204: Delivered,
		400: Refused, 401: Refused, 403: Refused, 404: Refused, 410: Refused, 422: Refused,
		408: Again, 425: Again, 429: Again, 500: Again, 502: Again, 503: Again, 504: Again,
	} {
		result := post(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(code)
		})
		if result.Outcome != want || result.Status != code {
			t.Errorf("%d: %+v", code, result)
		}
		if asked := code == 429 || code == 503; asked != (result.After == 2*time.Minute) {
			t.Errorf("%d: after %v", code, result.After)
		}
		if want != Delivered && result.Why == "" {
			t.Errorf("%d: no reason", code)
		}
	}
}

// TestRedirects: a message stays with its receiver, and stays a message.
func TestRedirects(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("somebody else was told") }))
	defer elsewhere.Close()
	for name, test := range map[string]struct {
		code int
		to   string
		want Outcome
	}{
		"on the same host":    {307, "/new", Delivered},
		"as a GET":            {302, "/new", Refused},
		"to somebody else":    {307, elsewhere.URL + "/new", Refused},
		"to somebody else, 2": {308, elsewhere.URL + "/new", Refused},
		"to no TLS":           {307, "ftp://127.0.0.1/new", Refused},
		"round and round":     {307, secretPath, Refused},
	} {
		t.Run(name, func(t *testing.T) {
			posts := 0
			result := post(t, func(w http.ResponseWriter, r *http.Request) {
				posts++
				if body, _ := io.ReadAll(r.Body); r.Method != http.MethodPost || len(body) == 0 {
					t.Errorf("%s with %d bytes", r.Method, len(body))
				}
				if r.URL.Path == secretPath {
					http.Redirect(w, r, test.to, test.code)
				}
			})
			if result.Outcome != test.want || posts > maxHops+1 {
				t.Errorf("%d posts: %+v", posts, result)
			}
		})
	}
}

// TestNoSecretIsSaid: who reads the log can't post to the webhook.
func TestNoSecretIsSaid(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	address := server.URL
	server.Close()
	for _, base := range []string{address, "http://nowhere.invalid", "http://me:word@" + strings.TrimPrefix(address, "http://")} {
		result := NewWebhook(base+secretPath, "ota/test", func() *bool { return nil }).Send(t.Context(), example())
		if result.Outcome != Again || result.Why == "" || strings.Contains(result.Why, "secret") || strings.Contains(result.Why, "word") {
			t.Errorf("%s: %+v", base, result)
		}
	}
}

// TestCertificate that can't be checked: nothing is told, unless the clock is why,
// and then not for long.
func TestCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("told") }))
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	defer server.Close()
	for name, test := range map[string]struct {
		trusted bool
		now     int
		set     *bool
		soon    bool
		says    string
	}{
		"unknown":              {false, 2026, new(true), false, "unknown authority"},
		"in 1970":              {true, 1969, new(false), true, "the clock of the device is not set"},
		"in 1970, not known":   {true, 1969, nil, false, "expired or is not yet valid"},
		"too old a certifcate": {true, 2300, new(true), false, "expired or is not yet valid"},
	} {
		t.Run(name, func(t *testing.T) {
			webhook := NewWebhook(server.URL+secretPath, "ota/test", func() *bool { return test.set })
			if test.trusted {
				trust(webhook, server, test.now)
			}
			result := webhook.Send(t.Context(), example())
			if result.Outcome != Again || result.Soon != test.soon || !strings.Contains(result.Why, test.says) {
				t.Errorf("%+v", result)
			}
		})
	}
}
