package api

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Pushes is how a push comes in that does not come over ssh.
type Pushes interface {
	// Receive serves who pushes over a connection, and returns when that has ended.
	// The connection is closed then, also by the end of ctx.
	Receive(ctx context.Context, conn io.ReadWriteCloser) error
	// Paired makes a token for a computer that shows the pairing code. The error is
	// a *[Problem] or an *[Unfit].
	Paired(from netip.Addr, code, name string) (IssuedToken, error)
}

const (
	// ReceivePath is where a connection is given to a push.
	ReceivePath = prefix + "/receive"
	// ReceiveProtocol is what is spoken over it then, as in Upgrade (RFC 9110,
	// 7.8): the lines of package receive, as over ssh.
	ReceiveProtocol = "ota-receive"
	// PairPath is where the pairing code gets a computer a token.
	PairPath = prefix + "/pair"
)

func (s *Server) receiveRoutes() []route {
	return []route{
		{http.MethodPost, ReceivePath, uploading, 0, s.told("push", s.receive)},
		{http.MethodPost, PairPath, anybody, gateBytes, s.paired},
	}
}

// receive turns the connection into that of a push. A session of the page has no
// business here: what a browser sends by itself must not get this far.
func (s *Server) receive(w http.ResponseWriter, r *http.Request) error {
	caller := CallerOf(r.Context())
	switch {
	case r.Header.Get("Upgrade") != ReceiveProtocol:
		w.Header().Set("Upgrade", ReceiveProtocol)
		w.Header().Set("Connection", "Upgrade")
		return newProblem(http.StatusUpgradeRequired, `"ota push" speaks here, and nobody else`)
	case !caller.May(Read): // it is told what the program prints
		return newProblem(http.StatusForbidden, "a push needs the rights to read and to upload")
	case r.Header.Get("Authorization") == "" && !caller.May(Owner):
		return newProblem(http.StatusForbidden, "a push needs a token")
	}
	if err := s.receiving.try("others are just pushing"); err != nil {
		return err
	}
	defer s.receiving.end()
	conn, both, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+ReceiveProtocol+"\r\n\r\n"); err == nil {
		err = s.house.Receive(r.Context(), newPushing(conn, both.Reader))
	}
	if err != nil {
		s.log.Info("a push has ended", "error", err)
	}
	return nil
}

// pushing is a connection that a push has. Who does not say what comes, or takes
// nothing of what is told, does not keep it.
type pushing struct {
	net.Conn
	from  *bufio.Reader // may hold what came with the request
	heard bool
}

func newPushing(conn net.Conn, from *bufio.Reader) *pushing {
	_ = conn.SetReadDeadline(time.Now().Add(requestTime))
	return &pushing{Conn: conn, from: from}
}

func (c *pushing) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	if !c.heard && bytes.IndexByte(p[:n], '\n') >= 0 {
		c.heard = true // its first line
		_ = c.SetReadDeadline(time.Time{})
	}
	return n, err
}

func (c *pushing) Write(p []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(paceTime))
	return c.Conn.Write(p)
}

// paired gives a token to who shows the code.
func (s *Server) paired(w http.ResponseWriter, r *http.Request) error {
	var asked struct {
		Code string `json:"code"`
		Name string `json:"name"`
	}
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	from, _ := netip.ParseAddrPort(r.RemoteAddr) // of the control socket: none
	token, err := s.house.Paired(from.Addr().Unmap(), asked.Code, asked.Name)
	if err != nil {
		return gateProblem(err)
	}
	text, err := encode(token)
	if err != nil {
		return err
	}
	write(w, "application/json", http.StatusCreated, text)
	return nil
}
