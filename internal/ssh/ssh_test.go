package ssh

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]Target{
		"greenhouse":                        {Host: "greenhouse"},
		"pi@greenhouse.local":               {User: "pi", Host: "greenhouse.local"},
		"pi@greenhouse:garden":              {User: "pi", Host: "greenhouse", Dir: "garden"},
		"pi@greenhouse:/srv/the garden":     {User: "pi", Host: "greenhouse", Dir: "/srv/the garden"},
		"greenhouse:~/it's":                 {Host: "greenhouse", Dir: "~/it's"},
		"greenhouse:a@b:c":                  {Host: "greenhouse", Dir: "a@b:c"},
		"pi@home@jump:x":                    {User: "pi@home", Host: "jump", Dir: "x"},
		"[fe80::1%eth0]:garden":             {Host: "fe80::1%eth0", Dir: "garden"},
		"pi@[2001:db8::1]":                  {User: "pi", Host: "2001:db8::1"},
		"pi@2001:db8::1":                    {User: "pi", Host: "2001:db8::1"},
		"ssh://pi@greenhouse:2222/srv/g":    {User: "pi", Host: "greenhouse", Port: 2222, Dir: "/srv/g"},
		"ssh://greenhouse":                  {Host: "greenhouse"},
		"ssh://[::1]:22/~/the%20garden":     {Host: "::1", Port: 22, Dir: "~/the garden"},
		"192.168.1.23:-x":                   {Host: "192.168.1.23", Dir: "-x"},
		"greenhouse:ca:fe":                  {Host: "greenhouse", Dir: "ca:fe"},
		"ssh://pi@greenhouse.local:22/":     {User: "pi", Host: "greenhouse.local", Port: 22},
		"pi@greenhouse:/srv/2001::1/garden": {User: "pi", Host: "greenhouse", Dir: "/srv/2001::1/garden"},
	} {
		got, err := ParseTarget(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", text, diff)
		}
	}
	for _, text := range []string{"", ":x", "@host", "-oProxyCommand=x", "pi@-oProxyCommand=x", "-l@host", "a b", "host:x\ny", "[::1", "[::1]x",
		"ssh://pi:secret@host/", "ssh://host:99999/", "ssh://", "host:~root/x"} {
		if got, err := ParseTarget(text); err == nil {
			t.Errorf("%q is taken: %+v", text, got)
		}
	}
}

func TestRemoteDir(t *testing.T) {
	for dir, want := range map[string]string{"": "./ota", "garden": "./garden", "~/garden": "./garden", "~": ".", "-x": "./-x", "/srv/g": "/srv/g", "/": "/"} {
		if got := (Target{Host: "h", Dir: dir}).RemoteDir(); got != want {
			t.Errorf("%q: %q, not %q", dir, got, want)
		}
	}
}

// FuzzParseTarget: nothing that ssh would take for an option comes through.
func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{"pi@greenhouse:garden", "ssh://pi@[::1]:22/~/x", "-oProxyCommand=x", "[::1]:x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		target, err := ParseTarget(text)
		if err != nil {
			return
		}
		if login := target.Login(); login[0] == '-' || target.Host[0] == '-' || strings.ContainsAny(target.Host, " \n@/") {
			t.Errorf("%q: %q", text, login)
		}
		if dir := target.RemoteDir(); dir[0] != '/' && dir[0] != '.' || strings.ContainsAny(dir, "\n\x00") {
			t.Errorf("%q: %q", text, dir)
		}
	})
}

// FuzzQuote compares with what a real shell reads.
func FuzzQuote(f *testing.F) {
	for _, seed := range []string{"", "garden", "the garden", "it's", `a\b`, `\'`, "''", "$(reboot)", "`reboot`", "!x", "~", "*", "a\nb", "é", "#x", "a=b"} {
		f.Add(seed, "second")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		if strings.ContainsRune(first+second, 0) {
			t.Skip("no argument has it")
		}
		got, err := exec.Command("sh", "-c", Quote("printf", `%s\000`, first, second)).Output()
		if err != nil {
			t.Fatal(err)
		}
		if want := first + "\x00" + second + "\x00"; string(got) != want {
			t.Errorf("%q, not %q", got, want)
		}
	})
}
