package service

import (
	"context"
	"strings"
	"time"
)

// lookTime is for what starts services to say how one is.
const lookTime = 10 * time.Second

// Condition is how the service of a folder is met.
type Condition string

// The conditions.
const (
	Unmanaged Condition = ""     // nothing on this machine starts services, that we know of
	NoService Condition = "none" // there could be one
	Disabled  Condition = "disabled"
	Down      Condition = "down" // it is to run, and does not
	Up        Condition = "up"
)

// Met is the service of a folder, as it is.
type Met struct {
	Condition Condition
	Unit      string
	// The commands that enable and start it; for a service of the system they
	// are root's.
	Enable, Start string
}

// Look looks at the service of a folder: that of the system, or one of this
// user's own. It changes nothing.
func Look(ctx context.Context, host Host, dir string) Met {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	met := Met{}
	for _, scope := range []Scope{OfSystem, OfUser} {
		w, err := begin(host, Options{Dir: dir, Scope: scope, Dry: true})
		if err != nil {
			continue
		}
		met.Condition = NoService
		record, known := w.recordOf(dir)
		if !known {
			continue
		}
		m := w.managerFor(record)
		met = Met{Condition: Up, Unit: m.unit, Enable: strings.Join(m.enable, " "), Start: strings.Join(m.start, " ")}
		switch {
		case !w.succeeds(ctx, m.isActive):
			met.Condition = Down
		case !w.succeeds(ctx, m.isEnabled):
			met.Condition = Disabled
		}
		if ctx.Err() != nil {
			return Met{} // it did not say
		}
		if scope == OfSystem && host.UID != 0 {
			met.Enable, met.Start = "sudo "+met.Enable, "sudo "+met.Start
		}
		return met
	}
	return met
}
