package logs

import (
	"context"
	"time"
)

// sink is a place that lines are written to. It is used by one goroutine.
type sink interface {
	// write returns when the lines are written, or when they can't be and ctx
	// has ended.
	write(ctx context.Context, lines []Line) error
	close() error
}

// pump carries lines from memory to one place, in a goroutine of its own, until
// ctx has ended and all is written, or giveUp is closed. Then the channel gets
// the error of the last write.
func pump(ctx context.Context, giveUp <-chan struct{}, reader *Reader, to sink) <-chan error {
	done := make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			lines, ended := reader.Next(ctx)
			if ended != nil {
				break
			}
			err = to.write(ctx, lines)
			select {
			case <-giveUp:
				err = context.Canceled
			default:
			}
		}
		if closing := to.close(); err == nil {
			err = closing
		}
		done <- err
	}()
	return done
}

// Pauses between tries to write a file that can't be written.
const (
	firstRetry   = time.Second
	longestRetry = 30 * time.Second
)

type fileState string

const (
	fileWorks fileState = "works"
	fileFails fileState = "fails"
)

// file writes lines into the folder, however long it takes. Meanwhile memory
// takes what comes, and the reader is told what memory had to drop.
type file struct {
	*folder
	log   *Log
	state fileState
}

func (l *Log) newFile() *file {
	begun := func(path string) { l.path.Store(&path) }
	folder := newFolder(l.options, l.logger().Warn, begun)
	if l.options.Handed != nil {
		folder.goOn(l.options.Handed.Path)
	}
	return &file{folder, l, fileWorks}
}

func (f *file) write(ctx context.Context, lines []Line) error {
	for pause := firstRetry; ; pause = min(2*pause, longestRetry) {
		done, err := f.folder.write(lines)
		lines = lines[done:]
		f.became(err)
		if err == nil {
			return nil
		}
		retry := time.NewTimer(pause)
		select {
		case <-retry.C:
		case <-ctx.Done():
			retry.Stop()
			return err
		}
	}
}

// became tells when the file can no longer be written, and when it can again.
func (f *file) became(err error) {
	switch {
	case err != nil && f.state == fileWorks:
		f.state = fileFails
		f.log.logger().Warn("log file cannot be written, only the last lines are kept", "reason", err)
	case err == nil && f.state == fileFails:
		f.state = fileWorks
		f.keepOrder()
		f.log.logger().Info("log file is written again", "file", f.log.Path())
	}
}
