// Package logs keeps what ota and the program say: in a file of logs/, on the
// console, and the last lines in memory.
//
// In: slog records of ota, and the output of the program as it comes: any
// bytes, at any speed. Out: lines of the form
//
//	[23/11/26 10:00:00] INFO : release is running release=3
//	[23/11/26 10:00:00] MAIN : a line of the program's stdout
//	[23/11/26 10:00:00] MAIN! : a line of its stderr
//
// the same in the file, on the console and for those who ask [Log.Tail] and
// [Log.Follow]. Never: a disk or a console that holds up the one who logs; a byte
// that steers a terminal; a file deleted that is not a log file; silence about
// what had to be left out.
//
// All lines go through one memory of fixed size, in which ota's own lines, the
// program's stdout and its stderr each have their part, so that none can drive
// out the others. Whoever writes them elsewhere reads from there at his own
// pace. One who is too slow misses lines and is told how many; he slows nobody.
package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// Limits of the files where Options doesn't name others.
const (
	DefaultMaxFile  = 10_000_000
	DefaultMaxTotal = 50_000_000
)

// How long Run goes on writing after its context has ended. A terminal that
// somebody has stopped is not worth waiting for; a slow card is.
const (
	drainFile    = 3 * time.Second
	drainConsole = 500 * time.Millisecond
)

// Options says where lines go. The zero value writes nothing anywhere and keeps
// the last lines in memory.
type Options struct {
	Dir      string    // folder of the log files, made where missing; empty: no files
	Console  io.Writer // may be nil; only one goroutine at a time calls it
	Color    bool      // for Console; see [Colorful]
	MaxFile  int64     // bytes of one file
	MaxTotal int64     // bytes of all files
	Now      func() time.Time
	// Handed is set if this log goes on where another has left, see [Log.Handed].
	// Then nothing is seen of what it is given before [Log.Release].
	Handed *Handed
}

// Log takes lines from any number of goroutines, from New on; before Run they
// are kept in memory.
type Log struct {
	options Options
	memory  memory
	gates   map[Source]*gate
	path    atomic.Pointer[string]
	leaving atomic.Bool

	file, console *Reader // who writes them; guarded by memory.mu while Run is at work
}

// New returns a Log that writes when Run is called.
func New(o Options) *Log {
	if o.MaxTotal <= 0 {
		o.MaxTotal = DefaultMaxTotal
	}
	if o.MaxFile <= 0 {
		o.MaxFile = DefaultMaxFile
	}
	o.MaxFile = min(o.MaxFile, o.MaxTotal)
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Log{options: o}
	l.memory.rings = [...]ring{
		own:    {budget: 128 << 10, what: "ota's own log"},
		stdout: {budget: 384 << 10, what: "the program's output"},
		stderr: {budget: 128 << 10, what: "the program's output"},
	}
	l.gates = map[Source]*gate{
		Main:    newGate(func(text string) { l.add(stdout, Warning, text) }),
		MainErr: newGate(func(text string) { l.add(stderr, Warning, text) }),
	}
	l.file, l.console = l.fromTheStart(), l.fromTheStart()
	if o.Handed != nil {
		l.resume(*o.Handed)
		l.hold()
	}
	return l
}

// Run writes to file and console until ctx ends, then what is still in memory,
// for a few seconds at most: a write that hangs is left behind. What cannot be
// written keeps nobody from logging: it is said, and tried again. The error says
// that the last lines are not in the file.
func (l *Log) Run(ctx context.Context) error {
	writing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	giveUp := make(chan struct{})
	defer close(giveUp)
	var file, console <-chan error
	if l.options.Dir != "" {
		l.memory.keep(l.file)
		defer l.memory.keep(nil)
		file = pump(writing, giveUp, l.file, l.newFile())
	}
	if l.options.Console != nil {
		console = pump(writing, giveUp, l.console, &terminal{to: l.options.Console, color: l.options.Color})
	}
	<-ctx.Done()
	if !l.leaving.Load() {
		for _, gate := range l.gates {
			gate.stop()
		}
	}
	consoleEnd, fileEnd := time.After(drainConsole), time.After(drainFile)
	stop()
	var err error
	if file != nil {
		err = finish(file, fileEnd)
	}
	if console != nil {
		_ = finish(console, consoleEnd) // nobody reads it, so there is nobody to be told
	}
	if err != nil {
		return fmt.Errorf("cannot write the last lines of the log: %w", err)
	}
	return nil
}

// fromTheStart returns a reader that misses nothing without saying so, also what
// memory has dropped before Run.
func (l *Log) fromTheStart() *Reader { return &Reader{memory: &l.memory} }

func finish(pump <-chan error, end <-chan time.Time) error {
	select {
	case err := <-pump:
		return err
	case <-end:
		return errors.New("the disk does not answer")
	}
}

// Path returns the path of the log file being written, or an empty string before
// the first line has been. Any number of goroutines may call it.
func (l *Log) Path() string {
	if path := l.path.Load(); path != nil {
		return *path
	}
	return ""
}
