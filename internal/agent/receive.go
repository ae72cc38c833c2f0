package agent

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"

	"ota/internal/api"
	"ota/internal/kit/command"
	"ota/internal/web/access"
)

// receiveLeaves is how long a receiver has to put into deposit/ what has arrived
// when ota ends.
const receiveLeaves = 3 * time.Second

// Receive lets `ota receive`, as over ssh, speak to who pushes: what that takes of
// memory is given back when it ends, and a fault in it ends nothing else.
func (a *agent) Receive(ctx context.Context, conn io.ReadWriteCloser) error {
	defer conn.Close()
	own, err := os.Executable()
	if err != nil {
		return err
	}
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		_, _ = io.Copy(out, conn) // whoever reads finds the end of it
		out.Close()
	}()
	patient, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	defer context.AfterFunc(ctx, func() {
		conn.Close()
		time.AfterFunc(receiveLeaves, kill)
	})()
	cmd := exec.Command(own, "receive", "--veiled", a.folder.dir)
	cmd.Stdin = in
	complaint := &command.Tail{Lines: 2, Longest: 500} // the error, and a hint
	code, err := command.RunApart(patient, cmd, hearer{conn}, complaint, func(int) { in.Close() })
	in.Close() // if it has not begun
	conn.Close()
	<-heard
	if said := complaint.Kept(); err == nil && code != 0 && len(said) > 0 {
		err = errors.New(strings.TrimPrefix(said[0], "ota: "))
	}
	return err
}

// hearer tells who pushes, for as long as that hears it. A receiver is not held
// up by one who does not: that ends the connection, and so what it reads.
type hearer struct{ to io.WriteCloser }

func (h hearer) Write(p []byte) (int, error) {
	if _, err := h.to.Write(p); err != nil {
		h.to.Close()
	}
	return len(p), nil
}

// Paired makes a token for a computer that shows the pairing code.
func (a *agent) Paired(from netip.Addr, code, name string) (api.IssuedToken, error) {
	token, err := a.access.Paired(from, code, name)
	slow, tooOften := errors.AsType[*access.SlowDown](err)
	switch {
	case tooOften:
		problem := api.NewProblem(http.StatusTooManyRequests, err.Error(), "")
		problem.Wait = slow.Seconds()
		return token, problem
	case errors.Is(err, access.ErrWrong):
		return token, api.NewProblem(http.StatusUnauthorized, "that is no code that is valid now", `"ota web pair" on the device makes one`)
	}
	return token, err
}
