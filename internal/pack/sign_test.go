//go:build unix

package pack

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"ota/internal/parcel"
	"ota/internal/sshsig"
)

// TestSign signs with a key of each kind that needs no hardware, from a file and
// with its private half in the agent alone. What comes of it is what ssh-keygen
// and a device take.
func TestSign(t *testing.T) {
	for _, program := range []string{"ssh-keygen", "ssh-agent", "ssh-add"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	run := func(stdin []byte, argv ...string) {
		t.Helper()
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Stdin = bytes.NewReader(stdin)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", argv, err, said)
		}
	}
	// The path of a socket is short.
	dir, err := os.MkdirTemp("", "ota-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	manifest, err := (&parcel.Manifest{Format: 1, Kind: parcel.Whole, Serial: 1, Files: []parcel.Entry{}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	agent := exec.Command("ssh-agent", "-D", "-a", filepath.Join(dir, "agent"))
	told, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { agent.Process.Kill(); agent.Wait() })
	// It says where it listens, once it does.
	if _, err := told.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string][]string{
		"ed25519": {"-t", "ed25519"}, "ecdsa 256": {"-t", "ecdsa", "-b", "256"}, "ecdsa 384": {"-t", "ecdsa", "-b", "384"},
		"ecdsa 521": {"-t", "ecdsa", "-b", "521"}, "rsa 2048": {"-t", "rsa", "-b", "2048"},
	} {
		t.Run(name, func(t *testing.T) {
			key := filepath.Join(dir, name)
			run(nil, append([]string{"ssh-keygen", "-q", "-N", "", "-C", "", "-f", key}, kind...)...)
			public, err := os.ReadFile(key + ".pub")
			if err != nil {
				t.Fatal(err)
			}
			list, allowed := []byte("anna "+string(public)), filepath.Join(dir, "allowed")
			signers, err := sshsig.ParseSigners(list)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(allowed, list, 0o600); err != nil {
				t.Fatal(err)
			}
			check := func(named string) {
				t.Helper()
				at := filepath.Join(t.TempDir(), parcel.ManifestName)
				if err := os.WriteFile(at, manifest, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := (&Signing{Key: named, Say: io.Discard}).Sign(t.Context(), at); err != nil {
					t.Fatal(err)
				}
				signature, err := os.ReadFile(at + ".sig")
				if err != nil {
					t.Fatal(err)
				}
				if found, err := signers.Verify(parcel.Namespace, manifest, signature, sshsig.Clock{}); err != nil || len(found) != 1 {
					t.Errorf("%v, %v", found, err)
				}
				run(manifest, "ssh-keygen", "-Y", "verify", "-q", "-n", parcel.Namespace, "-I", "anna", "-f", allowed, "-s", at+".sig")
			}
			check(key)
			t.Setenv("SSH_AUTH_SOCK", filepath.Join(dir, "agent"))
			run(nil, "ssh-add", "-q", key)
			if err := os.Remove(key); err != nil {
				t.Fatal(err)
			}
			check(key + ".pub")
		})
	}
}
