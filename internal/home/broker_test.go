package home

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ota/internal/kit/hint"
	"ota/internal/kit/mqtt"
)

// TestReasonsAreWords for an owner.
func TestReasonsAreWords(t *testing.T) {
	at := func(year int) time.Time { return time.Date(year, 1, 1, 0, 5, 0, 0, time.UTC) }
	invalid := x509.CertificateInvalidError{Cert: &x509.Certificate{NotBefore: at(2026), NotAfter: at(2036)}, Reason: x509.Expired}
	for want, test := range map[string]struct {
		err error
		now time.Time
	}{
		"the clock of this device says 1970-01-01, and the broker's certificate is not valid before 2026-01-01 (set the clock; it is tried again by itself)": {&tls.CertificateVerificationError{Err: invalid}, at(1970)},
		"the broker's certificate has expired on 2036-01-01":                                                             {&tls.CertificateVerificationError{Err: invalid}, at(2040)},
		"nobody that is trusted here vouches for the broker's certificate ([mqtt] ca names the certificate of who does)": {&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, at(2026)},
		"the broker does not speak TLS on this port (mqtt:// or another port)":                                           {tls.RecordHeaderError{}, at(2026)},
		`the name "broker.local" is not found: no such host`:                                                             {&net.OpError{Op: "dial", Err: &net.DNSError{Name: "broker.local", Err: "no such host"}}, at(2026)},
		"no route to host": {&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route to host")}, at(2026)},
		"the broker does not know this user with this password (see [mqtt] user and password_file)": {&mqtt.Refused{Code: mqtt.BadUser}, at(2026)},
		"the broker is not ready": {&mqtt.Refused{Code: 3}, at(2026)},
		"the broker has closed the connection (if it does so again and again: another device may have the same [mqtt] name)": {net.ErrClosed, at(2026)},
		"cannot read /a/secret: file is closed": {&fs.PathError{Op: "open", Path: "/a/secret", Err: errors.New("file is closed")}, at(2026)},
	} {
		got := explain(test.err, test.now)
		text := got.Error()
		if advice := hint.Of(got); advice != "" {
			text += " (" + advice + ")"
		}
		if text != want {
			t.Errorf("%q, want %q", text, want)
		}
	}
}

// TestClockOf1970: a device that doesn't know what day it is says so, and finds
// the broker as soon as it knows.
func TestClockOf1970(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"broker"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(time.Hour), NotAfter: time.Now().Add(2 * time.Hour), // not yet
	}
	made, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pemOf(made), 0o600); err != nil {
		t.Fatal(err)
	}
	server := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{made}, PrivateKey: key}}}
	dial := func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go tls.Server(theirs, server).Handshake()
		return ours, nil
	}
	_, err = Broker{Address: "mqtts://broker:8883", CA: ca}.connect(t.Context(), dial, mqtt.Options{ClientID: "a"})
	if got := explain(err, time.Now()).Error(); !strings.HasPrefix(got, "the clock of this device says ") {
		t.Error(got)
	}
}

// TestPasswordFile holds one line.
func TestPasswordFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	for text, want := range map[string]string{"a b\n": "a b", "a\r\n": "a", "a": "a", "": "", "\n": "", "a\nb\n": ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readPassword(path); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, other := range []string{dir, filepath.Join(dir, "none")} {
		if _, err := readPassword(other); err == nil || hint.Of(err) == "" {
			t.Errorf("%s: %v", other, err)
		}
	}
}
