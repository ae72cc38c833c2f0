package agent

import (
	"context"
	"errors"
	"time"

	"ota/internal/program"
	"ota/internal/update"
)

// warmUp lets a start be that of the interpreter that waits, if there is one;
// else it learns what the program imports, for the next.
func (s *supervisor) warmUp(spec *program.Spec, l launch) {
	if !l.config.Python.Warm || spec.Credential != nil { // another user can't read what it needs
		s.Cool()
		return
	}
	s.mu.Lock()
	spec.Waiting, s.waiting = s.waiting, nil
	s.mu.Unlock()
	if spec.Waiting != nil {
		return
	}
	if learning, err := s.hook.Learn(spec.Argv, spec.Env); err == nil {
		spec.Env = learning
	}
}

// warmLimit is how long a switch is held up for an interpreter that is to wait.
const warmLimit = 30 * time.Second

// Warm starts the interpreter of the next start and returns when it waits, or
// can't.
func (s *supervisor) Warm(ctx context.Context, which update.Which) {
	s.mu.Lock()
	l, modules := s.present, s.modules
	if which == update.Coming {
		l = s.coming
	}
	if which == update.Coming && s.tried == tried {
		s.mu.Unlock()
		return
	}
	if which == update.Coming {
		s.tried = tried
	}
	waits := s.waiting != nil && s.waiting.Err() == nil && s.waitsFor == which
	s.mu.Unlock()
	if !l.config.Python.Warm || l.argvErr != nil || len(l.argv) == 0 || waits {
		return
	}
	s.Cool()
	if learned := s.hook.Learned(); len(learned) > 0 {
		modules = learned
	}
	if len(l.config.Python.Preload) > 0 {
		modules = l.config.Python.Preload
	}
	waiting, err := s.begin(l, which, modules)
	if err != nil {
		s.log.Info("the program can't be started warm", "reason", err)
		return
	}
	limit := time.NewTimer(warmLimit)
	defer limit.Stop()
	select {
	case <-waiting.Ready():
		for _, missing := range waiting.Missing() {
			s.log.Debug("a module can't be imported ahead", "module", missing)
		}
	case <-waiting.Done():
		s.log.Info("the program can't be started warm", "reason", waiting.Err())
		s.hook.Refuse(waiting.Err())
	case <-limit.C:
		s.log.Info("the program can't be started warm", "reason", "it takes too long")
		s.Cool()
	case <-ctx.Done():
		s.Cool()
	}
}

func (s *supervisor) begin(l launch, which update.Which, modules []string) (*program.Waiting, error) {
	spec, err := s.spec(l, int(s.started.Load()))
	if err == nil && spec.Credential != nil {
		err = errors.New("it runs as another user")
	}
	if err != nil {
		return nil, err
	}
	wait, err := s.hook.Wait(spec.Argv, spec.Env, modules)
	if err != nil {
		return nil, err
	}
	waiting, err := s.room.Prepare(spec, program.WaitSpec{Env: wait.Env, First: wait.First, Probe: wait.Probe})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting, s.waitsFor = waiting, which
	return waiting, nil
}

// Cool ends an interpreter that waits.
func (s *supervisor) Cool() {
	s.mu.Lock()
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	if waiting != nil {
		waiting.Close()
	}
}
