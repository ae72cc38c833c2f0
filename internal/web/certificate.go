package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"ota/internal/kit/durable"
	"ota/internal/kit/fingerprint"
	"ota/internal/kit/hint"
)

// ownFile holds the certificate of our own making, and its key.
const ownFile = "web.pem"

// lookAgain is how often a certificate's files are looked at, at most: whoever
// renews one does so once in two months.
const lookAgain = 10 * time.Second

// certificate is what the server shows. One that came in files is read again
// when they have changed.
type certificate struct {
	cert, key string // files
	log       *slog.Logger

	mu     sync.Mutex
	shown  *tls.Certificate
	states [2]state // of the files when they were read
	looked time.Time
}

// state tells whether a file is still the one that was read.
type state struct {
	size     int64
	modified time.Time
}

// openCertificate reads the files that the options name, or our own, which is
// made where there is none. It is kept for good: whoever has compared its
// fingerprint once must not be asked again.
func openCertificate(options Options) (*certificate, error) {
	if options.Cert != "" {
		c := &certificate{cert: options.Cert, key: options.Key, log: options.Log}
		err := c.read()
		if err != nil {
			err = hint.With(fmt.Errorf("cannot use the certificate of [web]: %w", err), "cert and key must be a pair in PEM files that ota's user may read")
		}
		return c, err
	}
	own := filepath.Join(options.Dir, ownFile)
	c := &certificate{cert: own, key: own, log: options.Log}
	err := c.read()
	if err == nil {
		return c, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		options.Log.Warn("the page's certificate can't be read, so a new one is made", "error", err)
	}
	made, err := makeCertificate(nameOfHost())
	if err == nil {
		err = durable.WriteFile(own, made, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot make a certificate for the page: %w", err)
	}
	return c, c.read()
}

func (c *certificate) read() error {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return err
	}
	c.shown, c.states, c.looked = &pair, c.now(), time.Now()
	return nil
}

func (c *certificate) now() (states [2]state) {
	for i, file := range []string{c.cert, c.key} {
		if info, err := os.Stat(file); err == nil {
			states[i] = state{info.Size(), info.ModTime()}
		}
	}
	return states
}

// config is what a connection begins with.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.current(), nil
		},
	}
}

// current returns the certificate, read again if its files have changed and are
// a pair: a renewal writes one after the other.
func (c *certificate) current() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < lookAgain {
		return c.shown
	}
	c.looked = time.Now()
	if c.now() != c.states {
		if err := c.read(); err != nil {
			c.log.Warn("the page's new certificate can't be used yet", "error", err)
		}
	}
	return c.shown
}

// fingerprint is the SHA-256 of the certificate, as browsers show it.
func (c *certificate) fingerprint() string {
	return fingerprint.Of(c.current().Certificate[0])
}

// The certificate holds for all of the time that its format can write in two
// digits of a year (RFC 5280, 4.1.2.5.1), as a device may not know what time it
// is when it is made, or later.
var (
	notBefore = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC)
)

// makeCertificate returns a certificate for this machine, signed by itself, and
// its key, in PEM.
func makeCertificate(host string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: host, Organization: []string{"ota"}},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{host, host + ".local", "localhost"},
		IPAddresses:           addresses(),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...), nil
}

// addresses are those of the machine now. They may change; a browser that asks
// about the certificate anyhow asks once more.
func addresses() []net.IP {
	list := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	found, err := net.InterfaceAddrs()
	if err != nil {
		return list
	}
	for _, one := range found {
		if network, ok := one.(*net.IPNet); ok && network.IP.IsGlobalUnicast() {
			list = append(list, network.IP)
		}
	}
	return list
}
