package trial

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"ota/internal/kit/escape"
)

// probe is one question. Its ask returns soon after ctx has ended, and nothing
// of it goes on then.
type probe struct {
	name string
	ask  func(ctx context.Context) (answer Answer, detail string)
}

// configured are the probes of a room.
func configured(options Options) []probe {
	var probes []probe
	if options.HTTP != "" {
		probes = append(probes, httpProbe(options.HTTP, options.Timeout))
	}
	if options.TCP != "" {
		probes = append(probes, tcpProbe(options.TCP, options.Timeout))
	}
	if len(options.Command) > 0 {
		probes = append(probes, commandProbe(options))
	}
	return probes
}

const (
	// longestHead is how much of an answer is read until its head has ended.
	longestHead = 16 << 10
	// longestBody and bodyTime are for the body, which is read for courtesy: a
	// server that is still writing when its client goes away logs an error,
	// Python's a whole traceback, at every question.
	longestBody = 4 << 10
	bodyTime    = 200 * time.Millisecond
)

// httpProbe asks with a connection of its own each time, without proxy, and
// follows no redirect. It does so without [http.Client], whose transport
// dials in a goroutine that may go on after the answer, and does not tell a
// name that can't be resolved from a server that is slow.
func httpProbe(address string, timeout time.Duration) probe {
	name := "http " + address
	if location, err := url.Parse(address); err == nil {
		name = "http " + location.Redacted()
	}
	return probe{escape.Name(name), func(ctx context.Context) (Answer, string) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return Unknown, err.Error()
		}
		status, err := get(ctx, request)
		switch {
		case err != nil:
			return mistake(err, timeout)
		case status < 200 || status >= 400:
			return Bad, fmt.Sprintf("status %d", status)
		}
		return OK, fmt.Sprintf("status %d", status)
	}}
}

func get(ctx context.Context, request *http.Request) (status int, err error) {
	conn, err := connect(ctx, request.URL)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	request.Close = true
	request.Header.Set("User-Agent", "ota")
	if user := request.URL.User; user != nil {
		password, _ := user.Password()
		request.SetBasicAuth(user.Username(), password)
	}
	if err := request.Write(conn); err != nil {
		return 0, err
	}
	limited := &io.LimitedReader{R: conn, N: longestHead}
	reader := bufio.NewReader(limited)
	for {
		response, err := http.ReadResponse(reader, request)
		if err != nil {
			return 0, err
		}
		if isInterim(response.StatusCode) {
			continue
		}
		_ = conn.SetReadDeadline(time.Now().Add(bodyTime))
		limited.N = longestBody
		_, _ = io.Copy(io.Discard, response.Body)
		return response.StatusCode, nil
	}
}

// isInterim is true of a head that announces another one (RFC 9110, 15.2).
func isInterim(status int) bool {
	return status >= 100 && status < 200 && status != http.StatusSwitchingProtocols
}

func connect(ctx context.Context, to *url.URL) (net.Conn, error) {
	port := to.Port()
	switch {
	case port == "" && to.Scheme == "https":
		port = "443"
	case port == "":
		port = "80"
	}
	conn, err := dial(ctx, net.JoinHostPort(to.Hostname(), port))
	if err != nil || to.Scheme != "https" {
		return conn, err
	}
	secure := tls.Client(conn, &tls.Config{ServerName: to.Hostname()})
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

func dial(ctx context.Context, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1}
	return dialer.DialContext(ctx, "tcp", address)
}

// tcpProbe asks whether anybody accepts connections.
func tcpProbe(address string, timeout time.Duration) probe {
	return probe{escape.Name("tcp " + address), func(ctx context.Context) (Answer, string) {
		conn, err := dial(ctx, address)
		if err != nil {
			return mistake(err, timeout)
		}
		conn.Close()
		return OK, "connected"
	}}
}

// lacking are errors that say something of ota or the system, not of the
// program.
var lacking = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}

// mistake says what an error on the way to the program means.
func mistake(err error, timeout time.Duration) (Answer, string) {
	if resolving, ok := errors.AsType[*net.DNSError](err); ok {
		return Unknown, resolving.Error()
	}
	for _, lack := range lacking {
		if errors.Is(err, lack) {
			return Unknown, lack.Error()
		}
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return Bad, number.Error() // "connection refused", without both addresses
	}
	timed, isNet := errors.AsType[net.Error](err)
	switch {
	case isNet && timed.Timeout(), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, net.ErrClosed): // by us, when the time was over
		return Bad, fmt.Sprintf("no answer within %s", timeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Bad, "connection closed without an answer"
	}
	return Bad, err.Error()
}

// commandProbe asks a command. What ended only because its time was over has
// no answer of its own.
func commandProbe(options Options) probe {
	name := "command " + strings.Join(options.Command, " ")
	return probe{escape.Name(name), func(ctx context.Context) (Answer, string) {
		code, output, err := options.Execute(ctx, options.Command)
		switch {
		case errors.Is(err, ErrNotRun):
			return Unknown, err.Error()
		case (err != nil || code != 0) && ctx.Err() != nil:
			return Bad, fmt.Sprintf("took longer than %s", options.Timeout)
		case err != nil:
			return Unknown, err.Error()
		case code == 0:
			return OK, "exit code 0"
		case output == "":
			return Bad, fmt.Sprintf("exit code %d", code)
		}
		return Bad, fmt.Sprintf("exit code %d: %s", code, output)
	}}
}

// ErrNotRun is the error of a command that could not be run at all.
var ErrNotRun = errors.New("command could not be run")

const longestDetail = 200

// harmless makes text from outside fit for the log and for JSON, and short.
func harmless(text string) string {
	text = string(escape.Line(nil, []byte(text)))
	if len(text) <= longestDetail {
		return text
	}
	const more = "…"
	end := longestDetail - len(more)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + more
}
