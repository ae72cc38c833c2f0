package program

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"ota/internal/kit/handover"
	"ota/internal/kit/proc"
)

// Leave leaves the program for good, as it is: nothing is read from it any more,
// its end is not taken in, and nothing is started or stopped. What it says from
// now on waits in its pipes and sockets. It returns when nobody of the room is at
// work; the room is then good for [Room.Handed] only.
func (r *Room) Leave() {
	r.turn.Lock() // for good
	r.waits.end()
	run := r.newest()
	if run == nil {
		r.notify.leave()
		return
	}
	run.reaping.Lock() // for good
	r.notify.leave()
	run.dog.leave()
	run.isLeft.Store(true)
	for _, one := range []pipe{run.stdout, run.stderr} {
		_ = one.out.SetReadDeadline(time.Now()) // it may have been closed
	}
	select {
	case <-run.stopped:
	case <-run.drained:
	}
}

// Peek is Handed as it would be now. It waits for a Start or Stop at work.
func (r *Room) Peek(bag *handover.Bag) (Handed, error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	return r.Handed(bag)
}

// Handed returns what the room that takes over needs, and puts the open files
// into the bag. It is to be asked after [Room.Leave].
func (r *Room) Handed(bag *handover.Bag) (Handed, error) {
	handed := Handed{Host: r.host.handed(), Meter: r.meter.handed()}
	var err error
	if handed.Sockets, err = r.sockets.handed(bag); err != nil {
		return Handed{}, err
	}
	if handed.Notify, err = r.notify.handed(bag); err != nil {
		return Handed{}, err
	}
	run := r.newest()
	if run == nil || run.isGone() && run.hasNoOutput() {
		return handed, nil
	}
	handed.Run = run.handed()
	return handed, errors.Join(run.stdout.put(bag, bagStdout), run.stderr.put(bag, bagStderr))
}

// put puts the reading end into a bag. One that the program has closed is closed
// here, too.
func (p pipe) put(bag *handover.Bag, name string) error {
	err := bag.Put(name, handover.Pipe, p.out)
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// take takes it out again.
func (p *pipe) take(from *handover.Received, name string) (err error) {
	if from.Has(name) {
		p.out, err = from.Take(name)
	}
	return err
}

// hasNoOutput reports whether all output of a tree that is gone was handed over.
func (run *Run) hasNoOutput() bool {
	select {
	case <-run.drained:
		return true
	default:
		return false
	}
}

func (run *Run) handed() *HandedRun {
	run.mu.Lock()
	defer run.mu.Unlock()
	handed := &HandedRun{
		ID: run.id, Started: handover.InstantOf(run.started), Origin: run.origin, Group: handedGroup(run.group),
		Steps: run.steps, Said: run.said, Cause: run.cause, Known: idsOf(run.known), Watchdog: run.dog.handed(),
	}
	select {
	case <-run.ready:
		handed.Ready = true
	default:
	}
	if run.phase == phaseReaped || run.phase == phaseGone {
		handed.Exit = &HandedExit{run.exit, handover.InstantOf(run.exit.At)}
	}
	return handed
}

func (d *watchdog) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
}

func (d *watchdog) handed() HandedWatchdog {
	d.mu.Lock()
	defer d.mu.Unlock()
	return HandedWatchdog{string(d.leash), d.interval, d.grace, handover.InstantOf(d.fed)}
}

// resume goes on with the watch: before it says that a sign of life is overdue, it
// reads what waits in the socket.
func (d *watchdog) resume(handed HandedWatchdog) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leash, d.interval, d.grace, d.fed = leash(handed.Leash), handed.Interval, handed.Grace, handed.Fed.Time()
	switch d.leash {
	case leashArmed:
		d.wind()
	case leashLoose: // it has bitten, and nobody has looked whether that was heeded
		go d.run.bite("no sign of life from it", d.interval)
	}
}

func (s *sockets) handed(bag *handover.Bag) ([]HandedSocket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []HandedSocket
	for _, one := range s.open {
		handed := HandedSocket{Socket: one.Socket}
		if one.made != nil {
			handed.Dev, handed.Ino = numbersOf(one.made)
		}
		if err := bag.Put(bagSocket+one.Address, handover.Listener, one.file); err != nil {
			return nil, err
		}
		all = append(all, handed)
	}
	return all, nil
}

func numbersOf(info os.FileInfo) (dev, ino uint64) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Dev), stat.Ino
	}
	return 0, 0
}

func (n *notifier) leave() {
	if n.conn == nil {
		return
	}
	_ = n.conn.SetReadDeadline(time.Now()) // a socket has one
	<-n.done
}

func (n *notifier) handed(bag *handover.Bag) (HandedNotify, error) {
	if n.conn == nil {
		return HandedNotify{}, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return HandedNotify{true, n.path, n.user}, bag.Put(bagNotify, handover.Datagram, n.conn)
}

func (h *host) handed() HandedHost {
	handed := HandedHost{Prepared: h.foreign != nil, Foreign: idsOf(h.foreign), Starved: h.kills.Load(), Group: HandedGroup{Made: h.made}}
	if h.group != nil {
		handed.Group, handed.Kills = handedGroup(h.cgroup()), h.group.kills
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	handed.Given = idsOf(h.given)
	return handed
}

func (m *meter) handed() HandedMeter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return HandedMeter{m.total, handedGroup(m.group), m.inGroup}
}

// Resume makes a new room what the one before it was, and returns the program,
// nil if there is none. Nobody listens to it before [Run.Begin].
func (r *Room) Resume(handed Handed, from *handover.Received) (*Run, error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	if handed.Host.Prepared {
		r.ready.Do(func() { r.host.resume(handed.Host, r) })
		if err := r.notify.resume(handed.Notify, from); err != nil {
			return nil, err
		}
	}
	r.meter.total, r.meter.group, r.meter.inGroup = handed.Meter.Total, handed.Meter.Group.grouping(), handed.Meter.InGroup
	if err := r.sockets.resume(handed.Sockets, from); err != nil {
		return nil, err
	}
	if handed.Run == nil {
		return nil, nil
	}
	run, err := r.revive(handed.Run, from)
	if err != nil {
		return nil, fmt.Errorf("cannot take over the program: %w", err)
	}
	r.mu.Lock()
	r.last = run
	r.mu.Unlock()
	return run, nil
}

func (h *host) resume(handed HandedHost, r *Room) {
	h.foreign, h.given, h.made = setOf(handed.Foreign), setOf(handed.Given), handed.Group.Made
	h.adopted = proc.Adopt()
	h.kills.Store(handed.Starved)
	if handed.Group.Path == "" {
		return
	}
	dir, err := os.Open(handed.Group.Path)
	if err != nil {
		r.log.Debug("the control group of the program is gone", "error", err)
		return
	}
	h.group = &cgroup{path: handed.Group.Path, dir: dir, kills: handed.Kills, before: handed.Group.Before}
}

func (n *notifier) resume(handed HandedNotify, from *handover.Received) error {
	if !handed.Open {
		return nil
	}
	file, err := from.Take(bagNotify)
	if err != nil {
		return err
	}
	defer file.Close()
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return err
	}
	n.conn, n.path, n.user = conn.(*net.UnixConn), handed.Path, handed.User
	n.raw, err = n.conn.SyscallConn()
	return err
}

func (s *sockets) resume(handed []HandedSocket, from *handover.Received) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range handed {
		file, err := from.Take(bagSocket + one.Socket.Address)
		if err != nil {
			return err
		}
		again := &opened{Socket: one.Socket, file: file}
		if found, err := os.Lstat(one.Socket.Address); err == nil && one.Ino != 0 {
			if dev, ino := numbersOf(found); dev == one.Dev && ino == one.Ino {
				again.made = found
			}
		}
		s.open = append(s.open, again)
	}
	return nil
}

// revive makes the run of a program that another room has started.
func (r *Room) revive(handed *HandedRun, from *handover.Received) (*Run, error) {
	run := newRun(r, pipe{}, pipe{})
	if err := errors.Join(run.stdout.take(from, bagStdout), run.stderr.take(from, bagStderr)); err != nil {
		return nil, err
	}
	run.id, run.started, run.origin, run.group = handed.ID, handed.Started.Time(), handed.Origin, handed.Group.grouping()
	run.steps, run.said, run.cause = handed.Steps, handed.Said, handed.Cause
	if len(handed.Known) > 0 {
		run.known = setOf(handed.Known)
	}
	if handed.Ready {
		run.becomeReady()
	}
	run.resumed = handed.Watchdog
	if handed.Exit == nil {
		var err error
		run.cmd, err = proc.Inherit(run.id.PID)
		return run, err
	}
	run.phase, run.exit = phaseReaped, handed.Exit.Exit
	run.exit.At = handed.Exit.At.Time()
	close(run.done)
	return run, nil
}

// Begin listens to a program that was taken over, and waits for its end, which
// may have come already. It is to be called once, after [Room.Resume]; from then
// on what the program says can be handed to nobody else.
func (run *Run) Begin(streams Streams) {
	r := run.room
	events, unwatch := proc.Watch()
	run.dog.resume(run.resumed)
	if r.notify.conn != nil {
		r.notify.mu.Lock()
		r.notify.run = run
		r.notify.mu.Unlock()
		r.notify.catchUp()
		r.notify.attend()
	}
	run.listen(Spec{Stdout: streams.Stdout, Stderr: streams.Stderr}, nil)
	if run.at(phaseRunning) {
		go run.wait()
	}
	go run.tend(events, unwatch)
}

// BeginIdle goes on in a room in which nothing of a program is left.
func (r *Room) BeginIdle() {
	if r.notify.conn != nil {
		r.notify.attend()
	}
}
