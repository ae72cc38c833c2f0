package ssh

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHosts(t *testing.T) {
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"config":      "Host greenhouse kitchen *.local !old\n  HostName 192.168.1.23\nhost=\"attic\"\n# Host not\nMatch host x\n",
		"known_hosts": "192.168.1.23,greenhouse ssh-ed25519 AAAA\n|1|hash|hash ssh-ed25519 AAAA\n[far]:2222 ssh-rsa AAAA\n@revoked bad ssh-rsa AAAA\n\n",
	} {
		if err := os.WriteFile(filepath.Join(home, ".ssh", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"192.168.1.23", "attic", "greenhouse", "kitchen"}, Hosts(home)); diff != "" {
		t.Error(diff)
	}
	if got := Hosts(t.TempDir()); len(got) != 0 {
		t.Error(got)
	}
}

func FuzzHosts(f *testing.F) {
	f.Add("Host greenhouse *\n192.168.1.23,x ssh-rsa AAAA\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, host := range append(configured(text), met(text)...) {
			if isPattern(host) {
				t.Errorf("%q", host)
			}
		}
	})
}
