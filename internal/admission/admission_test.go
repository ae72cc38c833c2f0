package admission

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ota/internal/parcel"
	"ota/internal/reason"
	"ota/internal/sshsig"
)

// person has a key.
type person struct {
	name string
	key  ed25519.PrivateKey
}

func personOf(name string) person {
	seed := sha256.Sum256([]byte(name))
	return person{name, ed25519.NewKeyFromSeed(seed[:])}
}

var anna, bernd, mallory = personOf("anna"), personOf("bernd"), personOf("mallory")

func text(parts ...string) (all []byte) {
	for _, part := range parts {
		all = binary.BigEndian.AppendUint32(all, uint32(len(part)))
		all = append(all, part...)
	}
	return all
}

func (p person) public() string {
	return string(text("ssh-ed25519", string(p.key.Public().(ed25519.PublicKey))))
}

func (p person) line() string {
	return p.name + " ssh-ed25519 " + base64.StdEncoding.EncodeToString([]byte(p.public())) + "\n"
}

// sign does what "ssh-keygen -Y sign" does.
func (p person) sign(manifest []byte) []byte {
	sum := sha512.Sum512(manifest)
	signed := append([]byte("SSHSIG"), text(parcel.Namespace, "", "sha512", string(sum[:]))...)
	blob := append([]byte("SSHSIG\x00\x00\x00\x01"),
		text(p.public(), parcel.Namespace, "", "sha512", string(text("ssh-ed25519", string(ed25519.Sign(p.key, signed)))))...)
	return []byte("-----BEGIN SSH SIGNATURE-----\n" + base64.StdEncoding.EncodeToString(blob) + "\n-----END SSH SIGNATURE-----\n")
}

// device is one that a release comes to.
type device struct {
	*testing.T
	*Keeper
	dir      string
	now      time.Time
	admitted Admitted // last
}

func newDevice(t *testing.T, signers string) *device {
	d := &device{T: t, dir: t.TempDir()}
	d.write(signers)
	d.Keeper = New(Options{
		Signers: filepath.Join(d.dir, "allowed_signers"), State: filepath.Join(d.dir, "trust.json"),
		App: "garden", Arch: "arm", Clock: func() sshsig.Clock { return sshsig.Clock{Now: d.now} },
		Current: func() (none [32]byte) { return none },
	})
	return d
}

func (d *device) write(signers string) {
	d.Helper()
	path := filepath.Join(d.dir, "allowed_signers")
	if signers == "" {
		os.Remove(path)
		return
	}
	if err := os.WriteFile(path, []byte(signers), 0o644); err != nil {
		d.Fatal(err)
	}
}

func release(serial int64, change ...func(*parcel.Manifest)) *parcel.Manifest {
	m := &parcel.Manifest{Format: 1, Kind: parcel.Whole, App: "garden", Serial: serial, Files: []parcel.Entry{}}
	for _, one := range change {
		one(m)
	}
	return m
}

// try asks to take a release, and says why not.
func (d *device) try(m *parcel.Manifest, by ...person) string {
	d.Helper()
	data, err := m.Encode()
	if err != nil {
		d.Fatal(err)
	}
	var signatures []byte
	for _, one := range by {
		signatures = append(signatures, one.sign(data)...)
	}
	d.admitted, err = d.Admit(data, signatures)
	if refused, ok := errors.AsType[*reason.Refused](err); ok {
		return refused.Reasons[0].Message
	}
	if err != nil {
		d.Fatal(err)
	}
	return ""
}

// take does what the device does when a release is confirmed.
func (d *device) take(m *parcel.Manifest, by ...person) {
	d.Helper()
	if why := d.try(m, by...); why != "" {
		d.Fatal(why)
	}
	d.confirm(d.admitted)
}

func (d *device) confirm(admitted Admitted) {
	d.Helper()
	m := admitted.Manifest
	if err := d.Confirmed(Release{m.App, m.Serial, m.RollbackTo, m.Signers, m.Threshold, admitted.Replaces}); err != nil {
		d.Fatal(err)
	}
}

func (d *device) refuses(want string, m *parcel.Manifest, by ...person) {
	d.Helper()
	if got := d.try(m, by...); !strings.Contains(got, want) || (want == "") != (got == "") {
		d.Errorf("got %q, want %q", got, want)
	}
}

func TestSignaturesAreRequired(t *testing.T) {
	d := newDevice(t, "")
	d.refuses("", release(1))
	if err := d.Bare(); err != nil {
		t.Error(err)
	}
	d.write(anna.line())
	d.refuses("the release is not signed", release(1))
	d.refuses("not in allowed_signers", release(1), mallory)
	d.refuses("not in allowed_signers", release(1), anna, mallory)
	d.refuses("", release(1), anna)
	if err := d.Bare(); err == nil {
		t.Error("files without a manifest are taken")
	}
	d.write("# nobody\n")
	d.refuses("there is no key in it", release(1), anna)
}

// TestNothingIsReadUnsigned: what nobody has signed need not even be JSON.
func TestNothingIsReadUnsigned(t *testing.T) {
	d := newDevice(t, anna.line())
	_, err := d.Admit([]byte("{"), mallory.sign([]byte("{")))
	if err == nil || !strings.Contains(err.Error(), "not in allowed_signers") {
		t.Error(err)
	}
	_, err = d.Admit([]byte("{"), anna.sign([]byte("{")))
	if err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Error(err)
	}
}

func TestSerialsGoUp(t *testing.T) {
	d := newDevice(t, anna.line())
	d.take(release(5), anna)
	d.refuses("its serial, 5, is not above 5", release(5), anna)
	d.refuses("its serial, 4, is not above 5", release(4), anna)
	d.refuses("", release(6), anna)
	d.refuses("", release(6), anna) // it was never confirmed: it may be tried again
	d.take(release(9, func(m *parcel.Manifest) { m.RollbackTo = 4 }), anna)
	d.refuses("", release(4), anna)
	d.refuses("its serial, 3, is not above 9", release(3), anna)
	d.take(release(6), anna)
	d.refuses("", release(5), anna)
	d.refuses("", release(10), anna)
	d.take(release(10), anna)
	d.refuses("its serial, 9, is not above 10", release(9), anna)
	d.take(release(11), anna)
	if err := d.Confirmed(Release{App: "garden", Serial: 7, RollbackTo: 1}); err != nil { // after a rollback on the device
		t.Fatal(err)
	}
	d.refuses("its serial, 7, is not above 11", release(7), anna)
}

// TestCurrentAgain: the current release changes nothing, and is no downgrade.
func TestCurrentAgain(t *testing.T) {
	d := newDevice(t, anna.line())
	m := release(5)
	d.take(m, anna)
	data, _ := m.Encode()
	d.options.Current = func() [32]byte { return sha256.Sum256(data) }
	d.refuses("", m, anna)
	d.refuses("its serial, 5", release(5, func(m *parcel.Manifest) { m.Message = "another" }), anna)
}

func TestKeysAreChanged(t *testing.T) {
	d := newDevice(t, anna.line())
	d.take(release(1, func(m *parcel.Manifest) { m.Signers = bernd.line() }), anna)
	d.refuses("not in allowed_signers", release(2), anna)
	d.refuses("", release(2), bernd)
	d.refuses("can't be used", release(2, func(m *parcel.Manifest) { m.Signers = "nonsense" }), bernd)
	d.refuses("2 people would have to sign", release(2, func(m *parcel.Manifest) { m.Threshold = 2 }), bernd)
	both := func(m *parcel.Manifest) { m.Signers, m.Threshold = anna.line()+bernd.line(), 2 }
	d.refuses("not in allowed_signers", release(2, both), anna)
	d.take(release(2, both), bernd)
	d.refuses("2 people have to sign; 1 did: bernd", release(3), bernd)
	d.refuses("2 people have to sign; 1 did: bernd", release(3), bernd, bernd)
	d.refuses("", release(3), bernd, anna)
	d.take(release(3, func(m *parcel.Manifest) { m.Threshold = 1 }), bernd, anna)
	d.refuses("", release(4), anna)
	d.options.Threshold = 2 // on the device
	d.refuses("2 people have to sign; 1 did: anna", release(4), anna)
	d.options.Threshold = 0

	// Whoever can write beside ota.toml decides anew.
	d.write(mallory.line())
	d.refuses("", release(4), mallory)
	d.refuses("not in allowed_signers", release(4), anna)
	d.refuses("its serial, 3, is not above 3", release(3), mallory)
}

// TestNotYetConfirmed: keys that a release brings count when it has proved
// itself.
func TestNotYetConfirmed(t *testing.T) {
	d := newDevice(t, anna.line())
	d.refuses("", release(1, func(m *parcel.Manifest) { m.Signers = bernd.line() }), anna)
	d.refuses("not in allowed_signers", release(2), bernd)
	d.refuses("", release(2), anna)
}

// TestTheFileHasTheLastWord: whoever writes it while a release that brings keys is
// on trial has meant that list and no other.
func TestTheFileHasTheLastWord(t *testing.T) {
	d := newDevice(t, anna.line())
	d.refuses("", release(1, func(m *parcel.Manifest) { m.Signers = anna.line() + bernd.line() }), anna)
	onTrial := d.admitted
	d.write(bernd.line())
	d.confirm(onTrial)
	d.refuses("not in allowed_signers", release(2), anna)
	d.refuses("its serial, 1, is not above 1", release(1), bernd)
	d.refuses("", release(2), bernd)
	d.write(anna.line()) // a list that another was to take the place of comes back without it
	d.refuses("not in allowed_signers", release(2), bernd)
}

func TestItFits(t *testing.T) {
	d := newDevice(t, anna.line())
	at := time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)
	expires := func(m *parcel.Manifest) { m.Expires = &at }
	d.refuses(`one of "kitchen"`, release(1, func(m *parcel.Manifest) { m.App = "kitchen" }), anna)
	d.refuses("names no program", release(1, func(m *parcel.Manifest) { m.App = "" }), anna)
	d.refuses("is for arm64, amd64; this device is arm", release(1, func(m *parcel.Manifest) { m.Needs = &parcel.Needs{Arch: []string{"arm64", "amd64"}} }), anna)
	d.refuses("", release(1, func(m *parcel.Manifest) { m.Needs = &parcel.Needs{Arch: []string{"arm64", "arm"}} }), anna)
	d.refuses("", release(1, expires), anna) // nobody knows what time it is
	d.now = at.Add(-time.Second)
	d.refuses("", release(1, expires), anna)
	d.now = at
	d.refuses("expired, on 2027-01-02 00:00:00 UTC", release(1, expires), anna)
	d.write(strings.Replace(anna.line(), "ssh-ed25519", `valid-before="20270101" ssh-ed25519`, 1))
	d.refuses("was valid only before", release(1), anna)
	d.now = time.Time{}
	d.refuses("", release(1), anna)
}

// TestDamage takes nothing: to go on without would be what an attacker wants.
func TestDamage(t *testing.T) {
	d := newDevice(t, anna.line())
	d.take(release(5), anna)
	for _, content := range []string{"", "{", "[]", `{"programs": 7}`} {
		if err := os.WriteFile(filepath.Join(d.dir, "trust.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		d.refuses("can't be read", release(6), anna)
		if err := d.Confirmed(Release{App: "garden", Serial: 6}); err == nil {
			t.Errorf("%q is written over", content)
		}
	}
	os.Remove(filepath.Join(d.dir, "trust.json"))
	d.write(strings.Repeat("x", sshsig.LongestSigners+1))
	d.refuses("longer than", release(6), anna)
	os.Remove(filepath.Join(d.dir, "allowed_signers"))
	if err := os.Mkdir(filepath.Join(d.dir, "allowed_signers"), 0o755); err != nil {
		t.Fatal(err)
	}
	d.refuses("can't be read", release(6), anna)
}

// TestMade: ota vouches for what it has made itself of something signed; all but
// the signature is as with any other release.
func TestMade(t *testing.T) {
	d := newDevice(t, anna.line())
	data, err := release(5).Encode()
	if err != nil {
		t.Fatal(err)
	}
	admitted, err := d.AdmitMade(data, []string{"anna"})
	if err != nil || len(admitted.Signers) != 1 {
		t.Errorf("%+v, %v", admitted, err)
	}
	d.take(release(5), anna)
	if _, err := d.AdmitMade(data, []string{"anna"}); err == nil || !strings.Contains(err.Error(), "not above 5") {
		t.Error(err)
	}
	// What was signed as a release is no commit.
	if _, err := d.Signers("git", data, anna.sign(data)); err == nil || !strings.Contains(err.Error(), parcel.Namespace) {
		t.Error(err)
	}
	if _, err := newDevice(t, "").Signers("git", data, anna.sign(data)); err == nil {
		t.Error("without keys somebody has signed")
	}
}
