//go:build linux && amd64

package cycle

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"ota/test/harness"
)

// IsOver reports whether the step has come to its end: the program runs, and
// nothing is on its way. It looks first at what costs least.
func (s *Scene) IsOver() bool {
	step := s.Step()
	if step.ends == started {
		return s.Device.Starts() != ""
	}
	if s.stage.upload != letGo || !s.endsWith(step) {
		return false
	}
	left, err := os.ReadDir(s.Device.Deposit())
	if err != nil || (len(left) == 0) != (step.ends == confirmed) {
		return false
	}
	status, err := s.Device.Status()
	if err != nil || status.Program.State != "running" || status.Program.PID == 0 {
		return false
	}
	isGood := status.Release.State == "confirmed" || status.Release.State == "adopted"
	isWhereItBelongs := status.Deposit.State == "empty"
	if step.ends == returned {
		isWhereItBelongs = hasFailed(status)
	}
	return isGood && isWhereItBelongs
}

// endsWith reports whether the program that was started last is one that the
// step ends with: that of its release, or of the one before.
func (s *Scene) endsWith(step Step) bool {
	starts := s.Device.Starts()
	newest := s.seen(starts[strings.LastIndex(starts, "\n")+1:])
	isOfStep := newest == releaseOf(step).seen
	return isOfStep == (step.ends == confirmed) && newest != ""
}

// seen is what the program found, without empty folders that may be there.
func (s *Scene) seen(line string) string {
	words := strings.Fields(line)
	if s.Folders == MayRemain {
		words = slices.DeleteFunc(words, func(word string) bool {
			isEmpty := !slices.ContainsFunc(words, func(other string) bool {
				return other != word && strings.HasPrefix(other, word) && !strings.HasSuffix(other, "/")
			})
			return strings.HasSuffix(word, "/") && isEmpty && bad.Over(nil)[strings.TrimSuffix(word, "/")].Mode.IsDir()
		})
	}
	return strings.Join(words, " ")
}

// IsBad reports whether the program that was started last is the bad one.
func (s *Scene) IsBad() bool {
	isBad := func(step Step) bool {
		return step.ends == returned && strings.HasSuffix(s.Device.Starts(), releaseOf(step).seen)
	}
	return slices.ContainsFunc(Steps, isBad)
}

// releaseOf is main/ with the upload of a step in it.
func releaseOf(step Step) known {
	at := slices.IndexFunc(Steps, func(one Step) bool { return one.Name == step.Name })
	return releases[len(releases)-len(Steps)+at]
}

// CheckNothingLost looks at the disk as it is at any moment: main/ has every
// file whole, and each uploaded file is somewhere.
func (s *Scene) CheckNothingLost() {
	s.t.Helper()
	s.CheckStarts()
	main, err := harness.Read(s.Device.Main())
	if err != nil {
		s.t.Fatal(err)
	}
	for path, entry := range main {
		isKnown := slices.ContainsFunc(releases, func(one known) bool {
			return harness.Diff(harness.Tree{path: one.tree[path]}, harness.Tree{path: entry}) == ""
		})
		if !isKnown && !strings.HasPrefix(path, ".ota") {
			s.t.Errorf("main/%s is of no release: %v", path, entry)
		}
	}
	for path := range old {
		if _, there := main[path]; !there && path != stale {
			s.t.Errorf("main/%s is gone", path)
		}
	}
	stage := s.Stage()
	for at, step := range Steps[:stage.Step+1] {
		if at == stage.Step && stage.upload != letGo {
			break
		}
		for path, entry := range step.upload {
			if entry.Mode.IsRegular() && !s.Device.Keeps(path, entry.Content) {
				s.t.Errorf("%s of the upload %q is lost", path, step.Name)
			}
		}
	}
}

// CheckStarts looks at what the program found at each start: a release, whole.
func (s *Scene) CheckStarts() {
	s.t.Helper()
	for line := range strings.Lines(s.Device.Starts()) {
		seen := s.seen(line)
		if !slices.ContainsFunc(releases, func(one known) bool { return one.seen == seen }) {
			s.t.Errorf("the program was started in a mixture: %s", nearest(seen))
		}
	}
}

// Check looks at the folder after the last step.
func (s *Scene) Check() {
	s.t.Helper()
	main, err := harness.Read(s.Device.Main())
	if diff := harness.Diff(releases[len(releases)-1].tree, main); diff != "" || err != nil {
		s.t.Errorf("main/ at the end: %v\n%s", err, diff)
	}
	deposit, err := harness.Read(s.Device.Deposit())
	if diff := harness.Diff(harness.Tree{}, deposit); diff != "" || err != nil {
		s.t.Errorf("deposit/ at the end: %v\n%s", err, diff)
	}
	status, err := s.Device.Status()
	if programs := s.Device.Programs(); err != nil || !slices.Equal(programs, []int{status.Program.PID}) {
		s.t.Errorf("processes %v are in main/, the program is %d; %v", programs, status.Program.PID, err)
	}
	s.CheckNothingLost()
	s.checkHistory()
}

// checkHistory looks whether ota knows of all releases, and why some of them are
// gone.
func (s *Scene) checkHistory() {
	s.t.Helper()
	history, err := s.Device.HistoryNow()
	if err != nil {
		s.t.Errorf("the history: %v", err)
	}
	failed := 0
	for i, release := range history {
		if release.Number != len(history)-i || release.Current != (i == 0) {
			s.t.Errorf("the history has release %d, current: %t, where %d should be", release.Number, release.Current, len(history)-i)
		}
		switch {
		case release.State == "rolled back":
			failed++
			s.checkFailed(release)
		case release.State != "confirmed" && (release.State != "adopted" || release.Number != 1):
			s.t.Errorf("release %d is %s", release.Number, release.State)
		}
	}
	if failed == 0 {
		s.t.Error("no release was rolled back")
	}
}

// checkFailed looks whether it is told why a release failed.
func (s *Scene) checkFailed(release harness.Release) {
	s.t.Helper()
	why, err := s.Device.WhyNow(release.Number)
	if err != nil || why.Evidence == nil || release.Reason == "" || why.Evidence.Why != release.Reason {
		s.t.Errorf("release %d was rolled back: %q; why: %+v, %v", release.Number, release.Reason, why, err)
	}
}

// CheckUndisturbed looks whether nothing was done more than once: it is for a
// cycle in which ota was not killed.
func (s *Scene) CheckUndisturbed() {
	s.t.Helper()
	history, err := s.Device.HistoryNow()
	var states []string
	for _, release := range slices.Backward(history) {
		states = append(states, fmt.Sprintf("%d %s", release.Number, release.State))
	}
	const want = "1 adopted, 2 confirmed, 3 rolled back, 4 confirmed"
	if got := strings.Join(states, ", "); got != want || err != nil {
		s.t.Errorf("the history is %s; %v", got, err)
	}
	if why, err := s.Device.WhyNow(3); err != nil || why.Reason != "exit code 1" {
		s.t.Errorf("release 3 failed: %+v, %v", why, err)
	}
}
