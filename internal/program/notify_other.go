//go:build !linux

package program

import "log/slog"

// notifier is not there: who sent a datagram is told on Linux only.
type notifier struct{}

func (*notifier) open(string, *slog.Logger)       {}
func (*notifier) address() string                 { return "" }
func (*notifier) expect(*Run)                     {}
func (*notifier) admit(*Credential, *slog.Logger) {}
func (*notifier) catchUp()                        {}
func (*notifier) close() error                    { return nil }
