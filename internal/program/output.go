package program

import (
	"io"
	"os"
	"sync"
	"time"
)

const (
	// pieceSize is what a pipe holds by default.
	pieceSize = 64 << 10
	// drainLimit is how long output is read on after the tree is gone. Then
	// everything is already in the pipe, and only a process that is not of
	// the tree and was given the writing end can keep it open.
	drainLimit = 100 * time.Millisecond
)

// pipe carries one stream of the program. It is our own instead of one of
// os/exec, whose Wait does not return while a grandchild keeps it open.
type pipe struct {
	out, in *os.File
}

func newPipes() (stdout, stderr pipe, err error) {
	if stdout.out, stdout.in, err = os.Pipe(); err != nil {
		return stdout, stderr, err
	}
	if stderr.out, stderr.in, err = os.Pipe(); err != nil {
		stdout.out.Close()
		stdout.in.Close()
	}
	return stdout, stderr, err
}

// limit makes the reading end, if need be without the end of the file.
func (p pipe) limit() {
	// Where pipes have no deadline, the end of the file has to do.
	if p.out != nil {
		_ = p.out.SetReadDeadline(time.Now().Add(drainLimit))
	}
}

// listen hands the output over, after all that of the program before: its last
// lines come before our first.
func (run *Run) listen(spec Spec, last *Run) {
	var streams sync.WaitGroup
	var turn sync.Mutex
	stdout := &stream{pipe: run.stdout, to: spec.Stdout, turn: &turn}
	stderr := &stream{pipe: run.stderr, to: spec.Stderr, turn: &turn, before: stdout}
	for _, one := range []*stream{stdout, stderr} {
		streams.Go(func() {
			if last != nil {
				<-last.drained
			}
			if one.out == nil { // of a program taken over, which has closed it
				return
			}
			one.handOver()
			if !run.isLeft.Load() {
				one.finish()
				one.out.Close()
			}
		})
	}
	go func() {
		streams.Wait()
		if run.isLeft.Load() {
			close(run.stopped) // what is in the pipes is for who comes after us
		} else {
			close(run.drained)
		}
	}()
}

// stream is one output of the program on its way to who wants it.
type stream struct {
	pipe
	to     io.Writer // nil: nobody
	before *stream   // whose output goes first, see handOver; nil: none

	turn  *sync.Mutex // of all streams: held from the reading of a piece until it is handed over
	piece [pieceSize]byte
}

func (s *stream) hand(n int) {
	if s.to != nil {
		// A writer that fails must not stop the program.
		_, _ = s.to.Write(s.piece[:n])
	}
}
