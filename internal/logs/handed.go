package logs

import (
	"bytes"
	"time"
)

// Handed is what a log leaves to the one that takes its place in the same
// process: the lines in memory with their numbers, and how far each of its
// readers was.
type Handed struct {
	Seq     uint64                `json:"seq"`
	Rings   []HandedRing          `json:"rings"`
	Path    string                `json:"path"` // of the file being written; empty: none
	File    []HandedPlace         `json:"file"`
	Console []HandedPlace         `json:"console"`
	Gates   map[Source]HandedGate `json:"gates"`
}

// HandedRing is one part of the memory.
type HandedRing struct {
	Lines  []Line `json:"lines"`
	First  uint64 `json:"first"`
	Before uint64 `json:"before"`
}

// HandedPlace is how far a reader was in a ring.
type HandedPlace struct {
	Lines uint64 `json:"lines"`
	Bytes uint64 `json:"bytes"`
}

// HandedGate is what a gate has counted.
type HandedGate struct {
	Shut   bool          `json:"shut"`
	Tokens int           `json:"tokens"`
	Pause  time.Duration `json:"pause"`
	Lines  uint64        `json:"lines"`
	Bytes  uint64        `json:"bytes"`
}

// HandedWriter is the line that a program has begun and not ended.
type HandedWriter struct {
	Partial []byte `json:"partial"`
	Cut     uint64 `json:"cut"`
	Ending  string `json:"ending"`
}

// Leave makes the end of Run leave the gates as they are: they go on elsewhere.
func (l *Log) Leave() { l.leaving.Store(true) }

// Handed returns what the log that takes over needs. It is to be asked when Run
// has returned; before that it is about what it will be.
func (l *Log) Handed() Handed {
	gates := map[Source]HandedGate{} // first, as a gate that has its turn may want the memory
	for source, gate := range l.gates {
		gates[source] = gate.handed()
	}
	m := &l.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	handed := Handed{Seq: m.seq, Path: l.Path(), File: placesOf(l.file), Console: placesOf(l.console), Gates: gates}
	for i := range m.rings {
		ring := &m.rings[i]
		handed.Rings = append(handed.Rings, HandedRing{append([]Line(nil), ring.lines...), ring.first, ring.before})
	}
	return handed
}

func placesOf(r *Reader) []HandedPlace {
	if r == nil {
		return nil
	}
	var all []HandedPlace
	for _, at := range r.at {
		all = append(all, HandedPlace{at.lines, at.bytes})
	}
	return all
}

func (g *gate) handed() HandedGate {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.filled.IsZero() {
		g.fill()
	}
	return HandedGate{g.state == gateShut, g.tokens, g.pause, g.lines, g.bytes}
}

// resume makes a new log what the one before it was.
func (l *Log) resume(handed Handed) {
	m := &l.memory
	m.seq = handed.Seq
	for i := range m.rings {
		if i >= len(handed.Rings) {
			break
		}
		from, ring := handed.Rings[i], &m.rings[i]
		ring.lines, ring.first, ring.before = from.Lines, from.First, from.Before
		for _, line := range ring.lines {
			ring.size += len(line.Text) + lineCost
		}
	}
	l.file, l.console = readerAt(m, handed.File), readerAt(m, handed.Console)
	for source, from := range handed.Gates {
		if gate := l.gates[source]; gate != nil {
			gate.resume(from)
		}
	}
}

func readerAt(m *memory, places []HandedPlace) *Reader {
	r := &Reader{memory: m}
	for i, at := range places {
		if i < len(r.at) {
			r.at[i] = place{at.Lines, at.Bytes}
		}
	}
	return r
}

func (g *gate) resume(from HandedGate) {
	g.tokens, g.pause, g.lines, g.bytes, g.filled = from.Tokens, from.Pause, from.Lines, from.Bytes, time.Now()
	if from.Shut {
		g.state = gateShut
		g.timer = time.AfterFunc(g.pause, g.open)
	}
}

// hold keeps what is logged from getting a number, and from being seen, until
// [Log.Release] is called: who takes over may have to go back to who was before, whose
// next line has that number.
func (l *Log) hold() { l.memory.held = []heldLine{} }

// heldLine waits for its number.
type heldLine struct {
	part   int
	source Source
	text   string
	at     time.Time
}

// Release lets what was held since New be seen. It is for a log that has taken
// over; others hold nothing.
func (l *Log) Release() {
	m := &l.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	held := m.held
	m.held = nil
	for _, one := range held {
		m.push(one)
	}
}

// Resume returns the writer of a stream that another log has begun.
func (l *Log) Resume(source Source, handed HandedWriter) *Writer {
	w := l.writer(source)
	w.partial, w.cut = bytes.Clone(handed.Partial), handed.Cut
	if handed.Ending != "" {
		w.ending = ending(handed.Ending)
	}
	if len(w.partial) > 0 {
		w.wait()
	}
	return w
}

// Leave ends the writing for good and returns the line that has begun, which
// somebody else ends.
func (w *Writer) Leave() HandedWriter {
	w.mu.Lock()
	defer w.mu.Unlock()
	handed := w.begun()
	w.partial, w.cut = nil, 0
	return handed
}

// Peek returns the line that has begun.
func (w *Writer) Peek() HandedWriter {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.begun()
}

func (w *Writer) begun() HandedWriter {
	return HandedWriter{bytes.Clone(w.partial), w.cut, string(w.ending)}
}
