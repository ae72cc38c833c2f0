package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"

	"ota/internal/config"
	"ota/internal/kit/handover"
	"ota/internal/logs"
	"ota/internal/program"
	"ota/internal/release"
	"ota/internal/update"
	"ota/internal/web"
)

// handedFormat is that of handed. An ota takes over from one with the same
// format only; a member more, without which it can be done as well, is no other
// format.
const handedFormat = 1

// handed is the state of a house, beside the open files: all that the next ota
// in this process can't read from the disk.
type handed struct {
	Format    int               `json:"format"`
	Dir       []byte            `json:"dir"`
	Start     string            `json:"start"` // see StartID
	To        string            `json:"to"`    // the version that is to take over
	Lock      string            `json:"lock"`  // the path that is locked; empty: none is
	Logs      logs.Handed       `json:"logs"`
	Program   program.Handed    `json:"program"`
	Launch    handedLaunch      `json:"launch"`
	Conductor update.Handed     `json:"conductor"`
	Page      web.Handed        `json:"page"`
	Vouched   map[string]string `json:"vouched"`
}

// handedLaunch is how the program was started, and what of its output is no line
// yet.
type handedLaunch struct {
	Release     int64             `json:"release"`
	Interpreter string            `json:"interpreter"`
	Environment string            `json:"environment"`
	Lacks       string            `json:"lacks"`
	Env         [][]byte          `json:"env"` // of any bytes, as argv
	Argv        [][]byte          `json:"argv"`
	After       uint64            `json:"after"`
	Stdout      logs.HandedWriter `json:"stdout"`
	Stderr      logs.HandedWriter `json:"stderr"`
}

// bagLock is the name of the folder's lock among what is handed over.
const bagLock = "the lock of the folder"

// unpackState reads the state in a parcel.
func unpackState(from *handover.Received) (*handed, error) {
	parcel, err := from.Parcel()
	if err != nil {
		return nil, err
	}
	return parseState(parcel.State)
}

func parseState(text []byte) (*handed, error) {
	state := new(handed)
	// What can't be decoded may be so because of its format, which is there then.
	err := json.Unmarshal(text, state)
	if state.Format != handedFormat {
		return nil, fmt.Errorf("the state that was handed over has format %d, and this ota knows %d", state.Format, handedFormat)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the state that was handed over: %w", err)
	}
	return state, nil
}

// Rehearse looks whether this ota could take over with what it was given, and
// changes nothing.
func Rehearse(from *handover.Received) error {
	state, err := unpackState(from)
	if err != nil {
		return err
	}
	if err := from.Check(); err != nil {
		return fmt.Errorf("cannot take over: %w", err)
	}
	place, err := folderAt(string(state.Dir))
	if err != nil {
		return err
	}
	layers, err := config.LoadLayers(place.config())
	if err != nil {
		return err
	}
	// With what is wrong in main/ota.toml a program runs all the same.
	_, _, _ = layers.Load(place.main())
	_, err = release.OpenRead(place.own())
	return err
}

// peek gathers about what would be handed over now, for a rehearsal.
func (a *agent) peek(bag *handover.Bag) (*handed, error) {
	state := a.gather()
	state.Conductor = a.conductor.Peek()
	var err error
	if state.Program, err = a.program.Peek(bag); err != nil {
		return nil, err
	}
	if err := a.server.Peek(bag); err != nil {
		return nil, err
	}
	if state.Page, err = a.page.Handed(bag); err != nil {
		return nil, err
	}
	state.Launch = a.supervisor.handed((*logs.Writer).Peek)
	return state, a.putLock(state, bag)
}

// gather is the part of the state that is the same in both cases.
func (a *agent) gather() *handed {
	return &handed{
		Format: handedFormat, Dir: []byte(a.folder.dir), Start: a.start, Logs: a.logs.Handed(), Vouched: a.deposit.Vouched(),
	}
}

func (a *agent) putLock(state *handed, bag *handover.Bag) error {
	if a.lock == nil {
		return nil
	}
	state.Lock = a.lock.Name()
	return bag.Put(bagLock, handover.Plain, a.lock)
}

// takeLock returns the lock that the ota before this one had: it is that of the
// open file, and nobody could take it meanwhile.
func (a *agent) takeLock() (*os.File, error) {
	if a.handed.Lock == "" {
		return nil, nil
	}
	return a.options.Handed.Take(bagLock)
}

// handed is how the program was started. What is no line yet is had by one of
// two methods of its writers.
func (s *supervisor) handed(partial func(*logs.Writer) logs.HandedWriter) handedLaunch {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.present
	state := handedLaunch{
		Release: s.started.Load(), Interpreter: l.interpreter, Environment: l.environment,
		Env: bytesOf(l.env), Argv: bytesOf(l.argv), After: math.MaxUint64,
	}
	if l.lacks != nil {
		state.Lacks = l.lacks.Error()
	}
	if s.says.began != nil {
		state.After = s.says.began.after.Load()
		state.Stdout, state.Stderr = partial(s.says.stdout), partial(s.says.stderr)
	}
	return state
}

// says is where the output of the last start goes.
type says struct {
	began          *beginning // nil: there was none
	stdout, stderr *logs.Writer
}

// resume takes over a program that another ota has started; nil: there is none.
// Nobody listens to it before attend.
func (s *supervisor) resume(state handedLaunch, running *program.Run) update.Run {
	s.started.Store(state.Release)
	l := launch{
		config: s.outfit.settings(), interpreter: state.Interpreter, environment: state.Environment,
		env: stringsOf(state.Env), argv: stringsOf(state.Argv),
	}
	if state.Lacks != "" {
		l.lacks = errors.New(state.Lacks)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(l.argv) > 0 {
		s.present = l
	}
	s.last = running
	if running == nil {
		return nil
	}
	began := s.beginning()
	if state.After != math.MaxUint64 {
		began.first.Do(func() { began.after.Store(state.After) })
	}
	s.says = says{began, s.logs.Resume(logs.Main, state.Stdout), s.logs.Resume(logs.MainErr, state.Stderr)}
	return run{running, s, began, l.environment}
}

// attend listens to a program that was taken over.
func (s *supervisor) attend() {
	s.mu.Lock()
	running, to := s.last, s.says
	s.mu.Unlock()
	if running == nil {
		s.room.BeginIdle()
		return
	}
	running.Begin(program.Streams{Stdout: to.began.of(to.stdout), Stderr: to.began.of(to.stderr)})
	s.closeAfter(running, to)
}

// closeAfter closes the streams of a run when all of its output is in the log.
func (s *supervisor) closeAfter(running *program.Run, to says) {
	s.listening.Go(func() {
		<-running.Drained()
		to.stdout.Close()
		to.stderr.Close()
		close(to.began.logged)
	})
}

func bytesOf(list []string) [][]byte {
	var all [][]byte
	for _, one := range list {
		all = append(all, []byte(one))
	}
	return all
}

func stringsOf(list [][]byte) []string {
	var all []string
	for _, one := range list {
		all = append(all, string(one))
	}
	return all
}
