//go:build !linux

package program

import (
	"context"
	"log/slog"
	"os/exec"

	"ota/internal/kit/proc"
)

// host is what the system lets us know of the tree: here no more than the main
// process and, where there are some, its group.
type host struct{}

func (*host) prepare(string, *slog.Logger)     {}
func (*host) refresh(string, *slog.Logger)     {}
func (*host) adopts() bool                     { return false }
func (*host) left() proc.Offspring             { return proc.Unknown }
func (*host) cgroup() grouping                 { return grouping{} }
func (*host) close() error                     { return nil }
func (*host) retreat(*slog.Logger, error) bool { return false }
func (*host) session(*Run) []proc.Stat         { return nil }
func (p pipe) name() string                    { return "" }
func startOf(int) uint64                       { return 0 }

// EndLeftovers ends nothing here: what an ota that was killed has left can be
// found on Linux only.
func (r *Room) EndLeftovers(context.Context) (int, error) { return 0, nil }

func waitFor(cmd *exec.Cmd, atEnd func()) {
	_ = proc.Wait(cmd) // how it ended is in its state
	atEnd()
}
