package api

import (
	"context"
	"net"
)

// socketMode is that of the control socket: for its owner only. Root needs no
// bits.
const socketMode = 0o600

// peerKey is where a connection's context keeps why its peer is refused.
type peerKey struct{}

// withPeer asks once, when the connection comes in, who is at the other end.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, checkPeer(conn))
}

// peerOf says why the peer is refused, nil if it is not.
func peerOf(ctx context.Context) error {
	refused, _ := ctx.Value(peerKey{}).(error)
	return refused
}
