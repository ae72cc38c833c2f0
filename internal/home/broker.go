package home

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"ota/internal/kit/hint"
	"ota/internal/kit/mqtt"
)

// dialTime is for the network to make a connection, and for TLS.
const dialTime = 30 * time.Second

// Broker is where messages go. It is what the record keeps of it, too.
type Broker struct {
	Address      string `json:"broker"` // "mqtt://host:port" or "mqtts://host:port"
	User         string `json:"user,omitempty"`
	PasswordFile string `json:"password_file,omitempty"` // absolute
	CA           string `json:"ca,omitempty"`            // absolute; empty: those that the system trusts
}

// largestSecret is more than a password or a few certificates have.
const largestSecret = 256 << 10

// connect makes a connection to the broker, as client.
func (b Broker) connect(ctx context.Context, dial dialer, options mqtt.Options) (*mqtt.Client, error) {
	scheme, address, _ := strings.Cut(b.Address, "://")
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if options.User = b.User; b.PasswordFile != "" {
		if options.Password, err = readPassword(b.PasswordFile); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if scheme == "mqtts" {
		if conn, err = b.secure(ctx, conn, host); err != nil {
			return nil, err
		}
	}
	return mqtt.Connect(ctx, conn, options)
}

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// secure closes the connection where that fails.
func (b Broker) secure(ctx context.Context, conn net.Conn, host string) (net.Conn, error) {
	settings := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if b.CA != "" {
		text, err := readSmall(b.CA)
		if err == nil {
			settings.RootCAs = x509.NewCertPool()
			if !settings.RootCAs.AppendCertsFromPEM(text) {
				err = fmt.Errorf("%s holds no certificate", b.CA)
			}
		}
		if err != nil {
			conn.Close()
			return nil, hint.With(err, "[mqtt] ca names a PEM file")
		}
	}
	secured := tls.Client(conn, settings)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}

func readPassword(path string) (string, error) {
	text, err := readSmall(path)
	if err != nil {
		return "", hint.With(err, "[mqtt] password_file names a file with the password in it")
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" || strings.ContainsAny(password, "\r\n") {
		return "", hint.With(fmt.Errorf("%s does not hold a password", path), "it is one line")
	}
	return password, nil
}

func readSmall(path string) ([]byte, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() { // a pipe would be waited for
		return nil, fmt.Errorf("%s is not a file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, largestSecret))
}

// explain says what an owner can do something with.
func explain(err error, now time.Time) error {
	if certificate, ok := errors.AsType[x509.CertificateInvalidError](err); ok && certificate.Reason == x509.Expired {
		if now.Before(certificate.Cert.NotBefore) {
			return hint.With(fmt.Errorf("the clock of this device says %s, and the broker's certificate is not valid before %s",
				now.Format(time.DateOnly), certificate.Cert.NotBefore.Format(time.DateOnly)), "set the clock; it is tried again by itself")
		}
		return fmt.Errorf("the broker's certificate has expired on %s", certificate.Cert.NotAfter.Format(time.DateOnly))
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return hint.With(errors.New("nobody that is trusted here vouches for the broker's certificate"), "[mqtt] ca names the certificate of who does")
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return hint.With(errors.New("the broker does not speak TLS on this port"), "mqtt:// or another port")
	}
	if refused, ok := errors.AsType[*mqtt.Refused](err); ok && (refused.Code == mqtt.BadUser || refused.Code == mqtt.NotAuthorized) {
		return hint.With(refused, "see [mqtt] user and password_file")
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("cannot read %s: %w", path.Path, path.Err)
	}
	if missed, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Errorf("the name %q is not found: %s", missed.Name, missed.Err)
	}
	if failed, ok := errors.AsType[*net.OpError](err); ok && failed.Op == "dial" {
		return failed.Err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return hint.With(errClosed, "if it does so again and again: another device may have the same [mqtt] name")
	}
	return err
}

// errClosed is also what a device sees whose name another one has, too: the
// broker drops the older of two connections of the same name.
var errClosed = errors.New("the broker has closed the connection")
