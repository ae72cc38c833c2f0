package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ota/internal/kit/glob"
)

func TestWeb(t *testing.T) {
	got, err := parse([]byte(`
[web]
listen = "[::]:08443"
hosts = ["Garden.example.com", "fe80::1"]
cert = "tls//cert.pem"
key = "/etc/key.pem"
hide = ["*.pem"]
`))
	if err != nil {
		t.Fatal(err)
	}
	pem, err := glob.Parse("*.pem")
	if err != nil {
		t.Fatal(err)
	}
	want := Web{
		Listen: "[::]:8443", Hosts: []string{"garden.example.com", "fe80::1"},
		Cert: "tls/cert.pem", Key: "/etc/key.pem", Hide: []glob.Pattern{pem}, Announce: true,
	}
	if diff := cmp.Diff(want, got.Web, patternsByText); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, text := range []string{"off", "localhost:0", "0.0.0.0:65535"} {
		if got, err := parse(fmt.Appendf(nil, "web.listen = %q", text)); err != nil || got.Web.Listen != text {
			t.Errorf("listen %q: %+v, %v", text, got.Web, err)
		}
	}
}

func TestWebRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`listen = ":8484"`:           `for all addresses write "0.0.0.0:8484"`,
		`listen = "8484"`:            `must be a host and a port such as "127.0.0.1:8484", or "off"`,
		`listen = "a:65536"`:         "must be a host and a port",
		`listen = "http://a:1"`:      "must be a host and a port",
		`listen = false`:             "not a boolean",
		`hosts = ["a:80"]`:           "without a port",
		`hosts = ["*.example"]`:      "without a port",
		`hosts = ["http://a/"]`:      "without a port",
		`cert = "a.pem"`:             "cert and key belong together",
		`key = "a.pem"`:              "cert and key belong together",
		`cert = ""`:                  "must be a path",
		`hide = ["!a"]`:              "can't take back",
		`cert = "a\u0000"`:           "zero byte",
		`password = "a"`:             "unknown key",
		"cert = \"a/\"\nkey = \"b\"": "must be a path",
	} {
		got, err := parse([]byte("[web]\n" + text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if w := got.Web; (w.Cert == "") != (w.Key == "") && strings.Contains(want, "together") {
			t.Errorf("%s: half of it was taken: %+v", text, w)
		}
	}
}

// TestWebCountsOnTheDeviceOnly: an upload opens no port and shows no secret.
func TestWebCountsOnTheDeviceOnly(t *testing.T) {
	got, _, err := NoLayers().With("main/ota.toml", []byte("[web]\nlisten = \"0.0.0.0:80\"\n"))
	if err == nil || got.Web.Listen != Default().Web.Listen {
		t.Errorf("%+v, %v", got.Web, err)
	}
}

func TestHidden(t *testing.T) {
	config, err := parse([]byte(`web.hide = ["*.Key", "private/", "/top.txt", "a/**/b"]`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		".env": true, ".ENV": true, ".env.local": true, "x/.Env.production/y": true, "deep/er/.Env": true, ".env/in": true,
		"a.KEY": true, "x/b.key": true, "private/a": true, "in/PRIVATE/b/c": true, "top.txt": true, "A/x/B/c": true,
		"": false, "env": false, ".env.example": false, "x/.env.Sample": false, ".envelope": false, "x.env": false, "keys": false, "x/top.txt": false, "main.py": false,
	} {
		if got := config.Web.Hidden(name); got != want {
			t.Errorf("%q: hidden %t", name, got)
		}
	}
	if !(Web{}).Hidden("x/.env") || (Web{}).Hidden("x") {
		t.Error("without settings .env is hidden, and nothing else")
	}
}
