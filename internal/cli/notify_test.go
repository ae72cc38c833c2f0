package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// toldBy makes a folder with these settings.
func toldBy(t *testing.T, settings string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ota.toml"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestNotify says what came of a test message.
func TestNotify(t *testing.T) {
	status := http.StatusOK
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Idempotency-Key")
		w.WriteHeader(status)
		fmt.Fprint(w, "thank you\x1b[2J")
	}))
	defer server.Close()
	dir := toldBy(t, fmt.Sprintf("[notify]\nwebhook = %q\n", server.URL+"/hook"))
	check(t, call("notify", "-C", dir), called{0, "webhook: delivered: the answer was 200\n  it said: thank you\\x1b[2J\n", ""})
	if !strings.HasPrefix(got, "test-") {
		t.Errorf("id %q", got)
	}
	status = http.StatusNotFound
	check(t, call("notify", "-C", dir, "--event", "held"), called{1,
		"webhook: the webhook answered 404 Not Found\n  do: is [notify] webhook in ota.toml the whole address?\n  it said: thank you\\x1b[2J\n", ""})
	want := `{
  "event": "failed",
  "ways": [
    {
      "way": "webhook",
      "delivered": false,
      "status": 404,
      "said": "thank you\\x1b[2J",
      "problem": "the webhook answered 404 Not Found",
      "hint": "is [notify] webhook in ota.toml the whole address?"
    }
  ]
}
`
	if diff := cmp.Diff(called{1, want, ""}, call("notify", "--json", "-C", dir)); diff != "" {
		t.Error(diff)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("something was left behind: %v, %v", entries, err)
	}
}

func TestNotifyNobody(t *testing.T) {
	got := call("notify", "-C", toldBy(t, ""))
	if got.Code != 1 || !strings.HasPrefix(got.Stderr, "ota: cannot send a test message: nobody is to be told\nhint: say in ota.toml whom") {
		t.Errorf("%+v", got)
	}
	got = call("notify", "--event", "fail")
	if got.Code != 2 || !strings.Contains(got.Stderr, `"fail" is not one of failed, rolled-back`) {
		t.Errorf("%+v", got)
	}
}
