package logs

import (
	"bytes"
	"sync"
	"time"
	"unicode/utf8"

	"ota/internal/kit/escape"
)

const (
	// maxLine is how much of one line of the program is kept, in bytes.
	maxLine = 16 << 10
	// patience is how long the beginning of a line waits for its end.
	patience = 500 * time.Millisecond
)

// ending says what a newline means at the beginning of a line.
type ending string

const (
	endingNew  ending = "new"  // it makes an empty line
	endingSaid ending = "said" // it belongs to the line that has been said already
)

// Stream returns a writer for the output of one start of the program: Main for
// its stdout, MainErr for its stderr. Whoever gets it closes it when the output
// has ended.
func (l *Log) Stream(source Source) *Writer {
	l.gates[source].renew()
	return l.writer(source)
}

func (l *Log) writer(source Source) *Writer {
	part := stdout
	if source == MainErr {
		part = stderr
	}
	return &Writer{log: l, source: source, part: part, gate: l.gates[source], ending: endingNew}
}

// Writer turns output into lines. Any number of goroutines may use it. No call
// returns an error, and none waits for file or console, but for a moment
// (hesitation) in which the file can catch up with a burst.
//
// A line ends with \n, \r\n or a single \r, as progress bars write it. Of a line
// longer than 16 KiB the beginning is kept and the rest counted. What has no
// end for half a second appears without one.
type Writer struct {
	log    *Log
	source Source
	part   int
	gate   *gate

	mu      sync.Mutex
	partial []byte // the beginning of a line, up to maxLine
	cut     uint64 // bytes of it beyond that
	ending  ending
	timer   *time.Timer // runs while there is a beginning
	text    []byte      // kept between calls
}

// Write takes all of p.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := nextNewline
	if bytes.IndexByte(p, '\r') >= 0 {
		next = nextEnd
	}
	for rest := p; len(rest) > 0; {
		end := next(rest)
		if end < 0 {
			w.keep(rest)
			w.ending = endingNew
			break
		}
		w.line(rest[:end], rest[end])
		rest = rest[end+1:]
	}
	return len(p), nil
}

// Close says what is still waiting for its end, and what has been left out.
// Writing goes on to work after it.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sayPartial()
	w.gate.tell()
	return nil
}

func nextNewline(p []byte) int { return bytes.IndexByte(p, '\n') }

// nextEnd is several times slower; most output has no carriage return.
func nextEnd(p []byte) int { return bytes.IndexAny(p, "\r\n") }

func (w *Writer) line(text []byte, newline byte) {
	empty := len(text) == 0 && len(w.partial) == 0
	switch {
	case empty && newline == '\r':
		return // progress bars begin with one; before \n it changes nothing either
	case empty && w.ending == endingSaid:
	case len(w.partial) > 0:
		w.keep(text)
		w.sayPartial()
	default:
		w.say(text, 0)
	}
	w.ending = endingNew
	if newline == '\r' {
		w.ending = endingSaid
	}
}

// keep adds to the beginning of a line.
func (w *Writer) keep(p []byte) {
	if len(w.partial) == 0 {
		w.wait()
	}
	n := min(len(p), maxLine-len(w.partial))
	w.partial = append(w.partial, p[:n]...)
	w.cut += uint64(len(p) - n)
}

func (w *Writer) wait() {
	if w.timer == nil {
		w.timer = time.AfterFunc(patience, w.patienceEnds)
	} else {
		w.timer.Reset(patience)
	}
}

// patienceEnds says the beginning of a line, but not half a character.
func (w *Writer) patienceEnds() {
	w.mu.Lock()
	defer w.mu.Unlock()
	var half []byte
	if n := wholeCharacters(w.partial); n > 0 && w.cut == 0 {
		half = bytes.Clone(w.partial[n:])
		w.partial = w.partial[:n]
	}
	if len(w.partial) > 0 {
		w.sayPartial()
		w.ending = endingSaid
	}
	if len(half) > 0 {
		w.keep(half)
	}
}

func (w *Writer) sayPartial() {
	if len(w.partial) == 0 {
		return
	}
	w.timer.Stop()
	w.say(w.partial, w.cut)
	w.partial, w.cut = w.partial[:0], 0
}

// say adds a line to the log, of which so many bytes have been cut already.
func (w *Writer) say(line []byte, cut uint64) {
	if !w.gate.pass(min(len(line), maxLine), uint64(len(line))+cut+1) {
		return
	}
	w.text = shorten(line, cut, w.text[:0])
	if longer := len(w.text) - len(line); longer > 0 {
		w.gate.charge(longer)
	}
	w.log.add(w.part, w.source, string(w.text))
	w.log.memory.hesitate(w.part)
}

// shorten appends the line to dst, harmless and at most maxLine of it, with a
// word about what is missing.
func shorten(line []byte, cut uint64, dst []byte) []byte {
	if kept := line[:min(len(line), maxLine)]; len(kept) < len(line) || cut > 0 {
		kept = kept[:wholeCharacters(kept)]
		cut += uint64(len(line) - len(kept))
		line = kept
	}
	dst = escape.Line(dst, line)
	if cut > 0 {
		dst = append(dst, " ["+amount(cut)+" more of this line left out]"...)
	}
	return dst
}

// wholeCharacters is the length of p without a character that has only begun.
func wholeCharacters(p []byte) int {
	for i := len(p) - 1; i >= 0 && i > len(p)-utf8.UTFMax; i-- {
		if utf8.RuneStart(p[i]) {
			if utf8.FullRune(p[i:]) {
				return len(p)
			}
			return i
		}
	}
	return len(p)
}
