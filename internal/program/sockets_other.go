//go:build !unix

package program

import (
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
)

// sockets are not handed down here: a child inherits no descriptors.
type sockets struct{}

func (*sockets) keep(wanted []Socket, _ *slog.Logger) error {
	if len(wanted) == 0 {
		return nil
	}
	return &SocketError{Socket: wanted[0], Err: fmt.Errorf("a program can't be given sockets on this system: %w", errors.ErrUnsupported)}
}

func (*sockets) numbers([]Socket) []uint64                                { return nil }
func (*sockets) hold(*slog.Logger)                                        {}
func (*sockets) equip(*exec.Cmd, []Socket, *slog.Logger, ...string) error { return nil }
func (*sockets) close() error                                             { return nil }
