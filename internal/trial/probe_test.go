package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// mustSay asks the one probe of a room.
func mustSay(t *testing.T, options Options, want Answer, detail string) Result {
	t.Helper()
	results := New(options).Ask(t.Context())
	if len(results) != 1 {
		t.Fatalf("%d answers", len(results))
	}
	got := results[0]
	if got.Answer != want || !strings.Contains(got.Detail, detail) {
		t.Errorf("%s: %s: %q, want %s: %q", got.Probe, got.Answer, got.Detail, want, detail)
	}
	return got
}

func TestNothingToAsk(t *testing.T) {
	if results := New(Options{}).Ask(t.Context()); len(results) != 0 {
		t.Errorf("%v", results)
	}
}

func TestHTTPProbe(t *testing.T) {
	release := make(chan struct{})
	mux := http.NewServeMux()
	for _, status := range []int{200, 204, 302, 399, 400, 404, 503} {
		mux.HandleFunc(fmt.Sprintf("/%d", status), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/followed")
			w.WriteHeader(status)
		})
	}
	mux.HandleFunc("/followed", func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") })
	mux.HandleFunc("/hints", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusOK)
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/stalled", func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("begin"))
		http.NewResponseController(w).Flush()
		<-release
	})
	mux.HandleFunc("/asked", func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if r.Method != http.MethodGet || !r.Close || user != "pi" || password != "secret" || r.URL.RawQuery != "q=1" {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	for path, want := range map[string]Answer{
		"/200": OK, "/204": OK, "/302": OK, "/399": OK, "/400": Bad, "/404": Bad, "/503": Bad,
		"/hints": OK, "/endless": OK, "/stalled": OK,
	} {
		status := "status 200"
		if len(path) == 4 {
			status = "status " + path[1:]
		}
		mustSay(t, Options{HTTP: server.URL + path, Timeout: time.Minute}, want, status)
	}
	address := strings.Replace(server.URL, "//", "//pi:secret@", 1) + "/asked?q=1"
	if got := mustSay(t, Options{HTTP: address}, OK, "status 200"); strings.Contains(got.Probe, "secret") {
		t.Errorf("the password is in the name: %s", got.Probe)
	}
}

// TestProxyIsNotUsed: the program is on this machine.
func TestProxyIsNotUsed(t *testing.T) {
	for _, name := range []string{"http_proxy", "HTTP_PROXY", "all_proxy"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	mustSay(t, Options{HTTP: server.URL}, Bad, "status 404")
}

// serve answers every connection with what answer does to it.
func serve(t *testing.T, answer func(net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				answer(conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// nobody is an address at which nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func readRequest(conn net.Conn) {
	_, _ = conn.Read(make([]byte, 4096))
}

func TestHTTPProbeMeetsBadServers(t *testing.T) {
	for _, test := range []struct {
		name, detail string
		answer       func(net.Conn)
	}{
		{"silent", "no answer within 300ms", func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }},
		{"hanging up", "connection closed without an answer", readRequest},
		{"reset", "connection reset by peer", func(conn net.Conn) {
			readRequest(conn)
			_ = conn.(*net.TCPConn).SetLinger(0)
		}},
		{"no HTTP", "malformed HTTP", func(conn net.Conn) {
			readRequest(conn)
			_, _ = conn.Write([]byte("SSH-2.0-\x1b[31m\r\n"))
		}},
		{"endless head", "", func(conn net.Conn) {
			readRequest(conn)
			_, err := conn.Write([]byte("HTTP/1.1 200 OK\r\n"))
			for err == nil {
				_, err = conn.Write([]byte("X-More: and more\r\n"))
			}
		}},
		{"endless announcement", "", func(conn net.Conn) {
			readRequest(conn)
			for {
				if _, err := conn.Write([]byte("HTTP/1.1 102 Processing\r\n\r\n")); err != nil {
					return
				}
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			options := Options{HTTP: "http://" + serve(t, test.answer), Timeout: time.Minute}
			if test.name == "silent" {
				options.Timeout = 300 * time.Millisecond
			}
			got := mustSay(t, options, Bad, test.detail)
			if strings.ContainsRune(got.Detail, '\x1b') {
				t.Errorf("the detail steers a terminal: %q", got.Detail)
			}
		})
	}
	mustSay(t, Options{HTTP: "http://" + nobody(t)}, Bad, "connection refused")
}

func TestHTTPSProbe(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	mustSay(t, Options{HTTP: server.URL}, Bad, "certificate")
	mustSay(t, Options{HTTP: "https://" + serve(t, func(conn net.Conn) {
		readRequest(conn)
		_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	})}, Bad, "does not look like a TLS handshake")
	silent := serve(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	mustSay(t, Options{HTTP: "https://" + silent, Timeout: 300 * time.Millisecond}, Bad, "no answer within 300ms")
}

func TestTCPProbe(t *testing.T) {
	mustSay(t, Options{TCP: serve(t, readRequest)}, OK, "connected")
	mustSay(t, Options{TCP: nobody(t)}, Bad, "connection refused")
}

// TestNameThatIsNotResolved: a device that is offline can't tell how things
// stand. The name can't exist (RFC 6761), and a resolver that is silent is none.
func TestNameThatIsNotResolved(t *testing.T) {
	mustSay(t, Options{TCP: "ota-test.invalid:80", Timeout: time.Second}, Unknown, "ota-test.invalid")
	mustSay(t, Options{HTTP: "http://ota-test.invalid", Timeout: time.Second}, Unknown, "ota-test.invalid")
}

func TestCommandProbe(t *testing.T) {
	for _, test := range []struct {
		code   int
		output string
		err    error
		want   Answer
		detail string
	}{
		{0, "fine", nil, OK, "exit code 0"},
		{1, "no sensor", nil, Bad, "exit code 1: no sensor"},
		{2, "", nil, Bad, "exit code 2"},
		{0, "", fmt.Errorf("%w: no memory", ErrNotRun), Unknown, "command could not be run: no memory"},
		{0, "", exec.ErrNotFound, Unknown, "executable file not found"},
		{0, "", errors.New("something else"), Unknown, "something else"},
	} {
		got := mustSay(t, Options{
			Command: []string{"python3", "check.py"},
			Execute: func(context.Context, []string) (int, string, error) { return test.code, test.output, test.err },
		}, test.want, test.detail)
		if got.Probe != "command python3 check.py" {
			t.Errorf("name %q", got.Probe)
		}
	}
}

func TestCommandProbeHasItsTime(t *testing.T) {
	for name, test := range map[string]struct {
		code   int
		err    error
		want   Answer
		detail string
	}{
		"killed":               {137, context.DeadlineExceeded, Bad, "took longer than 20ms"},
		"failed as it ended":   {1, nil, Bad, "took longer than 20ms"},
		"passed as it ended":   {0, nil, OK, "exit code 0"},
		"was never run at all": {0, ErrNotRun, Unknown, "could not be run"},
	} {
		t.Run(name, func(t *testing.T) {
			mustSay(t, Options{
				Command: []string{"x"}, Timeout: 20 * time.Millisecond,
				Execute: func(ctx context.Context, _ []string) (int, string, error) {
					<-ctx.Done()
					return test.code, "", test.err
				},
			}, test.want, test.detail)
		})
	}
}

// TestBrokenOffIsNoAnswer: the end of ota says nothing about the program.
func TestBrokenOffIsNoAnswer(t *testing.T) {
	silent := serve(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	options := Options{
		HTTP: "http://" + silent, Command: []string{"x"}, Timeout: time.Hour,
		Execute: func(ctx context.Context, _ []string) (int, string, error) {
			<-ctx.Done()
			return 137, "", ctx.Err()
		},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for _, result := range New(options).Ask(ctx) {
		if result.Answer != Unknown {
			t.Errorf("%+v", result)
		}
	}
}

func TestHarmless(t *testing.T) {
	long := strings.Repeat("ä", 300)
	for in, want := range map[string]string{
		"plain":                  "plain",
		"red \x1b[31m":           `red \x1b[31m`,
		strings.Repeat("x", 200): strings.Repeat("x", 200),
		strings.Repeat("x", 201): strings.Repeat("x", 197) + "…",
		"x" + long:               "x" + strings.Repeat("ä", 98) + "…",
		long:                     strings.Repeat("ä", 98) + "…",
	} {
		got := harmless(in)
		if got != want || len(got) > longestDetail || !utf8.ValidString(got) {
			t.Errorf("harmless(%q) = %q", in, got)
		}
		if harmless(got) != got {
			t.Errorf("%q is changed when it is made harmless again", got)
		}
	}
}
