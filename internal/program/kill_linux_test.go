package program

import (
	"context"
	"testing"
)

// TestStartAfterKill: some kernels kill whoever is started into a control
// group that was killed once.
func TestStartAfterKill(t *testing.T) {
	everywhere(t, func(t *testing.T, offers string) {
		s := newStage(t, offers)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for range 3 {
			s.start("deaf", "term")
			s.out.await(t, "ready")
			s.stop(ended)
		}
		run := s.start("exit", "7")
		await(t, "end", run.Done())
		if exit := run.Exit(); exit.Code != 7 {
			t.Errorf("exit = %v", exit)
		}
	})
}
