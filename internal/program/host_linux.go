package program

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"ota/internal/kit/proc"
)

// host is what the system offers to hold the tree together. Any of it may be
// missing; each part alone finds most members.
type host struct {
	// adopted: orphans of the tree are given to us. Then the tree is what
	// descends from us, and no other evidence is needed.
	adopted bool
	// foreign are children that we had before the first program: a shell that
	// replaced itself by ota leaves its jobs to us.
	foreign map[proc.ID]struct{}
	group   *cgroup // nil: none
	made    int     // counts the groups
	// kills were in group for want of memory before the program was started.
	kills atomic.Int64

	mu    sync.Mutex
	given map[proc.ID]struct{} // up, for we may not end them
}

func (h *host) prepare(mark string, log *slog.Logger) {
	h.foreign = foreignChildren()
	h.adopted = proc.Adopt()
	group, err := newCgroup(mark)
	if err != nil {
		log.Debug("no control group for the program", "reason", err)
		return
	}
	h.group = group
	h.made++
}

// refresh makes a new control group if there were kills in the old one. Since
// a fix for a race of fork with such a kill (in Linux 6.14, and carried back),
// the kernel compares the counts of kills of our own group and of the one that
// a process is started into, and kills it at once where they differ: seen with
// Linux 6.18.
func (h *host) refresh(mark string, log *slog.Logger) {
	if h.group == nil || h.group.kills == 0 {
		return
	}
	err := h.close()
	if err == nil {
		h.group, err = newCgroup(mark)
		h.made++
	}
	if err != nil {
		log.Debug("no control group for the program", "reason", err)
	}
}

// foreignChildren returns the children that nobody of ours has started.
func foreignChildren() map[proc.ID]struct{} {
	foreign := map[proc.ID]struct{}{}
	if proc.Reap() == proc.None {
		return foreign
	}
	all, err := proc.All()
	if err != nil {
		return foreign
	}
	known := proc.Known()
	for _, one := range all {
		if _, ours := known[one.PID]; one.Parent == os.Getpid() && !ours {
			foreign[one.ID] = struct{}{}
		}
	}
	return foreign
}

func (h *host) adopts() bool { return h.adopted }

// left says whether anything of a tree is left whose main process has been
// reaped. Unknown: all processes must be gone through, which nobody wants to do
// a thousand times while a thousand end.
func (h *host) left() proc.Offspring {
	left := proc.Reap()
	switch {
	case !h.adopted:
		return proc.Unknown
	case left != proc.Some:
		return left
	}
	if len(h.foreign) > 0 || h.hasGivenUp() {
		return proc.Unknown
	}
	if len(proc.Known()) == 0 {
		return proc.Some
	}
	// A process that waits to become the next program is a child as well, and
	// so is a command of a check.
	return proc.Strangers()
}

func (h *host) hasGivenUp() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.given) > 0
}

// cgroup returns the group that the next program is started into.
func (h *host) cgroup() grouping {
	if h.group == nil {
		return grouping{}
	}
	return grouping{h.group.path, h.made, h.group.before}
}

func (h *host) close() error {
	if h.group == nil {
		return nil
	}
	group := h.group
	h.group = nil
	return group.remove()
}

// attributes puts the program into a session of its own: a Ctrl-C on our
// terminal is for us, and one signal reaches the whole group.
func (h *host) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setsid: true}
	if h.group != nil {
		attributes.UseCgroupFD, attributes.CgroupFD = true, h.group.fd()
	}
	return attributes
}

// retreat gives up what may have made a start fail, and says whether another
// try makes sense. Which of clone3, cgroup and exec failed is not told.
func (h *host) retreat(log *slog.Logger, err error) bool {
	if h.group == nil || errors.Is(err, os.ErrNotExist) {
		return false
	}
	if removeErr := h.close(); removeErr != nil {
		err = errors.Join(err, removeErr)
	}
	log.Debug("no control group for the program", "reason", err)
	return true
}

// waitFor waits for the main process and calls atEnd before reaping it.
func waitFor(cmd *exec.Cmd, atEnd func()) {
	proc.AwaitEnd(cmd.Process.Pid)
	atEnd()
	_ = proc.Wait(cmd) // how it ended is in its state
}

func startOf(pid int) uint64 {
	stat, err := proc.Read(pid)
	if err != nil {
		return 0 // without /proc nothing would be compared with it either
	}
	return stat.Start
}

// session returns the processes of the main process's session, for as long as
// its number can't be another's. Where orphans are ours nobody asks.
func (h *host) session(run *Run) []proc.Stat {
	if h.adopted {
		return nil
	}
	all, err := proc.All()
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(one proc.Stat) bool { return one.Session != run.id.PID })
}

// members returns who of the tree is alive.
func (h *host) members(run *Run) []proc.Stat {
	all, err := proc.All()
	if err != nil {
		return h.blind(run)
	}
	f := h.family(run, all, h.group.members())
	f.closely = true
	members := slices.DeleteFunc(all, func(one proc.Stat) bool {
		return !one.Alive() || !f.has(one) || h.gaveUp(one.ID)
	})
	if !h.adopted {
		run.remember(members)
	}
	return members
}

// blind is members without /proc: the main process, or somebody unknown.
func (h *host) blind(run *Run) []proc.Stat {
	if run.at(phaseRunning) || h.adopted && proc.Reap() != proc.None {
		return []proc.Stat{{ID: run.id, Group: run.id.PID, Session: run.id.PID}}
	}
	return nil
}

// family decides over one list of all processes who is of the tree.
type family struct {
	host     *host
	run      *Run
	self     int
	known    map[int]struct{} // children of ours that somebody waits for
	grouped  map[int]struct{} // in the control group
	closely  bool             // environments are read, which takes longer than all else
	numbered bool             // the main process's number is still its own
	all      map[int]proc.Stat
	verdict  map[int]bool
}

func (h *host) family(run *Run, all []proc.Stat, grouped map[int]struct{}) family {
	f := family{
		host: h, run: run, self: os.Getpid(), known: proc.Known(),
		numbered: run.at(phaseRunning),
		grouped:  grouped,
		all:      make(map[int]proc.Stat, len(all)), verdict: make(map[int]bool, len(all)),
	}
	for _, one := range all {
		f.all[one.PID] = one
	}
	return f
}

func (f *family) has(one proc.Stat) bool {
	if verdict, ok := f.verdict[one.PID]; ok {
		return verdict
	}
	// While the list was read a number may have been given again, and parents
	// may seem to go in a circle.
	f.verdict[one.PID] = false
	verdict := f.judge(one)
	f.verdict[one.PID] = verdict
	return verdict
}

func (f *family) judge(one proc.Stat) bool {
	_, known := f.known[one.PID]
	_, foreign := f.host.foreign[one.ID]
	_, grouped := f.grouped[one.PID]
	switch {
	case one.ID == f.run.id:
		return true
	case one.PID <= 1 || one.PID == f.self || known || foreign:
		return false
	case grouped:
		return true
	case f.host.adopted:
		if one.Parent == f.self {
			return true
		}
	case f.numbered && one.Session == f.run.id.PID,
		f.run.remembered(one.ID),
		f.closely && proc.HasEnviron(one.PID, MarkVariable+"="+f.run.room.options.Mark):
		return true
	}
	parent, ok := f.all[one.Parent]
	return ok && f.has(parent)
}

// killRounds bounds how often one call looks for those that were started while
// it killed; the next call goes on.
const killRounds = 100

// signalMembers sends a signal to every member but those of the group that has
// it already. SIGKILL goes on until nobody new is found.
func (h *host) signalMembers(run *Run, signal syscall.Signal, reached int) {
	if signal != syscall.SIGKILL {
		if reached != 0 && h.isAlone(run) {
			return
		}
		for _, member := range h.members(run) {
			if member.Group != reached {
				h.send(run.room.log, member, signal)
			}
		}
		return
	}
	h.group.kill()
	done := map[proc.ID]struct{}{}
	for range killRounds {
		news := slices.DeleteFunc(h.members(run), func(one proc.Stat) bool {
			_, old := done[one.ID]
			return old
		})
		if len(news) == 0 {
			return
		}
		killGroups(news)
		for _, one := range news {
			done[one.ID] = struct{}{}
			h.send(run.room.log, one, signal)
		}
	}
}

// isAlone reports whether the main process is all that there is of the tree,
// as far as that is told quickly: most programs start nobody, and a look at all
// processes takes time from a program that is about to end.
func (h *host) isAlone(run *Run) bool {
	return h.adopted && len(h.foreign) == 0 && !h.hasGivenUp() &&
		proc.Children(run.id.PID) == proc.None && proc.Strangers() == proc.None
}

// killGroups kills whole groups at once, which no fork can escape. A group of
// the tree has only members of the tree: the session in which it was made was
// made by one.
func killGroups(members []proc.Stat) {
	own, err := unix.Getsid(0)
	if err != nil {
		return
	}
	killed := map[int]struct{}{}
	for _, one := range members {
		if _, ok := killed[one.Group]; ok || one.Session == own || one.Group <= 1 {
			continue
		}
		killed[one.Group] = struct{}{}
		_ = unix.Kill(-one.Group, unix.SIGKILL) // each gets its own one as well
	}
}

// send sends a signal to one process, and the one that lets a stopped process
// act on it.
func (h *host) send(log *slog.Logger, one proc.Stat, signal syscall.Signal) {
	err := one.Signal(signal)
	switch {
	case err == nil && signal != syscall.SIGKILL:
		_ = one.Signal(syscall.SIGCONT) // it may have ended
	case errors.Is(err, os.ErrPermission) && signal == syscall.SIGKILL:
		h.giveUp(one.ID)
		log.Warn("process of another user cannot be ended", "pid", one.PID, "name", one.Name, "error", err)
	}
}

func (h *host) giveUp(id proc.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.given == nil {
		h.given = map[proc.ID]struct{}{}
	}
	h.given[id] = struct{}{}
}

func (h *host) gaveUp(id proc.ID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.given[id]
	return ok
}
