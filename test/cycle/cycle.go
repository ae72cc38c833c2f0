//go:build linux && amd64

// Package cycle is one life of a device, as the tests beside it disturb it: an
// old program in main/, an upload that replaces it, one that is bad and goes
// away by itself, and one that mends it. And what must be true on the way and
// at the end, whatever is done to ota meanwhile.
//
// In: nothing. Out: a folder with all of that, what a person does from the first
// start to the last, and checks. Never: how ota is disturbed.
package cycle

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ota/test/harness"
	"ota/test/ptrace"
)

// Program is the package of the program that runs in the cycle. A TestMain has
// harness.Main build it.
const Program = "ota/test/cycle/program"

// settings are those of the device. One failure is enough, so that nothing has
// to be waited for; who says that it is ready is confirmed at once, and the
// period is for those that can't be heard.
func settings() string {
	return fmt.Sprintf(`[program]
command = [%q]

[python]
interpreter = "/none" # the files are no Python

[update]
quiet = "1ms"

[trial]
attempts = 1
period = "3s"
`, harness.Built(Program))
}

// Step is a part of the cycle: what a person uploads, and what becomes of it.
type Step struct {
	Name   string
	upload harness.Tree // nil: nothing
	ends   ending
}

type ending string

const (
	started   ending = "started"   // a program runs
	confirmed ending = "confirmed" // the upload is the current release
	returned  ending = "returned"  // it failed, and is in deposit/ again
)

// Steps are the whole cycle, from the start of ota on.
var Steps = []Step{
	{"start", nil, started},
	{"good", good, confirmed},
	{"bad", bad, returned},
	{"mended", mended, confirmed},
}

// Stage is how far a person has come. The zero Stage is the beginning.
type Stage struct {
	Step   int // in Steps
	upload progress
}

// progress is what has been done of the upload of a step.
type progress string

const (
	nothing progress = ""
	written progress = "written" // all of it is in deposit/, and nothing has yet been let go
	letGo   progress = "let go"
)

// Scene is a folder in which ota runs, is disturbed, and runs on or again. Its
// methods are called by one goroutine, but for Stage and Counts.
type Scene struct {
	Device  *harness.Device
	Folders folders

	t     testing.TB
	mu    sync.Mutex
	stage Stage
}

// folders says what becomes of those that a bad release has brought.
type folders string

// What becomes of them. On a disk that refuses to remove one it is more that the
// good release is back.
const (
	Removed   folders = ""
	MayRemain folders = "may remain, empty"
)

// New lays out a folder at the beginning of the cycle.
func New(t testing.TB) *Scene {
	t.Helper()
	return &Scene{Device: harness.NewDevice(t, harness.FastDir(t), old, settings()), t: t}
}

// At is a scene in a folder that somebody fills, for a person at some stage.
func At(t testing.TB, dir string, stage Stage) *Scene {
	t.Helper()
	return &Scene{Device: harness.NewDevice(t, dir, nil, ""), t: t, stage: stage}
}

// Stage is how far the person has come. What it says is on the disk was there
// before it said so.
func (s *Scene) Stage() Stage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stage
}

func (s *Scene) reach(stage Stage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stage = stage
}

// Step is the one under way.
func (s *Scene) Step() Step { return Steps[s.stage.Step] }

// Next goes on to the next step; it returns false if that was the last.
func (s *Scene) Next() bool {
	if s.stage.Step == len(Steps)-1 {
		return false
	}
	s.reach(Stage{Step: s.stage.Step + 1})
	return true
}

// Act does what a person has to do in this step and has not done.
func (s *Scene) Act() {
	s.t.Helper()
	step := s.Step()
	if step.upload == nil {
		return
	}
	if s.stage.upload == nothing {
		s.Device.HoldBack()
		step.upload.Write(s.t, s.Device.Deposit())
		s.reach(Stage{s.stage.Step, written})
	}
	if s.stage.upload == written || s.Device.IsHeldBack() {
		s.reach(Stage{s.stage.Step, letGo})
		s.Device.LetGo()
	}
}

// Live does all that a person does until the cycle is over, or ended is closed:
// what is held because it failed its trial, as it does when ota is killed
// meanwhile, is tried again.
func (s *Scene) Live(ended <-chan struct{}) {
	s.t.Helper()
	for {
		s.Act()
		if !s.awaitStep(ended) || !s.Next() {
			return
		}
	}
}

// awaitStep returns false if ended was closed before the step was over.
func (s *Scene) awaitStep(ended <-chan struct{}) bool {
	s.t.Helper()
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	deadline := time.NewTimer(harness.Deadline)
	defer deadline.Stop()
	for looks := 1; !s.IsOver(); looks++ {
		select {
		case <-again.C:
		case <-ended:
			return false
		case <-deadline.C:
			s.t.Fatalf("waited in vain for the end of the step %q\n%s", s.Step().Name, s.Describe())
		}
		if looks%20 == 0 {
			s.help()
		}
	}
	return true
}

// help tries a good upload again that is held because it failed its trial.
func (s *Scene) help() {
	if s.Step().ends != confirmed {
		return
	}
	if status, err := s.Device.Status(); err == nil && hasFailed(status) {
		s.Device.Ask("retry")
	}
}

// hasFailed reports whether what is in deposit/ is held because it failed its
// trial.
func hasFailed(status harness.Status) bool {
	return status.Deposit.State == "held" && slices.ContainsFunc(status.Deposit.Reasons, func(reason harness.Reason) bool {
		return strings.Contains(reason.Message, "failed its trial")
	})
}

// Describe says how things stand.
func (s *Scene) Describe() string {
	status, err := s.Device.Status()
	deposit, _ := harness.Read(s.Device.Deposit())
	return fmt.Sprintf("status: %+v, %v\ndeposit/: %v\nconsole:\n%s", status, err, deposit, s.Device.Console())
}

// Counts tells ota's own changes of its folder from the program's.
func (s *Scene) Counts(call ptrace.Call) bool {
	return strings.HasPrefix(call.Path, s.Device.Dir+"/") && filepath.Base(call.Path) != "starts"
}
