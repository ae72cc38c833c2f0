package push

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"ota/internal/api"
	"ota/internal/kit/hint"
)

// device is a place behind the page of its ota.
type device struct {
	base  string // https://HOST:PORT, or http:// on this machine
	host  string // HOST:PORT, for people
	name  string // HOST
	pin   Fingerprint
	token token
}

// token is what lets in.
type token struct {
	secret string
	origin origin
}

// origin is where a token comes from, which decides what to do about a wrong one.
type origin string

const (
	given  origin = "given"  // by who calls
	paired origin = "paired" // by an earlier push
)

// parseDevice reads https://HOST:PORT. Without TLS it takes this machine only, as
// for the end of a tunnel.
func parseDevice(text string) (*device, error) {
	at, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no address", text)
	}
	host := strings.ToLower(at.Hostname())
	switch {
	case at.User != nil:
		return nil, hint.With(errors.New("an address holds no secret"), "put the token into OTA_TOKEN, or a file for --token-file")
	case at.Scheme != "https" && at.Scheme != "http", host == "" || strings.Trim(at.Path, "/") != "" || at.RawQuery != "" || at.Fragment != "":
		return nil, hint.With(fmt.Errorf("%q is not the address of a device", at.Redacted()), `name it as "ota status" there does: https://HOST:8484`)
	case at.Scheme == "http" && !isLoopback(host):
		return nil, hint.With(errors.New("without TLS everybody on the way could read the token"), "use https://, or a tunnel: ssh -L 8484:127.0.0.1:8484 HOST, and http://127.0.0.1:8484")
	}
	port := at.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[at.Scheme]
	}
	place := net.JoinHostPort(host, port)
	return &device{base: at.Scheme + "://" + place, host: place, name: host}, nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (d *device) isEncrypted() bool { return strings.HasPrefix(d.base, "https://") }

// Limits of what the device may let us wait for.
const (
	reachTime  = 30 * time.Second // to come to an answer
	takeTime   = time.Minute      // to take a piece of what is sent
	aliveAfter = 10 * time.Second // of silence it is asked whether it is there
	aliveEvery = 5 * time.Second
	aliveTimes = 6
	mostAnswer = 64 << 10
)

// transport connects to the device, through a proxy if the environment names one,
// and sends nothing before it has been verified.
func (d *device) transport() *http.Transport {
	dialer := &net.Dialer{Timeout: reachTime, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: aliveAfter, Interval: aliveEvery, Count: aliveTimes}}
	return &http.Transport{
		Proxy:                 proxy,
		DisableKeepAlives:     true,
		TLSHandshakeTimeout:   reachTime,
		ResponseHeaderTimeout: reachTime,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			return &impatient{conn}, err
		},
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12,
			ServerName: d.name,
			// It is verify that decides, which knows more than one way.
			InsecureSkipVerify: true,
			VerifyConnection:   d.verify,
		},
	}
}

// proxy is the one that the environment names. One behind TLS would be taken for the
// device, whose certificate it has not.
func proxy(request *http.Request) (*url.URL, error) {
	at, err := http.ProxyFromEnvironment(request)
	if err == nil && at != nil && at.Scheme == "https" {
		err = hint.With(errors.New("a proxy that is spoken to by https:// is not used"), "name one by http:// in HTTPS_PROXY, or leave this host out with NO_PROXY")
	}
	return at, err
}

// impatient is a connection over which each piece has its time.
type impatient struct{ net.Conn }

func (i *impatient) Write(p []byte) (int, error) {
	_ = i.SetWriteDeadline(time.Now().Add(takeTime))
	return i.Conn.Write(p)
}

// verify says whether it is the device: by the pinned certificate, and where none
// is, by the authorities that the system trusts.
func (d *device) verify(state tls.ConnectionState) error {
	shown := fingerprintOf(state.PeerCertificates[0])
	if d.pin != "" {
		if shown != d.pin {
			return &changed{d.host, shown}
		}
		return nil
	}
	between := x509.NewCertPool()
	for _, one := range state.PeerCertificates[1:] {
		between.AddCert(one)
	}
	if _, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: d.name, Intermediates: between}); err != nil {
		return &stranger{d.host, shown}
	}
	return nil
}

// ask sends a request. The error for what is not answered as wanted is a refusal.
func (d *device) ask(ctx context.Context, method, path string, headers http.Header, body string, want int) (*http.Response, error) {
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, d.base+path, content)
	if err != nil {
		return nil, err
	}
	request.Header = headers
	// A redirect is none that a device gives: the token goes nowhere else.
	client := http.Client{Transport: d.transport(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(request)
	if err != nil {
		return nil, unreached(err)
	}
	if answer.StatusCode != want {
		defer answer.Body.Close()
		return nil, d.refusal(answer)
	}
	return answer, nil
}

// unreached leaves out what was asked: the target is named already.
func unreached(err error) error {
	if asked, ok := errors.AsType[*url.Error](err); ok {
		err = asked.Err
	}
	if known, ok := errors.AsType[*changed](err); ok {
		return final{known}
	}
	if unknown, ok := errors.AsType[*stranger](err); ok {
		return final{unknown}
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return hint.With(err, `the page is at the port that "ota status" on the device names, and beyond it only with [web] listen`)
	}
	return err
}

// connect asks for a connection to a receiver (RFC 9110, 7.8).
func (d *device) connect(ctx context.Context) (io.ReadWriteCloser, error) {
	answer, err := d.ask(ctx, http.MethodPost, api.ReceivePath, http.Header{
		"Authorization": {"Bearer " + d.token.secret},
		"Connection":    {"Upgrade"},
		"Upgrade":       {api.ReceiveProtocol},
	}, "", http.StatusSwitchingProtocols)
	if err != nil {
		return nil, err
	}
	conn, ok := answer.Body.(io.ReadWriteCloser)
	if !ok || answer.Header.Get("Upgrade") != api.ReceiveProtocol {
		answer.Body.Close()
		return nil, final{errors.New("what answers there is no ota")}
	}
	return inPieces{conn}, nil
}

// pieceSize is of a record of TLS, which may have 16 KiB: of one that has arrived
// in part nothing can be used. The more there are of them the more they cost: 22
// bytes each.
const pieceSize = 4 << 10

// inPieces loses little when a connection is cut.
type inPieces struct{ io.ReadWriteCloser }

// Close has nothing to say: TLS complains of what has ended already.
func (i inPieces) Close() error {
	_ = i.ReadWriteCloser.Close()
	return nil
}

func (i inPieces) Write(p []byte) (n int, err error) {
	for err == nil && n < len(p) {
		var more int
		more, err = i.ReadWriteCloser.Write(p[n:min(len(p), n+pieceSize)])
		n += more
	}
	return n, err
}

// refusal says why the device did not do it, and what helps.
func (d *device) refusal(answer *http.Response) error {
	problem := api.Problem{Detail: "the device answers " + answer.Status}
	// What is no problem document comes from somebody in between.
	_ = json.NewDecoder(io.LimitReader(answer.Body, mostAnswer)).Decode(&problem)
	err := hint.With(errors.New(problem.Detail), problem.Advice)
	switch answer.StatusCode {
	case http.StatusUnauthorized:
		if d.token.secret == "" {
			return final{wrongCode{err}}
		}
		if d.token.origin == paired {
			return final{hint.With(errors.New("the device does not know the token of this computer any more"), `it was revoked there: "ota push --pair" gets another one`)}
		}
		return final{hint.With(errors.New("the device does not know this token"), `"ota web token list" on the device lists those that it knows, "ota web token" makes one`)}
	case http.StatusForbidden:
		return final{hint.With(err, `a token for it: ota web token --name NAME --allow read,upload`)}
	case http.StatusNotFound:
		return final{hint.With(errors.New("the ota on the device can't be pushed to over HTTPS"), "bring it a newer one, or push over ssh")}
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
		return err
	}
	return final{err}
}
