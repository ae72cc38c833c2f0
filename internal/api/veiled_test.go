package api

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
)

// TestSecretsAreNotQuoted: what is wrong with a file that must not be seen may be
// told, not what stands in it; the owner sees it.
func TestSecretsAreNotQuoted(t *testing.T) {
	const secret = "KEY = (s3cret"
	reasons := List[Reason]{
		{Path: new(Path("secrets.py")), Line: new(1), Source: new(secret), Message: "the bracket is not closed"},
		{Path: new(Path("main.py")), Line: new(1), Source: new("x = ("), Message: "neither is this one"},
	}
	house := &fakeHouse{
		status: Status{Deposit: Deposit{State: Held, Reasons: reasons}}, why: Why{Held: reasons}, apply: ApplyResult{Reasons: reasons},
	}
	handler := Handler(house, slog.New(slog.DiscardHandler))
	for _, target := range []string{"GET /api/v1/status", "GET /api/v1/why", "GET /api/v1/events", "POST /api/v1/apply", "POST /api/v1/retry"} {
		method, path, _ := strings.Cut(target, " ")
		for _, caller := range []Caller{{Name: "token x", Rights: Rights}, owner} {
			ctx, cancel := context.WithCancel(WithCaller(t.Context(), caller))
			if strings.HasSuffix(path, "events") {
				cancel() // the answer is what there is
			}
			answer := obedient{httptest.NewRecorder()}
			handler.ServeHTTP(answer, httptest.NewRequest(method, path, nil).WithContext(ctx))
			cancel()
			text := answer.Body.String()
			if !strings.Contains(text, "the bracket is not closed") || !strings.Contains(text, "x = (") {
				t.Errorf("%s as %s: %s", target, caller.Name, text)
			}
			if strings.Contains(text, "s3cret") != caller.May(Owner) {
				t.Errorf("%s as %s: the secret is there: %t", target, caller.Name, !caller.May(Owner))
			}
		}
	}
	if *reasons[0].Source != secret {
		t.Error("the house's own reasons were changed")
	}
}

// TestReleasesAreTakenInTurn: of what takes much of a small device there is not
// more at once than it can do.
func TestReleasesAreTakenInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		packing, packed := make(chan struct{}), make(chan struct{})
		house := &fakeHouse{archive: &Archive{Name: "a.zip", Write: func(_ context.Context, to io.Writer) error {
			packing <- struct{}{}
			<-packed
			_, err := io.WriteString(to, "x")
			return err
		}}}
		handler := Handler(house, slog.New(slog.DiscardHandler))
		ask := func(target string) *httptest.ResponseRecorder {
			answer := httptest.NewRecorder()
			ctx := WithCaller(t.Context(), Caller{Name: "token greedy", Rights: Rights})
			handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, target, nil).WithContext(ctx))
			return answer
		}
		done := make(chan int, maxPacking)
		for range maxPacking {
			go func() { done <- ask("/api/v1/releases/1/archive").Code }()
			<-packing
		}
		if answer := ask("/api/v1/releases/1/archive"); answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" {
			t.Errorf("one too many: %d", answer.Code)
		}
		close(packed)
		for range maxPacking {
			if code := <-done; code != http.StatusOK {
				t.Errorf("%d", code)
			}
		}
		go func() { <-packing }()
		if answer := ask("/api/v1/releases/1/archive"); answer.Code != http.StatusOK {
			t.Errorf("afterwards: %d", answer.Code)
		}
	})
}

func TestComparingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := New(&fakeHouse{}, "", slog.New(slog.DiscardHandler))
		for range maxComparing {
			if err := server.comparing.begin(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		answered := make(chan int, 1)
		go func() {
			answer := httptest.NewRecorder()
			ctx := WithCaller(t.Context(), Caller{Rights: Rights})
			server.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/api/v1/diff", nil).WithContext(ctx))
			answered <- answer.Code
		}()
		synctest.Wait()
		if len(answered) > 0 {
			t.Error("it did not wait")
		}
		server.comparing.end()
		if code := <-answered; code != http.StatusOK {
			t.Errorf("%d", code)
		}
	})
}

// TestWhoMayNotAnyLongerGetsNoMore: a download ends with the token.
func TestWhoMayNotAnyLongerGetsNoMore(t *testing.T) {
	ctx, revoke := context.WithCancel(t.Context())
	to := newPatient(ctx, &stalling{ResponseWriter: httptest.NewRecorder()})
	if _, err := to.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	revoke()
	if n, err := to.Write([]byte("y")); err == nil || n != 0 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// decoded fails the test where an answer is no JSON of its kind.
func decoded(t *testing.T, answer *httptest.ResponseRecorder) {
	t.Helper()
	kind := answer.Header().Get("Content-Type")
	if strings.HasSuffix(kind, "json") && !json.Valid(answer.Body.Bytes()) {
		t.Errorf("%s that is none: %q", kind, answer.Body)
	}
}
