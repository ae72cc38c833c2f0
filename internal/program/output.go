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

// finish makes the reading end, if need be without the end of the file.
func (p pipe) finish() {
	// Where pipes have no deadline, the end of the file has to do.
	if p.out != nil {
		_ = p.out.SetReadDeadline(time.Now().Add(drainLimit))
	}
}

// listen hands the output over, after all that of the program before: its last
// lines come before our first.
func (run *Run) listen(spec Spec, last *Run) {
	var streams sync.WaitGroup
	hand := func(from pipe, to io.Writer) {
		if last != nil {
			<-last.drained
		}
		if from.out == nil { // of a program taken over, which has closed it
			return
		}
		from.copyTo(to)
		if !run.isLeft.Load() {
			from.out.Close()
		}
	}
	streams.Go(func() { hand(run.stdout, spec.Stdout) })
	streams.Go(func() { hand(run.stderr, spec.Stderr) })
	go func() {
		streams.Wait()
		if run.isLeft.Load() {
			close(run.stopped) // what is in the pipes is for who comes after us
		} else {
			close(run.drained)
		}
	}()
}

func (p pipe) copyTo(w io.Writer) {
	if w == nil {
		w = io.Discard
	}
	piece := make([]byte, pieceSize)
	for {
		n, err := p.out.Read(piece)
		if n > 0 {
			// A writer that fails must not stop the program.
			_, _ = w.Write(piece[:n])
		}
		if err != nil {
			return
		}
	}
}
