//go:build linux && amd64

package faults

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ota/test/cycle"
	"ota/test/harness"
	"ota/test/ptrace"
)

// run is one cycle with a fault in it.
type run struct {
	*cycle.Scene
	t        *testing.T
	fault    fault
	answered func(ptrace.Call) // hears of every call that could fail; may be nil

	process  *process
	ends     int    // how often ota ended by itself before it ran anything
	lastWord string // that it said then
	stood    bool   // the cycle stood still because of the fault
	busy     bool   // it has its share of the processors

	mu     sync.Mutex
	count  int           // of calls that could fail
	first  *ptrace.Call  // that did
	made   []ptrace.Call // those that did not
	before int           // of them, came before first
	lifted bool          // no more calls fail
	last   time.Time     // of a call that could fail
}

// processors are shared by the cycles that get on; those that wait take none.
var processors = make(chan struct{}, 6)

// process is one traced ota.
type process struct {
	command *exec.Cmd
	console console
	stop    context.CancelFunc
	ended   chan struct{}
	status  syscall.WaitStatus
	err     error
}

func newRun(t *testing.T, fault fault) *run {
	t.Helper()
	processors <- struct{}{}
	r := &run{Scene: cycle.New(t), t: t, fault: fault, busy: true, last: time.Now()}
	t.Cleanup(r.rest)
	r.Folders = cycle.MayRemain
	r.Device.Patience = 2 * time.Second // who has no descriptor left does not answer
	r.begin()
	return r
}

// rest gives the share of the processors back.
func (r *run) rest() {
	if r.busy {
		r.busy = false
		<-processors
	}
}

// endure goes through the cycle with one fault and checks all.
func endure(t *testing.T, fault fault, found *findings) {
	r := newRun(t, fault)
	r.throughAll()
	if !t.Failed() {
		r.Check()
		r.CheckUndisturbed()
	}
	r.end()
	r.checkSyncs()
	found.add(r)
	if t.Failed() {
		t.Logf("%s failed with %s, %s\nconsole:\n%s", r.describe(), fault.errno, fault.lasts, r.process.console.String())
	}
}

func (r *run) describe() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == nil {
		return "no call"
	}
	return "call " + strings.ReplaceAll(r.first.String(), r.Device.Dir, "")
}

// begin starts ota.
func (r *run) begin() {
	ctx, stop := context.WithCancel(context.Background())
	p := &process{
		command: r.Device.Command(context.Background(), "run", r.Device.Dir),
		stop:    stop, ended: make(chan struct{}),
	}
	p.command.Stdout, p.command.Stderr = &p.console, &p.console
	var also []ptrace.Kind
	if r.fault.errno == syscall.EMFILE {
		also = append(also, ptrace.Descriptors)
	}
	r.process = p
	r.t.Cleanup(func() { r.end() })
	go func() {
		defer close(p.ended)
		result, err := ptrace.Run(ctx, p.command, func(call ptrace.Call) ptrace.Action { return r.decide(p, call) }, also...)
		p.status, p.err = syscall.WaitStatus(result.Status), err
	}()
}

// end kills ota and the program.
func (r *run) end() {
	r.process.stop()
	<-r.process.ended
	if r.process.err != nil {
		r.t.Error(r.process.err)
	}
}

// decide is called for every call, while its thread stands still.
func (r *run) decide(p *process, call ptrace.Call) ptrace.Action {
	if !r.counts(p, call) {
		return ptrace.Continue
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if ofOthers.MatchString(call.Path) { // as many as the machine has processes
		if r.first != nil && !r.lifted {
			return ptrace.Errno(r.fault.errno)
		}
		return ptrace.Continue
	}
	r.count++
	r.last = time.Now()
	if r.answered != nil {
		r.answered(call)
	}
	if r.count < r.fault.n || r.lifted {
		r.made = append(r.made, call)
		return ptrace.Continue
	}
	if r.first == nil {
		r.first, r.before = &call, len(r.made)
		r.lifted = r.fault.lasts == once
	}
	return ptrace.Errno(r.fault.errno)
}

// counts reports whether the fault can happen to a call: one of ota itself that
// changes its folder, or makes a descriptor.
func (r *run) counts(p *process, call ptrace.Call) bool {
	if r.fault.errno != syscall.EMFILE {
		return r.Counts(call)
	}
	// A limit that keeps the runtime from polling ends every Go program.
	if !makesDescriptor[call.Name] || call.Name == "epoll_create1" || call.Name == "eventfd2" {
		return false
	}
	if strings.Contains(p.console.String(), "ota is starting") || strings.HasPrefix(call.Path, r.Device.Dir) {
		_, err := os.Stat(fmt.Sprintf("/proc/%d/task/%d", p.command.Process.Pid, call.TID))
		return err == nil
	}
	return false
}

var makesDescriptor = map[string]bool{
	"open": true, "openat": true, "openat2": true, "creat": true, "pipe": true, "pipe2": true, "socket": true,
	"socketpair": true, "accept": true, "accept4": true, "dup": true, "epoll_create1": true, "eventfd2": true,
	"inotify_init1": true, "timerfd_create": true, "memfd_create": true, "pidfd_open": true,
}

// still is how long no call may be made until ota is taken to wait for
// something. It decides only when the test does the next thing.
const still = 200 * time.Millisecond

// longest is how long a step may take: the second pause before ota tries again
// is a minute.
const longest = 150 * time.Second

// throughAll goes through the cycle.
func (r *run) throughAll() {
	r.t.Helper()
	for r.through(); !r.t.Failed() && r.Next(); {
		r.through()
	}
}

// through goes through a step of the cycle, however often the fault stops it.
func (r *run) through() {
	r.t.Helper()
	r.Act()
	began := time.Now()
	var nudged time.Time
	for !r.IsOver() {
		if r.t.Failed() {
			return
		}
		if time.Since(began) > longest {
			r.t.Errorf("%s: in vain; %s", r.Step().Name, r.Describe())
			return
		}
		select {
		case <-r.process.ended:
			r.endedByItself()
			continue
		case <-time.After(min(max(5*time.Millisecond, time.Since(began)/10), time.Second/2)):
		}
		if r.isStill() {
			if r.stands(); time.Since(nudged) > 2*time.Second {
				r.nudge()
				nudged = time.Now()
			}
		}
	}
}

// isStill reports whether ota has failed and does nothing now.
func (r *run) isStill() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first != nil && time.Since(r.last) > still
}

// stands is called when the fault has stopped the cycle: that must be said, and
// nothing be lost; then the cause goes away.
func (r *run) stands() {
	r.t.Helper()
	r.mu.Lock()
	lifted := r.lifted && r.stood
	r.mu.Unlock()
	if lifted || r.IsOver() {
		return
	}
	r.rest()
	harness.Await(r.t, "the reason", func() bool { return r.isTold() || r.IsOver() || r.hasEnded() }, r.process.console.String)
	if r.hasEnded() || r.IsOver() {
		return
	}
	r.CheckNothingLost()
	harness.Await(r.t, "a program", func() bool { return r.hasProgram() || r.hasEnded() }, r.process.console.String)
	r.mu.Lock()
	r.lifted, r.stood = true, true
	r.mu.Unlock()
}

// isTold reports whether ota has said what the system said.
func (r *run) isTold() bool {
	text := r.fault.errno.Error()
	if strings.Contains(r.process.console.String(), text) {
		return true
	}
	status, err := r.Device.Status()
	return err == nil && slices.ContainsFunc(status.Deposit.Reasons, func(one harness.Reason) bool {
		return strings.Contains(one.Message, text)
	})
}

// hasProgram reports whether a program runs, or none may: between two releases,
// where none can be started for want of a descriptor, or where the one that is
// started again and again is bad.
func (r *run) hasProgram() bool {
	said := r.process.console.String()
	return len(r.Device.Programs()) > 0 || r.IsBad() || strings.Contains(said, "can't be undone yet") ||
		r.fault.errno == syscall.EMFILE && strings.Contains(said, "the program can't be started")
}

func (r *run) hasEnded() bool {
	select {
	case <-r.process.ended:
		return true
	default:
		return false
	}
}

// nudge tells ota that the upload is complete, as a person does who sees that
// it waits.
func (r *run) nudge() {
	ctx, stop := context.WithTimeout(r.t.Context(), 5*time.Second)
	defer stop()
	r.Device.Command(ctx, "apply").Run() // it may have no descriptor to be heard with
}

// endedByItself accepts that ota can't begin, and does what starts it on a
// device: starts it again.
func (r *run) endedByItself() {
	r.t.Helper()
	p := r.process
	if p.err != nil || r.Device.Starts() != "" || p.status.ExitStatus() != 1 || !r.isTold() || r.ends > 0 {
		r.t.Errorf("ota ended by itself, status %#x, %v", int(p.status), p.err)
		return
	}
	r.ends++
	r.lastWord = lastLine(p.console.String())
	if !mayEnd.MatchString(r.lastWord) {
		r.t.Errorf("ota ended by itself although it could have gone on: %s", r.lastWord)
	}
	r.mu.Lock()
	r.lifted = true
	r.mu.Unlock()
	r.begin()
}

// mayEnd is what keeps ota from beginning, for want of descriptors only: that it
// is the only one in the folder, that nothing of an earlier program is left, its
// settings and which releases there are must be known first.
var mayEnd = regexp.MustCompile(`^ota: (((cannot take the lock|cannot read the configuration): )?open .*|cannot end what an earlier ota left running: .*): too many open files$`)

// lastLine is the last that is not a hint.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) > 1 && strings.HasPrefix(lines[len(lines)-1], "hint:") {
		lines = lines[:len(lines)-1]
	}
	return lines[len(lines)-1]
}

// checkSyncs looks at what came after a sync that failed: files may change
// places, or a journal go away, only when all was written and synced again.
func (r *run) checkSyncs() {
	if r.first == nil || r.first.Name != "syncfs" && r.first.Name != "fdatasync" {
		return
	}
	changes := func(call ptrace.Call) bool {
		return call.Name == "renameat2" && strings.HasPrefix(call.To, r.Device.Main())
	}
	ends := func(call ptrace.Call) bool {
		return filepath.Base(call.Path) == "journal.json" && call.Name == "unlinkat"
	}
	relies := changes
	for _, call := range r.made[:r.before] { // of the switch under way, if there is one
		switch {
		case changes(call):
			relies = ends
		case ends(call):
			relies = changes
		}
	}
	written := false
	for _, call := range r.made[r.before:] {
		switch {
		case call.Name == "write" && strings.HasPrefix(pathBelow(call.Path), "/.ota/"):
			written = true
		case call.Name == r.first.Name && written:
			return
		case relies(call):
			r.t.Errorf("%s failed, and nothing was written and synced before %s", r.first, call)
			return
		}
	}
}

// siteOf is the same for calls of the same kind with the same kind of path.
func siteOf(call ptrace.Call) string {
	return call.Name + " " + pathBelow(call.Path) + " " + pathBelow(call.To)
}

var (
	numbers  = regexp.MustCompile(`/store/[0-9a-f]{2}\b(/[0-9a-f]{64})?|/ota-[0-9a-f]{16}$|\d+`)
	folders  = regexp.MustCompile(`^.*/ota-test-\d+`)
	ofOthers = regexp.MustCompile(`^/proc/\d+/(stat|environ)$`)
)

func pathBelow(path string) string {
	return numbers.ReplaceAllString(folders.ReplaceAllString(path, ""), "#")
}

// console keeps what ota says; several goroutines may use it.
type console struct {
	mu   sync.Mutex
	text strings.Builder
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}
