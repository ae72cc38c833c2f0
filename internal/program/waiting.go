package program

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"ota/internal/kit/proc"
)

// WaitSpec says how a process is made to wait before it becomes the program.
// Something in it listens on a socket that it is given, says lines of text and
// hears messages (their length in decimal, a line's end, the bytes):
//
//	process                          room
//	hello
//	                                 First
//	missing NAME: WHY                                   any number of
//	waiting
//	                                 the changes of the environment
//	started                                             it is the program now
//
// The changes are entries with a zero byte after each, NAME=value or, for one
// that is not to be there, NAME. Instead of any line it may say "off WHY" and
// end. At the end of the file it must end.
type WaitSpec struct {
	// Env returns the environment that makes a process wait for word on the
	// file with this number, from the one that the program is to have.
	Env func(env []string, fd int) []string
	// First is what the process is told to do before it waits.
	First []byte
	// Probe is a command that waits as the program's does, and that does
	// nothing if it fails to. It is tried first, once: a command that does not
	// wait would be a second program beside the first.
	Probe []string
	// Limit is how long it may take until it waits; 0: a minute.
	Limit time.Duration
}

// standing is how far a waiting process has come.
type standing string

const (
	standingPreparing standing = "preparing" // it does what it was told first
	standingWaiting   standing = "waiting"
	standingCalled    standing = "called" // told to go on; has not answered
	standingProgram   standing = "program"
	standingRefused   standing = "refused" // it was called in vain
	standingEnded     standing = "ended"   // ended, or about to be reaped
)

// Waiting is a process that waits to become the program. It is not of the tree
// of the one that runs. Its methods may be called by several goroutines.
type Waiting struct {
	room           *Room
	spec           Spec
	env            []string    // what the program is to find in its environment
	dir            fs.FileInfo // of the working directory
	sockets        []uint64    // that it has, see sockets.numbers
	cmd            *exec.Cmd
	id             proc.ID
	line           *line
	stdout, stderr pipe

	ready    chan struct{} // closed when it waits
	attended chan struct{} // closed when nobody listens for that any more
	decided  chan struct{} // closed when it is known what became of the call
	done     chan struct{} // closed when it has ended without becoming the program

	mu       sync.Mutex
	standing standing
	reason   error // why it can't become the program
	missing  []string
	run      *Run // as which it goes on
}

// Ready is closed when it waits.
func (w *Waiting) Ready() <-chan struct{} { return w.ready }

// Done is closed when it has ended and can't become the program any more; never
// if it has become the program.
func (w *Waiting) Done() <-chan struct{} { return w.done }

// Err says why it can't become the program; nil while it can.
func (w *Waiting) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reason
}

// Missing returns what it was told to do first and could not, each with the
// reason.
func (w *Waiting) Missing() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.missing)
}

// errUnwanted is the reason of one that was closed.
var errUnwanted = errors.New("it is not wanted any more")

// Close ends it, unless it has become the program, and returns when it has
// ended. It may be called more than once.
func (w *Waiting) Close() {
	if !w.end(errUnwanted) {
		return
	}
	<-w.done
}

// end makes an end of a process that is not the program, and says whether there
// is one to be waited for.
func (w *Waiting) end(reason error) bool {
	for {
		w.mu.Lock()
		if w.standing != standingCalled {
			break
		}
		w.mu.Unlock()
		<-w.decided
	}
	defer w.mu.Unlock()
	if w.standing == standingProgram {
		return false
	}
	w.kill(reason)
	return true
}

// kill is called with mu held. Until standingEnded the process is not reaped:
// its number is its own.
func (w *Waiting) kill(reason error) {
	if w.reason == nil {
		w.reason = reason
	}
	if w.standing != standingEnded {
		_ = signalGroup(w.id.PID, syscall.SIGKILL) // it may have ended
	}
}

// fits returns the changes of the environment with which the process is what
// spec says, or why it can't be.
func (w *Waiting) fits(r *Room, spec Spec) ([]byte, error) {
	switch dir, err := os.Stat(spec.Dir); {
	case w.room != r:
		return nil, errors.New("it is of another room")
	case !slices.Equal(w.spec.Argv, spec.Argv) || w.spec.Dir != spec.Dir:
		return nil, errors.New("the command is another")
	case err != nil:
		return nil, err
	case !os.SameFile(dir, w.dir):
		return nil, errors.New("the working directory is another")
	case !slices.Equal(w.sockets, r.sockets.numbers(spec.Sockets)):
		return nil, errors.New("it has other sockets")
	case w.spec.Watchdog != spec.Watchdog || (w.spec.Credential == nil) != (spec.Credential == nil):
		return nil, errors.New("it was started in another way")
	}
	return changes(w.env, r.environ(spec))
}

// ownVariables are those that may change while a process waits: what we tell
// the program ourselves. On others the interpreter or a module may have acted
// already.
var ownVariables = []string{"OTA_", "LISTEN_", "WATCHDOG_", notifyVariable + "="}

// changes returns what turns one environment into another.
func changes(from, to []string) ([]byte, error) {
	before, after := variables(from), variables(to)
	var message []byte
	for _, entry := range to {
		name, _, _ := strings.Cut(entry, "=")
		if value, ok := before[name]; ok && value == after[name] {
			continue
		}
		if !isOwn(name) {
			return nil, fmt.Errorf("the environment has another %s", name)
		}
		message = append(message, name+"="+after[name]+"\x00"...)
	}
	for _, entry := range from {
		name, _, _ := strings.Cut(entry, "=")
		if _, ok := after[name]; ok {
			continue
		}
		if !isOwn(name) {
			return nil, fmt.Errorf("the environment has no %s", name)
		}
		message = append(message, name+"\x00"...)
	}
	return message, nil
}

// variables maps names to values; of duplicates the last counts.
func variables(env []string) map[string]string {
	values := make(map[string]string, len(env))
	for _, entry := range env {
		if name, value, ok := strings.Cut(entry, "="); ok {
			values[name] = value
		}
	}
	return values
}

func isOwn(name string) bool {
	return slices.ContainsFunc(ownVariables, func(own string) bool { return strings.HasPrefix(name+"=", own) })
}

// Origin is what a run has come from.
type Origin string

// The two origins.
const (
	FromStart   Origin = "start"   // a process that was started for it
	FromWaiting Origin = "waiting" // one that had waited for it
)

// Origin says what the run has come from.
func (run *Run) Origin() Origin { return run.origin }

// waitEnd is what a process that is to wait is given. A nil one is that of a
// process that starts at once.
type waitEnd struct {
	file *os.File
	env  func(env []string, fd int) []string
}

// equip is called last: whatever else the process is given comes first.
func (e *waitEnd) equip(cmd *exec.Cmd) {
	if e == nil {
		return
	}
	const firstExtra = 3 // behind stdin, stdout and stderr
	cmd.Env = e.env(cmd.Env, firstExtra+len(cmd.ExtraFiles))
	cmd.ExtraFiles = append(cmd.ExtraFiles, e.file)
}

// waits are those of a room that wait.
type waits struct {
	mu     sync.Mutex // guards all
	all    map[*Waiting]struct{}
	probed string // what has been seen to wait, see Room.probe
}

func (s *waits) add(w *Waiting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[*Waiting]struct{}{}
	}
	s.all[w] = struct{}{}
}

func (s *waits) remove(w *Waiting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, w)
}

// end ends them all.
func (s *waits) end() {
	s.mu.Lock()
	var all []*Waiting
	for w := range s.all {
		all = append(all, w)
	}
	s.mu.Unlock()
	for _, w := range all {
		w.Close()
	}
}
