package api

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
)

// upgraded asks a server for a connection to a receiver.
func upgraded(t *testing.T, server *httptest.Server, headers string) (*http.Response, net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	// What comes with the request is for the receiver already.
	io.WriteString(conn, "POST "+ReceivePath+" HTTP/1.1\r\nHost: ota\r\nContent-Length: 0\r\n"+headers+"\r\nfirst\n")
	from := bufio.NewReader(conn)
	answer, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	return answer, conn, from
}

// receiver serves a house to a caller.
func receiver(t *testing.T, house House, caller Caller) *httptest.Server {
	t.Helper()
	handler := New(house, "", slog.New(slog.DiscardHandler)).Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(WithCaller(r.Context(), caller)))
	}))
	t.Cleanup(server.Close)
	return server
}

const upgrading = "Connection: Upgrade\r\nUpgrade: ota-receive\r\n"

// TestUpgrade: from the first byte on the connection is the receiver's.
func TestUpgrade(t *testing.T) {
	server := receiver(t, silent(), Caller{Name: "token x", Rights: []Right{Read, Upload}})
	answer, conn, from := upgraded(t, server, upgrading+"Authorization: Bearer x\r\n")
	if answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("Upgrade") != ReceiveProtocol {
		t.Fatalf("%s %v", answer.Status, answer.Header)
	}
	io.WriteString(conn, "second\n")
	for _, want := range []string{"first\n", "second\n"} {
		if line, err := from.ReadString('\n'); err != nil || line != want {
			t.Errorf("%q, %v", line, err)
		}
	}
}

// TestWhoIsNoPush: who has not all that it needs gets an answer, and no connection.
func TestWhoIsNoPush(t *testing.T) {
	both := []Right{Read, Upload, Control}
	for name, test := range map[string]struct {
		rights  []Right
		headers string
		want    int
	}{
		"no upgrade":       {both, "Authorization: Bearer x\r\n", http.StatusUpgradeRequired},
		"another protocol": {both, "Connection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer x\r\n", http.StatusUpgradeRequired},
		"a session":        {both, upgrading + "Cookie: ota=x\r\n", http.StatusForbidden},
		"only read":        {[]Right{Read}, upgrading + "Authorization: Bearer x\r\n", http.StatusForbidden},
		"only upload":      {[]Right{Upload}, upgrading + "Authorization: Bearer x\r\n", http.StatusForbidden},
		"nobody":           {nil, upgrading + "Authorization: Bearer x\r\n", http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			house := silent()
			answer, _, _ := upgraded(t, receiver(t, house, Caller{Name: "x", Rights: test.rights}), test.headers)
			if answer.StatusCode != test.want || len(house.asked) > 0 {
				t.Errorf("%s, asked %v", answer.Status, house.asked)
			}
		})
	}
}

// TestSilentPush: who says nothing at all does not keep a place, nor who does not
// come to the end of his first line.
func TestSilentPush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		one := newPushing(ours, bufio.NewReader(ours))
		go theirs.Write([]byte("{"))
		if n, err := one.Read(make([]byte, 8)); n != 1 || err != nil {
			t.Errorf("%d bytes, error %v", n, err)
		}
		if _, err := one.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		// Who takes nothing of what is told does not, either.
		if _, err := one.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

// TestPairedProblems: too many tries say when to try again.
func TestPairedProblems(t *testing.T) {
	house := silent()
	house.err = &Problem{Status: http.StatusTooManyRequests, Wait: 7}
	body := `{"code":"BCDF-GHJK","name":"x"}`
	server := New(house, "", slog.New(slog.DiscardHandler))
	request := httptest.NewRequest(http.MethodPost, PairPath, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	server.Handler().ServeHTTP(answer, request)
	if answer.Code != http.StatusTooManyRequests || answer.Header().Get("Retry-After") != "7" {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
}
