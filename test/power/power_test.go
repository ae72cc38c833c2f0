//go:build linux

// Package power cuts the power: it records what ota makes a file system write
// to its disk in a whole cycle of updates, one of them bad, makes disks of parts of it as a
// power cut leaves them, and looks whether ota, started on each, keeps what it
// promises.
//
// In: file systems, and the uploads of a cycle. Out: how many disks were
// recovered from. Never: an upload that its uploader has not synced; a disk
// that breaks its word after a flush.
package power

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"ota/test/harness"
)

var (
	states = flag.Int("power.states", 50, "how many disks are tried for each file system")
	keep   = flag.String("power.keep", "", "a folder for the disks that were not recovered from")
	seed   = flag.Uint64("power.seed", 0, "by which they are chosen; 0: another one each time")
)

func TestMain(m *testing.M) {
	if os.Getenv(role) != "" {
		os.Exit(runProgram())
	}
	os.Exit(inOwnWorld(func() { harness.Main(m) }))
}

// source is where the choices of this run come from.
func source(t *testing.T) *rand.Rand {
	t.Helper()
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("-power.seed=%d", *seed)
	return rand.New(rand.NewPCG(*seed, 0))
}

// TestPowerCut cuts the power under each file system.
func TestPowerCut(t *testing.T) {
	for _, system := range fileSystems {
		t.Run(system.name, func(t *testing.T) {
			system.need(t)
			cutAnywhere(t, system)
		})
	}
}

func cutAnywhere(t *testing.T, system fileSystem) {
	random := source(t)
	r := recorded(t, system, harness.Binary())
	t.Run("states", func(t *testing.T) {
		for i, state := range r.choose(random, *states) {
			t.Run(fmt.Sprintf("%d_%s", i, state), func(one *testing.T) {
				if !system.oneCopyAtATime() {
					one.Parallel()
				}
				if t.Failed() { // spare the deadlines of many that fail alike
					one.Skip("another state has failed")
				}
				name := system.name + "-" + strconv.Itoa(i)
				one.Cleanup(func() { r.keepFailed(one, name, state) })
				r.recover(one, harness.Binary(), filepath.Join(place, name), state)
			})
		}
	})
	if t.Failed() {
		return
	}
	writes, flushes := r.log.Count()
	report := fmt.Sprintf("%s: %d writes, %d flushes, %d states recovered", system.name, writes, flushes, *states)
	t.Log(report)
	fmt.Fprintln(os.Stdout, report)
}

// keepFailed makes the disk of a state once more where it can be looked at: no
// seed brings the same recording again.
func (r *recording) keepFailed(t *testing.T, name string, state state) {
	if t.Failed() && *keep != "" {
		r.build(t, filepath.Join(*keep, name), state)
	}
}
