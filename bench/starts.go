//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// kind is a kind of program.
type kind string

const (
	bareKind  kind = "nothing but main.py"
	heavyKind kind = "one large import"
	largeKind kind = "150 modules"
)

// manner is the way from one version to the next.
type manner string

const (
	byHand  manner = "by hand" // files replaced, killed, started
	again   manner = "again"   // killed and started, with no file but main.py changed
	plainly manner = "plain"   // ota
	warmly  manner = "warm"    // ota, with an interpreter that waits
	crashed manner = "crash"   // ota, after the program was killed
	warmed  manner = "crash, warm"
)

// startPlace is what was started, and how.
type startPlace struct {
	kind   kind
	manner manner
}

const (
	largeModules = 150
	largeLines   = 200
	largeChanged = 6

	// slowModule stands for a large package where numpy is not installed.
	slowModule = "slowly"
	slowText   = "import time\n\ntime.sleep(1)\n"
)

// startSettings let a release prove itself soon, so that a crash is no failure
// of it, and keep it from asking for more.
const startSettings = "[trial]\nperiod = \"100ms\"\n"

// measureStarts times how long no program runs, for programs that need little
// and much to start.
func (b *bench) measureStarts(ctx context.Context) error {
	heavy, err := b.heavyModule()
	if err != nil {
		return err
	}
	b.costs.heavy = heavy
	for round := range b.size.startRounds {
		for _, k := range []kind{bareKind, heavyKind, largeKind} {
			for _, how := range []manner{byHand, again, plainly, warmly} {
				if how == again && k != largeKind {
					continue // it is the same
				}
				progress("start %d of %d: %s, %s", round+1, b.size.startRounds, k, how)
				if err := b.startRound(ctx, startPlace{k, how}, heavy); err != nil {
					return fmt.Errorf("cannot measure a start (%s, %s): %w", k, how, err)
				}
			}
		}
	}
	return nil
}

// heavyModule is one that takes its time to be imported.
func (b *bench) heavyModule() (string, error) {
	if hasModule(b.tools.python, "numpy") {
		return "numpy", nil
	}
	dir := filepath.Join(b.tools.dir, "packages")
	if err := (file{slowModule + ".py", slowText}).writeAtOnce(dir); err != nil {
		return "", err
	}
	return slowModule, os.Setenv("PYTHONPATH", dir)
}

// startMakeup is what such a program has beside main.py.
func startMakeup(at startPlace, heavy string) makeup {
	with := makeup{settings: startSettings}
	switch at.kind {
	case bareKind:
	case heavyKind:
		with.imports = "import " + heavy + "\n"
	case largeKind:
		app := application{largeModules, largeLines, []string{heavy}}
		with.imports, with.base = app.imports(), app.base()
		if at.manner != again {
			with.brings = func(version int) []file { return app.some(largeChanged, version) }
		}
	}
	if at.manner == warmly {
		with.settings += "\n[python]\nwarm = true\n"
		if at.kind == heavyKind {
			with.settings += fmt.Sprintf("preload = [%q]\n", heavy)
		}
	}
	return with
}

func (b *bench) startRound(ctx context.Context, at startPlace, heavy string) error {
	s := subjectCalled(b.tools, floorName)
	if at.manner == plainly || at.manner == warmly {
		s = subjectCalled(b.tools, heldName)
	}
	size := b.size
	size.tree, size.parts, size.folder = 0, 0, 1
	return b.withMadeUp(ctx, s, modeClock, size, startMakeup(at, heavy), func(r *rig) error {
		for n := range 1 + b.size.startUpdates {
			if err := r.settle(ctx); err != nil {
				return err
			}
			done, err := r.update(ctx, atOnce)
			if err != nil {
				return err
			}
			if n > 0 { // at first nothing was learnt, and no cache is warm
				b.costs.starts[at] = append(b.costs.starts[at], milliseconds(done.gap))
			}
		}
		if s.name == floorName || at.kind != heavyKind {
			return nil
		}
		return b.timeCrash(ctx, r, at)
	})
}

// timeCrash kills the program and times how long none runs, with the pause that
// is made after a crash.
func (b *bench) timeCrash(ctx context.Context, r *rig, at startPlace) error {
	if err := r.settle(ctx); err != nil {
		return err
	}
	took, err := r.crash(ctx)
	if err != nil {
		return err
	}
	at.manner = map[manner]manner{plainly: crashed, warmly: warmed}[at.manner]
	b.costs.starts[at] = append(b.costs.starts[at], milliseconds(took))
	return nil
}

func subjectCalled(t *tools, name string) subject {
	for _, one := range subjects(t) {
		if one.name == name {
			return one
		}
	}
	return subject{}
}

// crash kills the program and returns how long none ran.
func (r *rig) crash(ctx context.Context) (time.Duration, error) {
	if err := r.stamps.read(); err != nil {
		return 0, err
	}
	killed := r.stamps.seen[len(r.stamps.seen)-1].pid
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		return 0, fmt.Errorf("cannot kill the program: %w", err)
	}
	var took time.Duration
	err := await(ctx, func() (bool, error) {
		if err := r.stamps.read(); err != nil {
			return false, err
		}
		var found bool
		took, found = between(r.stamps.seen, killed)
		return found, nil
	})
	return took, err
}

// between is the time from the last stamp of a process to the first one after
// it; false while there is none.
func between(all []stamp, pid int) (time.Duration, bool) {
	for i := len(all) - 1; i > 0; i-- {
		if all[i-1].pid == pid && all[i].pid != pid {
			return all[i].at - all[i-1].at, true
		}
	}
	return 0, false
}

const (
	plainMost = 1.1 // × the floor's
	warmMost  = 0.3 // × the floor's, of a program that imports next to nothing
	heavyMost = 0.1 // × the floor's, of one that imports much
)

// startGoals judges what was measured of starts.
func (c *costs) startGoals() []goal {
	var all []goal
	for _, one := range []struct {
		at   startPlace
		most float64
	}{
		{startPlace{bareKind, plainly}, plainMost},
		{startPlace{heavyKind, plainly}, plainMost},
		{startPlace{largeKind, plainly}, plainMost},
		{startPlace{bareKind, warmly}, warmMost},
		{startPlace{heavyKind, warmly}, heavyMost},
		{startPlace{largeKind, warmly}, heavyMost},
	} {
		own, measured := c.startOf(one.at)
		floor, too := c.startOf(startPlace{one.at.kind, byHand})
		if !measured || !too {
			continue
		}
		all = append(all, goal{
			Text:     fmt.Sprintf("%s start, %s: at most %.1f × the floor's", one.at.manner, c.kindText(one.at.kind), one.most),
			Measured: fmt.Sprintf("%.2f ×", own.median/floor.median),
			Verdict:  judge(own.median <= one.most*floor.median),
		})
	}
	return all
}

func (c *costs) startOf(at startPlace) (summary, bool) {
	samples := c.starts[at]
	if len(samples) == 0 {
		return summary{}, false
	}
	return summarize(samples), true
}

// kindText names a kind of program for the page.
func (c *costs) kindText(k kind) string {
	switch k {
	case heavyKind:
		return "`import " + c.heavy + "`"
	case largeKind:
		return fmt.Sprintf("%d modules", largeModules)
	default:
		return string(k)
	}
}
