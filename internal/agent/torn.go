package agent

import (
	"context"
	"errors"

	"ota/internal/python/venv"
)

// trust says what is thought of the files of environments.
type trust string

const (
	trusted trust = "trusted"
	// doubted are those of an ota that did not end by itself: each environment is
	// looked at before it is used for the first time.
	doubted trust = "doubted"
)

// doubt has every environment looked at that was there before.
func (o *outfit) doubt() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.trust = doubted
}

// whole looks at each file of an environment, once, if there is reason to. One
// that is torn is taken away, so that it is missing and made anew; the error is
// a *venv.Torn then, or that of ctx.
func (o *outfit) whole(ctx context.Context, id string) error {
	o.mu.Lock()
	known := o.trust != doubted || o.proven[id]
	o.mu.Unlock()
	if known {
		return nil
	}
	err := o.venvs.Verify(ctx, id)
	if ctx.Err() != nil {
		return err
	}
	// Also one that can't be taken away is not looked at for ever.
	o.mu.Lock()
	o.proven[id] = true
	o.mu.Unlock()
	torn, ok := errors.AsType[*venv.Torn](err)
	if !ok {
		return nil // or it is not there, which is told by who needs it
	}
	if err := o.venvs.Discard(id); err != nil {
		o.log.Warn("a damaged environment can't be removed; it is used as it is", "environment", id, "damage", torn, "error", err)
		return nil
	}
	o.log.Warn("an environment was damaged; it is made anew when it is needed", "environment", id, "damage", torn)
	return torn
}
