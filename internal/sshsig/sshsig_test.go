package sshsig

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"flag"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "make the vectors anew, with ssh-keygen")

const space = "ota-release"

var message = []byte("what is signed\n")

// kinds are the vectors: what "ssh-keygen -t" makes.
var kinds = map[string][]string{
	"ed25519":   {"-t", "ed25519"},
	"ecdsa-256": {"-t", "ecdsa", "-b", "256"},
	"ecdsa-384": {"-t", "ecdsa", "-b", "384"},
	"ecdsa-521": {"-t", "ecdsa", "-b", "521"},
	"rsa-2048":  {"-t", "rsa", "-b", "2048"},
	"rsa-3072":  {"-t", "rsa", "-b", "3072"},
	"rsa-4096":  {"-t", "rsa", "-b", "4096"},
	"rsa-1024":  {"-t", "rsa", "-b", "1024"},
}

// TestVectors checks signatures that ssh-keygen has made: of every kind of key
// that it makes without hardware, with both hashes.
func TestVectors(t *testing.T) {
	if *update {
		makeVectors(t)
	}
	for kind := range kinds {
		for _, hash := range []string{"sha256", "sha512"} {
			t.Run(kind+" "+hash, func(t *testing.T) {
				signature := read(t, kind+"."+hash+".sig")
				signers, err := ParseSigners([]byte("anna@example " + string(read(t, kind+".pub"))))
				if kind == "rsa-1024" {
					if err == nil || !strings.Contains(err.Error(), "1024 bits") {
						t.Fatalf("a weak key: %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				found, err := signers.Verify(space, message, signature, Clock{})
				if err != nil || len(found) != 1 || found[0].Name != "anna@example" {
					t.Fatalf("%v, %v", found, err)
				}
				if _, err := signers.Verify(space, append(message, '!'), signature, Clock{}); err == nil {
					t.Error("other bytes are taken")
				}
				if _, err := signers.Verify("git", message, signature, Clock{}); err == nil || !strings.Contains(err.Error(), `"git"`) {
					t.Errorf("a signature for something else: %v", err)
				}
			})
		}
	}
}

// TestEveryChangedBitIsSeen changes each bit of signatures.
func TestEveryChangedBitIsSeen(t *testing.T) {
	for _, kind := range []string{"ed25519", "ecdsa-256"} {
		signers, err := ParseSigners([]byte("anna " + string(read(t, kind+".pub"))))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer(begin, "", end, "", "\n", "").Replace(string(read(t, kind+".sha512.sig")))
		blob, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		for at := range len(blob) * 8 {
			blob[at/8] ^= 1 << (at % 8)
			if _, err := signers.Verify(space, message, armour(blob), Clock{}); err == nil {
				t.Errorf("%s: bit %d is not seen", kind, at)
			}
			blob[at/8] ^= 1 << (at % 8)
		}
		for short := range blob {
			if _, err := signers.Verify(space, message, armour(blob[:short]), Clock{}); err == nil {
				t.Errorf("%s: cut off at %d is not seen", kind, short)
			}
		}
	}
}

// TestHardwareKeys makes what a security key would, and asks ssh-keygen whether
// it agrees. Who has shown a PIN or a finger beside (user verified) has touched it.
func TestHardwareKeys(t *testing.T) {
	for kind, key := range map[string]hardware{"ed25519": newHardwareEd25519(t), "ecdsa": newHardwareECDSA(t)} {
		public := "anna " + key.kind + " " + base64.StdEncoding.EncodeToString(key.public)
		signers, err := ParseSigners([]byte(public))
		if err != nil {
			t.Fatal(err)
		}
		signature := key.sign(userPresent)
		if _, err := signers.Verify(space, message, signature, Clock{}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		askKeygen(t, public, signature)
		if _, err := signers.Verify(space, message, key.sign(userPresent|0x04), Clock{}); err != nil {
			t.Errorf("%s, user verified: %v", kind, err)
		}
		elsewhere := strings.Replace(public, base64.StdEncoding.EncodeToString(key.public), base64.StdEncoding.EncodeToString(bytes.Replace(key.public, []byte(application), []byte("web:"), 1)), 1)
		others, err := ParseSigners([]byte(elsewhere))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := others.Verify(space, message, signature, Clock{}); err == nil {
			t.Errorf("%s: the key of another application is taken", kind)
		}
		if _, err := signers.Verify(space, message, key.sign(0), Clock{}); err == nil || !strings.Contains(err.Error(), "touched") {
			t.Errorf("%s: a key that nobody touched: %v", kind, err)
		}
	}
}

// TestRSA makes signatures as RFC 8332 has them, with each hash, and asks
// ssh-keygen whether it agrees. SHA-1, which RFC 4253 has, is refused by its name,
// and so is a signature whose hash is not the one that it names.
func TestRSA(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	blob := appendText(appendText(nil, []byte("ssh-rsa")), mpint(big.NewInt(int64(private.E))))
	blob = appendText(blob, mpint(private.N))
	public := "anna ssh-rsa " + base64.StdEncoding.EncodeToString(blob)
	signers, err := ParseSigners([]byte(public))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		algorithm string
		hash      crypto.Hash
		want      string // of the error; empty: it is taken
	}{
		{"rsa-sha2-512", crypto.SHA512, ""},
		{"rsa-sha2-256", crypto.SHA256, ""},
		{"rsa-sha2-512", crypto.SHA256, "does not belong to these bytes"},
		{"rsa-sha2-256", crypto.SHA512, "does not belong to these bytes"},
		{"ssh-rsa", crypto.SHA1, `"ssh-rsa" are not taken`},
		{"ssh-rsa", crypto.SHA512, `"ssh-rsa" are not taken`},
		{"ssh-ed25519", crypto.SHA512, `"ssh-ed25519" are not taken`},
	} {
		signature := sealed(blob, func(signed []byte) []byte {
			hash := test.hash.New()
			hash.Write(signed)
			value, err := rsa.SignPKCS1v15(rand.Reader, private, test.hash, hash.Sum(nil))
			if err != nil {
				t.Fatal(err)
			}
			return appendText(appendText(nil, []byte(test.algorithm)), value)
		})
		_, err := signers.Verify(space, message, signature, Clock{})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s with %s: %v, want %q", test.algorithm, test.hash, err, test.want)
		}
		if test.want == "" {
			askKeygen(t, public, signature)
		}
	}
}

// TestWhoSigned: two people are two people, and not one with two keys.
func TestWhoSigned(t *testing.T) {
	one, two := strings.TrimSpace(string(read(t, "ed25519.pub"))), strings.TrimSpace(string(read(t, "ecdsa-256.pub")))
	both := append(read(t, "ed25519.sha512.sig"), read(t, "ecdsa-256.sha256.sig")...)
	for list, want := range map[string]int{
		"anna " + one + "\nbernd " + two: 2,
		"anna " + one + "\nanna " + two:  1,
	} {
		signers, err := ParseSigners([]byte(list))
		if err != nil {
			t.Fatal(err)
		}
		if found, err := signers.Verify(space, message, both, Clock{}); err != nil || len(found) != want {
			t.Errorf("%d people: %v, %v", want, found, err)
		}
		if found, err := signers.Verify(space, message, append(both, both...), Clock{}); err != nil || len(found) != want {
			t.Errorf("%d people, twice: %v, %v", want, found, err)
		}
	}
	signers, _ := ParseSigners([]byte("anna " + one))
	if _, err := signers.Verify(space, message, both, Clock{}); err == nil || !strings.Contains(err.Error(), "not in allowed_signers") {
		t.Errorf("a stranger beside a friend: %v", err)
	}
}

func TestParseSigners(t *testing.T) {
	key := strings.TrimSpace(string(read(t, "ed25519.pub")))
	at := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		line string
		now  time.Time
		want string // of the error; empty: it is taken
	}{
		{line: "anna " + key},
		{line: `"anna b, carl" ` + key},
		{line: "# only a comment", want: "there is no key in it"},
		{line: "anna", want: "line 1: there is no key"},
		{line: "anna cert-authority " + key, want: "certificates are not taken"},
		{line: `anna cert-authority,namespaces="x" ` + key, want: "certificates are not taken"},
		{line: `anna namespaces="git,ota-release" ` + key},
		{line: `anna namespaces="ota-*" ` + key},
		{line: `anna Namespaces="git" ` + key, want: `may not sign for "ota-release"`},
		{line: `anna namespaces="!git" ` + key, want: "exceptions are not taken"},
		{line: `anna namespaces="git ` + key, want: "quotation mark"},
		{line: `anna frobs ` + key, want: `option "frobs" is not known`},
		{line: `anna valid-before="20270131" ` + key, now: at, want: "was valid only before 2027-01-31"},
		{line: `anna valid-before="20270131" ` + key}, // nobody knows what time it is
		{line: `anna valid-before="20270131" ` + key, now: at.Add(-time.Second)},
		{line: `anna valid-after="202701310001Z" ` + key, now: at, want: "valid only after 2027-01-31 00:01:00"},
		{line: `anna valid-after="20270131",valid-before="20280101" ` + key, now: at},
		{line: `anna valid-after="tomorrow" ` + key, want: "is no time"},
		{line: "anna ssh-dss AAAAB3NzaC1kc3M=", want: `"ssh-dss" are not taken`},
		{line: "anna ssh-rsa " + strings.Fields(key)[1], want: `of the kind "ssh-ed25519", not "ssh-rsa"`},
		{line: "anna ssh-ed25519 AAAA", want: "damaged"},
		{line: "anna ssh-ed25519 !", want: "not base64"},
	} {
		signers, err := ParseSigners([]byte(test.line + "\n"))
		if err == nil {
			_, err = signers.Verify(space, message, read(t, "ed25519.sha512.sig"), Clock{test.now})
		}
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.line, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: got %v, want %s", test.line, err, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for kind := range kinds {
		f.Add(read(f, kind+".sha512.sig"), read(f, kind+".pub"))
	}
	f.Fuzz(func(t *testing.T, file, list []byte) {
		if found, err := Parse(file); err == nil {
			for _, one := range found {
				one.Check(space, message) // must not panic
			}
		}
		if signers, err := ParseSigners(append([]byte("anna "), list...)); err == nil {
			signers.Verify(space, message, file, Clock{})
		}
	})
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func makeVectors(t *testing.T) {
	dir := t.TempDir()
	for kind, arguments := range kinds {
		key := filepath.Join(dir, kind)
		run(t, nil, "ssh-keygen", append(arguments, "-q", "-N", "", "-C", "", "-f", key)...)
		public, err := os.ReadFile(key + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join("testdata", kind+".pub"), public)
		for _, hash := range []string{"sha256", "sha512"} {
			signature := run(t, message, "ssh-keygen", "-Y", "sign", "-q", "-n", space, "-O", "hashalg="+hash, "-f", key)
			write(t, filepath.Join("testdata", kind+"."+hash+".sig"), signature)
		}
	}
}

func askKeygen(t *testing.T, list string, signature []byte) {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("there is no ssh-keygen")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "allowed"), []byte(list+"\n"))
	write(t, filepath.Join(dir, "sig"), signature)
	run(t, message, "ssh-keygen", "-Y", "verify", "-q", "-n", space, "-I", "anna",
		"-f", filepath.Join(dir, "allowed"), "-s", filepath.Join(dir, "sig"))
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, stdin []byte, name string, arguments ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, arguments...)
	cmd.Stdin = strings.NewReader(string(stdin))
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", cmd, err, out)
	}
	return out
}

func armour(blob []byte) []byte {
	return []byte(begin + "\n" + base64.StdEncoding.EncodeToString(blob) + "\n" + end + "\n")
}

// hardware is a security key.
type hardware struct {
	kind   string
	public []byte
	raw    func(signed []byte) []byte
}

const application = "ssh:"

func newHardwareEd25519(t *testing.T) hardware {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	blob := appendText(appendText(appendText(nil, []byte(skEd25519Key)), public), []byte(application))
	return hardware{skEd25519Key, blob, func(signed []byte) []byte { return ed25519.Sign(private, signed) }}
}

func newHardwareECDSA(t *testing.T) hardware {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	blob := appendText(appendText(nil, []byte(skECDSAKey)), []byte("nistp256"))
	blob = appendText(appendText(blob, point), []byte(application))
	return hardware{skECDSAKey, blob, func(signed []byte) []byte {
		sum := sha256.Sum256(signed)
		r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return appendText(appendText(nil, mpint(r)), mpint(s))
	}}
}

func mpint(number *big.Int) []byte {
	raw := number.Bytes()
	if raw[0]&0x80 != 0 {
		raw = append([]byte{0}, raw...)
	}
	return raw
}

func (h hardware) sign(flags byte) []byte {
	return sealed(h.public, func(signed []byte) []byte {
		counter := binary.BigEndian.AppendUint32(nil, 7)
		value := appendText(appendText(nil, []byte(h.kind)), h.raw(hardwareMessage([]byte(application), flags, counter, signed)))
		return append(append(value, flags), counter...)
	})
}

// sealed is the signature of the message by a key, whose private half sign has.
func sealed(public []byte, sign func(signed []byte) []byte) []byte {
	sum := sha512.Sum512(message)
	signed := []byte(magic)
	for _, part := range []string{space, "", "sha512", string(sum[:])} {
		signed = appendText(signed, []byte(part))
	}
	blob := binary.BigEndian.AppendUint32([]byte(magic), version)
	for _, part := range [][]byte{public, []byte(space), nil, []byte("sha512"), sign(signed)} {
		blob = appendText(blob, part)
	}
	return armour(blob)
}
