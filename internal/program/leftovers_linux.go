package program

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"ota/internal/kit/proc"
)

// EndLeftovers ends what an ota that was killed has left running, by the same
// steps as [Room.Stop], and returns how many processes that were. It is to be
// called before the first Start, by who holds the lock on the folder. When ctx
// ends, everything is killed at once.
//
// A process is a leftover if it
//   - is the recorded one: number, start and boot are the same;
//   - has the mark in its environment (which it may have overwritten);
//   - is in the control group;
//   - holds the recorded pipes;
//   - is in the recorded session, and either that session's leader is the
//     recorded process or one of the session is a leftover by the above: a
//     number is not given again while it names a session;
//   - descends from a leftover.
func (r *Room) EndLeftovers(ctx context.Context) (killed int, err error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	if last := r.newest(); last != nil && !r.gone(last) {
		return 0, fmt.Errorf("cannot look for leftovers: %w", ErrAlive)
	}
	if _, err := proc.All(); err != nil {
		return 0, fmt.Errorf("cannot look for leftovers: %w", err)
	}
	pack := &leftovers{room: r, record: r.recorded(), seen: map[proc.ID]struct{}{}}
	pack.groups = pack.findGroups()
	if len(pack.left()) > 0 {
		r.climb(ctx, pack, r.steps)
	}
	for _, group := range pack.groups {
		if err := removeCgroup(group); err != nil {
			r.log.Debug("cannot remove control group", "error", err)
		}
	}
	return len(pack.seen), nil
}

// leftovers is a [target].
type leftovers struct {
	room   *Room
	record record
	groups []string // control groups that may hold some
	// seen are those found so far. A process that is ending has closed its
	// files and dropped its environment a while before it is gone.
	seen map[proc.ID]struct{}
}

// findGroups returns the control group in the record, and the one that would
// be made now: the record may have been lost.
func (l *leftovers) findGroups() []string {
	var groups []string
	if path, err := cgroupPath(l.room.options.Mark); err == nil {
		groups = append(groups, path)
	}
	// The record is a file that anybody may have edited: what is not named as
	// our group is none.
	path := l.record.Cgroup
	if filepath.Base(path) == cgroupName(l.room.options.Mark) && !slices.Contains(groups, path) {
		groups = append(groups, path)
	}
	return groups
}

func (l *leftovers) signal(signal syscall.Signal) {
	if signal == syscall.SIGKILL {
		for _, group := range l.groups {
			killCgroup(group)
		}
	}
	for _, one := range l.left() {
		if _, ok := l.seen[one.ID]; !ok {
			l.seen[one.ID] = struct{}{}
			l.room.log.Info("ending a process that an earlier ota has left", "pid", one.PID, "name", one.Name)
		}
		l.room.host.send(l.room.log, one, signal)
	}
}

func (l *leftovers) await(ctx context.Context) bool {
	for {
		left := l.left()
		if len(left) == 0 {
			return true
		}
		if left[0].Await(ctx) != nil {
			return len(l.left()) == 0
		}
	}
}

func (l *leftovers) left() []proc.Stat {
	all, err := proc.All()
	if err != nil {
		return nil
	}
	known, self := proc.Known(), os.Getpid()
	all = slices.DeleteFunc(all, func(one proc.Stat) bool {
		_, ours := known[one.PID]
		return ours || one.PID <= 1 || one.PID == self || l.room.host.gaveUp(one.ID)
	})
	found := l.evident(all)
	l.addSession(all, found)
	addDescendants(all, found)
	return slices.DeleteFunc(all, func(one proc.Stat) bool {
		return !found[one.PID] || !one.Alive()
	})
}

// evident returns those that are leftovers by themselves.
func (l *leftovers) evident(all []proc.Stat) map[int]bool {
	grouped := map[int]struct{}{}
	for _, group := range l.groups {
		for pid := range cgroupMembers(group) {
			grouped[pid] = struct{}{}
		}
	}
	mark := MarkVariable + "=" + l.room.options.Mark
	found := map[int]bool{}
	for _, one := range all {
		_, in := grouped[one.PID]
		_, seen := l.seen[one.ID]
		found[one.PID] = in || seen || l.isMain(one) || proc.HasEnviron(one.PID, mark) || l.listens(one)
	}
	return found
}

func (l *leftovers) isMain(one proc.Stat) bool { return l.record.PID > 1 && one.ID == l.record.ID }

func (l *leftovers) listens(one proc.Stat) bool {
	return len(l.record.Pipes) > 0 && one.Start >= l.record.Start && proc.HoldsPipe(one.PID, l.record.Pipes)
}

func (l *leftovers) addSession(all []proc.Stat, found map[int]bool) {
	inSession := func(one proc.Stat) bool { return l.record.PID > 1 && one.Session == l.record.PID }
	ours := slices.ContainsFunc(all, func(one proc.Stat) bool { return inSession(one) && found[one.PID] })
	for _, one := range all {
		if ours && inSession(one) {
			found[one.PID] = true
		}
	}
}

func addDescendants(all []proc.Stat, found map[int]bool) {
	for more := true; more; {
		more = false
		for _, one := range all {
			if !found[one.PID] && found[one.Parent] {
				found[one.PID], more = true, true
			}
		}
	}
}

var _ target = (*leftovers)(nil)

// name is the pipe as /proc/PID/fd shows it.
func (p pipe) name() string {
	info, err := p.out.Stat()
	if err != nil {
		return ""
	}
	status, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("pipe:[%d]", status.Ino)
}
