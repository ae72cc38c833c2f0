package push

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ota/internal/kit/hint"
)

func TestDevices(t *testing.T) {
	for text, want := range map[string]string{
		"https://greenhouse.local:8484":  "https://greenhouse.local:8484",
		"https://Greenhouse.Local:8484/": "https://greenhouse.local:8484",
		"https://greenhouse":             "https://greenhouse:443",
		"https://[fe80::1]:8484":         "https://[fe80::1]:8484",
		"http://127.0.0.1:8484":          "http://127.0.0.1:8484",
		"http://localhost:8484":          "http://localhost:8484",
		"http://[::1]:8484":              "http://[::1]:8484",
		"http://greenhouse:8484":         "",
		"http://127.0.0.1.example:8484":  "",
		"https://token@greenhouse:8484":  "",
		"https://greenhouse:8484/main":   "",
		"https://greenhouse:8484/?a":     "",
		"https://greenhouse:8484/#a":     "",
		"https://":                       "",
		"https://greenhouse:port":        "",
		"ftp://greenhouse":               "",
	} {
		place, err := ParsePlace(text, "here")
		switch {
		case err != nil && want != "":
			t.Errorf("%s: %v", text, err)
		case err == nil && (!place.IsDevice() || place.device.base != want):
			t.Errorf("%s is taken: %+v", text, place.device)
		}
	}
}

// FuzzDevice: nothing is sent without TLS beyond this machine, whatever is named.
func FuzzDevice(f *testing.F) {
	for _, one := range []string{"https://a:1", "http://127.0.0.1:1", "http://localhost.:1", "http://[::ffff:127.0.0.1]:1", "http://127.1:1"} {
		f.Add(one)
	}
	f.Fuzz(func(t *testing.T, text string) {
		one, err := parseDevice(text)
		if err != nil || one.isEncrypted() {
			return
		}
		if host := one.name; host != "localhost" && !strings.HasPrefix(host, "127.") && host != "::1" && !strings.HasPrefix(host, "::ffff:127.") && !strings.HasPrefix(host, "::ffff:7f") {
			t.Errorf("%q goes to %s without TLS", text, one.base)
		}
	})
}

const someSum = "B1:8D:4B:B3:72:60:5A:AD:60:8A:67:F8:4B:4F:08:27:82:93:EC:9B:B6:94:6F:25:DB:86:96:91:4B:43:C1:07"

// TestFingerprints: as people copy them.
func TestFingerprints(t *testing.T) {
	bare := strings.ReplaceAll(someSum, ":", "")
	for _, text := range []string{someSum, strings.ToLower(someSum), bare, "SHA256:" + bare, "sha256:" + strings.ToLower(someSum), " " + strings.ReplaceAll(someSum, ":", " ") + "\n"} {
		if got, err := ParseFingerprint(text); err != nil || got != someSum {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "SHA256:", someSum[3:], someSum + ":00", "SHA1:" + bare, strings.Repeat("xy", 32)} {
		if got, err := ParseFingerprint(text); err == nil {
			t.Errorf("%q is taken: %q", text, got)
		}
	}
}

// FuzzFingerprint: what is taken is written in one way.
func FuzzFingerprint(f *testing.F) {
	f.Add(someSum)
	f.Fuzz(func(t *testing.T, text string) {
		one, err := ParseFingerprint(text)
		if err != nil {
			return
		}
		if again, err := ParseFingerprint(string(one)); err != nil || again != one || len(one) != len(someSum) {
			t.Errorf("%q, then %q, %v", one, again, err)
		}
	})
}

// TestRefusals: what the device answers, in words that say what to do.
func TestRefusals(t *testing.T) {
	problem := func(status int, detail, advice string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			w.Write([]byte(`{"status":1,"detail":"` + detail + `","hint":"` + advice + `"}`))
		}
	}
	for name, test := range map[string]struct {
		answer     http.HandlerFunc
		origin     origin
		said, hint string
		final      bool
	}{
		"revoked":   {problem(401, "no", ""), paired, "does not know the token of this computer any more", "ota push --pair", true},
		"wrong":     {problem(401, "no", ""), given, "does not know this token", "ota web token", true},
		"forbidden": {problem(403, "a push needs more", ""), given, "a push needs more", "--allow read,upload", true},
		"too old":   {problem(404, "there is no such thing", ""), given, "can't be pushed to over HTTPS", "newer", true},
		"its name":  {problem(421, "is not a name of this machine", "add the name to hosts"), given, "is not a name", "add the name to hosts", true},
		"full":      {problem(503, "others are just pushing", "wait"), given, "others are just pushing", "wait", false},
		"a proxy":   {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", 502) }, given, "the device answers 502 Bad Gateway", "", false},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://evil.example/", 307) }, given, "the device answers 307", "", true},
		"no ota": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
			w.WriteHeader(101)
		}, given, "what answers there is no ota", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(test.answer)
			defer server.Close()
			d, err := parseDevice(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			d.token = token{"ota_x", test.origin}
			_, err = d.connect(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.said) || !strings.Contains(hint.Of(err), test.hint) || isFinal(err) != test.final {
				t.Errorf("%v, hint %q, final: %v", err, hint.Of(err), isFinal(err))
			}
		})
	}
}

// TestKnownIsPrivate: what is learned is kept, for its user alone, and of several
// devices.
func TestKnownIsPrivate(t *testing.T) {
	k := Known{filepath.Join(t.TempDir(), "ota", "devices.json")}
	for _, base := range []string{"https://a:1", "https://b:1"} {
		if err := k.learn(base, func(one *acquaintance) { one.Fingerprint = someSum }); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.learn("https://a:1", func(one *acquaintance) { one.Token = "ota_x" }); err != nil {
		t.Fatal(err)
	}
	a, _ := k.of("https://a:1")
	b, err := k.of("https://b:1")
	if err != nil || a != (acquaintance{someSum, "ota_x"}) || b != (acquaintance{Fingerprint: someSum}) {
		t.Error(a, b, err)
	}
	if info, err := os.Stat(k.path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(k.path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := k.of("https://a:1"); err == nil {
		t.Error("a damaged file is taken")
	}
}
