package cli

import (
	"errors"
	"os"
	"os/user"
	"strings"
	"testing"

	"ota/internal/api"
	"ota/internal/kit/hint"
)

// page is a house with a page at this address.
func page(address string) *house { return &house{web: api.Web{Address: &address}} }

func TestWebLink(t *testing.T) {
	t.Setenv("SSH_CONNECTION", "")
	const once = "ota: the link logs in once, within 10 minutes\n"
	dir := serve(t, page("http://127.0.0.1:8484"))
	check(t, call("web", "-C", dir), called{0, "http://127.0.0.1:8484/login?code=link_A\n", once})
	check(t, call("web", "--json", "-C", dir), called{0, "{\n  \"address\": \"http://127.0.0.1:8484/login?code=link_A\"\n}\n", ""})

	secure := page("https://192.0.2.7:8484")
	secure.web.Fingerprint = new("AA:BB")
	check(t, call("web", "-C", serve(t, secure)), called{0, "https://192.0.2.7:8484/login?code=link_A\n", once + "ota: SHA-256 of its certificate: AA:BB\n"})
}

// TestWebLinkBySSH: the page listens on the device only, and whoever wants to
// see it sits elsewhere.
func TestWebLinkBySSH(t *testing.T) {
	t.Setenv("SSH_CONNECTION", "198.51.100.4 50022 192.0.2.7 22")
	for address, advised := range map[string]bool{
		"http://127.0.0.1:8484": true, "http://[::1]:8484": true, "http://localhost:8484": true, "https://192.0.2.7:8484": false,
	} {
		got := call("web", "-C", serve(t, page(address)))
		if strings.Contains(got.Stderr, "hint: on your own machine: ssh -N -L 8484:") != advised {
			t.Errorf("%s: %s", address, got.Stderr)
		}
	}
	dir := serve(t, page("http://127.0.0.1:8484"))
	account, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for sudoer, comes := range map[string]string{"": account.Username, "pi": "pi"} {
		t.Setenv("SUDO_USER", sudoer)
		want := "ssh -N -L 8484:127.0.0.1:8484 " + comes + "@192.0.2.7, then"
		if got := call("web", "-C", dir); !strings.Contains(got.Stderr, want) {
			t.Errorf("%q is not in %s", want, got.Stderr)
		}
	}
}

func TestNoPage(t *testing.T) {
	h := page("http://127.0.0.1:8484")
	h.err = hint.With(errors.New("the page is off"), "say in ota.toml where it is")
	dir := serve(t, h)
	check(t, call("web", "-C", dir), called{1, "", "ota: cannot make a link: the page is off\nhint: say in ota.toml where it is\n"})
	check(t, call("web", "pair", "-C", dir), called{1, "", "ota: cannot make a code: the page is off\nhint: say in ota.toml where it is\n"})
}

func TestWebPair(t *testing.T) {
	dir := serve(t, page("http://127.0.0.1:8484"))
	check(t, call("web", "pair", "-C", dir), called{0, "BCDF-GHJK\n",
		"ota: type it at http://127.0.0.1:8484, or where \"ota push http://127.0.0.1:8484\" asks for it\nota: it logs in once, until 12:00:00\n"})
	check(t, call("web", "pair", "--json", "-C", dir), called{0,
		"{\n  \"code\": \"BCDF-GHJK\",\n  \"address\": \"http://127.0.0.1:8484\",\n  \"until\": \"2026-11-23T12:00:00Z\"\n}\n", ""})
}

// typed is what stands on stdin.
func typed(t *testing.T, text string) {
	t.Helper()
	path := t.TempDir() + "/stdin"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stdin
	os.Stdin = file
	t.Cleanup(func() {
		os.Stdin = before
		file.Close()
	})
}

func TestWebPassword(t *testing.T) {
	const isSet = "the password is set; everybody is logged out of the page\n"
	tests := []struct {
		stdin, asked string
		want         called
	}{
		{"correct horse\n", `"correct horse"`, called{0, isSet, ""}},
		{"correct horse", `"correct horse"`, called{0, isSet, ""}},
		{" grün \"& \r\nmore\n", `" grün \"& "`, called{0, isSet, ""}},
		{"", "", called{1, "", "ota: cannot set the password: it is empty\nhint: \"ota web password --remove\" takes the password away\n"}},
		{"\n", "", called{1, "", "ota: cannot set the password: it is empty\nhint: \"ota web password --remove\" takes the password away\n"}},
		{"long enough \xff\n", "", called{1, "", "ota: cannot set the password: the password is not text in UTF-8\n"}},
	}
	for _, test := range tests {
		h := &house{}
		typed(t, test.stdin)
		check(t, call("web", "password", "-C", serve(t, h)), test.want)
		if h.asked != test.asked {
			t.Errorf("%q: asked for %s", test.stdin, h.asked)
		}
	}
	h := &house{}
	check(t, call("web", "password", "--remove", "-C", serve(t, h)), called{0, "there is no password any more; everybody is logged out of the page\n", ""})
	if h.asked != `""` {
		t.Errorf("asked for %s", h.asked)
	}
	typed(t, "short\n")
	dir := serve(t, &house{err: &api.Unfit{Reason: "the password has fewer than 8 characters", Advice: "take a few words"}})
	check(t, call("web", "password", "-C", dir), called{1, "", "ota: cannot set the password: the password has fewer than 8 characters\nhint: take a few words\n"})
}

func TestWebToken(t *testing.T) {
	h := &house{tokens: []api.Token{
		{Name: "ci", Allow: api.List[api.Right]{api.Read, api.Upload}, Created: noon},
		{Name: "laptop", Allow: api.List[api.Right]{api.Control}, Created: noon},
	}}
	dir := serve(t, h)
	check(t, call("web", "token", "--name", "ci", "--allow", "upload,read", "-C", dir), called{0, "ota_SECRET\n",
		"ota: the token ci may upload, read; its secret is shown this once\n"})
	if h.asked != `ci ["upload" "read"]` {
		t.Errorf("asked for %s", h.asked)
	}
	check(t, call("web", "token", "--name=ci", "--allow=read", "--json", "-C", dir), called{0,
		"{\n  \"name\": \"ci\",\n  \"allow\": [\n    \"read\"\n  ],\n  \"token\": \"ota_SECRET\"\n}\n", ""})
	check(t, call("web", "token", "list", "-C", dir), called{0, `NAME    MAY           SINCE
ci      read, upload  2026-11-23 12:00:00
laptop  control       2026-11-23 12:00:00
`, ""})
	check(t, call("web", "token", "revoke", "ci", "-C", dir), called{0, "the token ci is revoked\n", ""})
	if h.asked != "ci" {
		t.Errorf("asked for %s", h.asked)
	}
	none := serve(t, &house{})
	check(t, call("web", "token", "list", "-C", none), called{0, "no token yet\n", ""})
	check(t, call("web", "token", "list", "--json", "-C", none), called{0, "[]\n", ""})
	check(t, call("web", "token", "revoke", "ci", "-C", serve(t, &house{err: &api.NoToken{Name: "ci"}})), called{1, "",
		"ota: cannot revoke the token: there is no token ci\nhint: \"ota web token list\" lists the tokens\n"})
}

func TestWebLogout(t *testing.T) {
	check(t, call("web", "logout", "-C", serve(t, &house{})), called{0, "everybody is logged out of the page\n", ""})
}
