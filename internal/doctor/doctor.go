// Package doctor looks at all that is known to go wrong on a device, and says
// what to do.
//
// In: a folder that ota looks after, or is to; what the ota there says of
// itself; the machine. Out: findings, each with the command that mends it, also
// for what could not be looked at. Never: a change to anything, but for two
// files that are made and removed at once to see whether the file system can
// exchange names; a program that was uploaded, run with more rights than its
// own.
package doctor

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"ota/internal/config"
	"ota/internal/device"
	"ota/internal/kit/escape"
	"ota/internal/kit/owner"
)

// Verdict is what a finding means.
type Verdict string

// The verdicts.
const (
	OK      Verdict = "ok"
	Notice  Verdict = "notice"  // it may become a problem, or should be known
	Problem Verdict = "problem" // it keeps something from working
	Unknown Verdict = "unknown" // it could not be looked at
)

// Finding is one thing that was looked at. Its texts are harmless to a
// terminal.
type Finding struct {
	Check   string // what was looked at, as in the table of checks
	Name    string // of the finding, as in Names; that of the check where all is well
	Verdict Verdict
	What    string
	Advice  string // what to do, as a rule a command; empty: nothing
}

// Presence is how the ota of a folder is met.
type Presence string

// The ways to meet it.
const (
	Absent  Presence = "absent"  // nobody looks after the folder
	Left    Presence = "left"    // nobody, and the socket of one that was killed is there
	Answers Presence = "answers" // it says how things stand
	Silent  Presence = "silent"  // it is there and says nothing
	Refuses Presence = "refuses" // it does not answer to this user
)

// Told is what the ota of a folder says of itself. But for the presence, the
// process and the reason it is known only of one that answers.
type Told struct {
	Presence    Presence
	PID         int           // 0: not known
	Outdated    string        // the file that it runs from, if another one has that name by now; empty: it is that
	Why         string        // it is silent or refuses
	Program     string        // the state of the program
	Crashes     Crashes       // of the program
	Ended       string        // how the program ended last; empty: it has not
	Trial       int           // the release that is on trial; 0: none
	TrialFor    time.Duration // since the program was started in it
	Held        []string      // what holds the upload in deposit/
	Page        string        // where the page is; empty: nowhere
	PageProblem string
	// BrokerProblem is why the MQTT broker is not reached; empty: it is, or there is
	// none.
	BrokerProblem string
	// Source is where releases are fetched from, and SourceProblem why none come;
	// empty: there is none.
	Source, SourceProblem string
}

// Crashes is how often the program crashes.
type Crashes string

// How often it can crash.
const (
	Seldom Crashes = ""
	Again  Crashes = "again" // it waits for its next start
	Always Crashes = "always"
)

// Options say what is looked at.
type Options struct {
	Dir     string             // absolute
	Reserve int64              // bytes that ota keeps for itself on the disk
	Env     []string           // of ota, to find Python with
	Told    Told               // by the ota of the folder
	Program *owner.Owner       // whom the program runs as; nil: as ota
	Service Service            // that starts it
	Doing   func(check string) // is told what is looked at; nil: nobody
}

// system is the machine, as it is replaced in tests.
type system struct {
	root     string // where /proc, /sys and /dev are
	uid      int    // ours
	facts    func() device.Facts
	disk     func(path string) (disk, error)
	exchange func(folder string) error // whether names can be exchanged there
	account  func(uid, gid int) user
	dmesg    []string // the command that prints the kernel's log
}

// disk is the file system that a path is on, as it is mounted there.
type disk struct {
	mount      int    // ID of the mount
	at         string // where it is mounted
	kind       string
	readOnly   bool
	noExec     bool
	free       int64 // bytes, for who is not root
	inodes     int64 // 0: it does not count them
	freeInodes int64
}

// patient is a folder while it is looked at.
type patient struct {
	Options
	system
	settings config.Config
	faults   []Finding // of the settings
	user     user      // whom ota runs as
}

// check is one look: it returns what is not as it should be, or what is, in one
// finding.
type check struct {
	name string
	look func(*patient, context.Context) []Finding
}

// Examine makes all checks, one after the other, and returns what they found in
// their order. One goroutine may call it at a time.
func Examine(ctx context.Context, options Options) []Finding {
	return examine(ctx, options, thisSystem(options.Dir))
}

func examine(ctx context.Context, options Options, on system) []Finding {
	p := &patient{Options: options, system: on}
	p.readSettings()
	p.user = p.whoseOta()
	var all []Finding
	for _, one := range checks {
		if ctx.Err() != nil {
			break
		}
		if p.Doing != nil {
			p.Doing(one.name)
		}
		for _, finding := range one.look(p, ctx) {
			finding.Check = one.name
			if finding.Name == "" {
				finding.Name = one.name
			}
			finding.What, finding.Advice = harmless(finding.What), harmless(finding.Advice)
			all = append(all, finding)
		}
	}
	return all
}

func (p *patient) deposit() string { return filepath.Join(p.Dir, "deposit") }
func (p *patient) main() string    { return filepath.Join(p.Dir, "main") }
func (p *patient) logs() string    { return filepath.Join(p.Dir, "logs") }
func (p *patient) own() string     { return filepath.Join(p.Dir, ".ota") }

// below is a path of the system, or what stands for it in a test.
func (s system) below(path string) string { return filepath.Join(s.root, path) }

// runs reports whether an ota looks after the folder.
func (p *patient) runs() bool { return p.Told.Presence != Absent && p.Told.Presence != Left }

func fine(what string) []Finding { return []Finding{{Verdict: OK, What: what}} }

func notice(name, what, advice string) Finding {
	return Finding{Name: name, Verdict: Notice, What: what, Advice: advice}
}

func problem(name, what, advice string) Finding {
	return Finding{Name: name, Verdict: Problem, What: what, Advice: advice}
}

func unknown(name, what, advice string) Finding {
	return Finding{Name: name, Verdict: Unknown, What: what, Advice: advice}
}

// otherwise is what was found, or else that all is well.
func otherwise(found []Finding, what string) []Finding {
	if len(found) == 0 {
		return fine(what)
	}
	return found
}

func harmless(text string) string { return string(escape.Line(nil, []byte(text))) }

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
