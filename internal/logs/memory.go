package logs

import (
	"context"
	"sort"
	"sync"
	"time"
)

// The parts of the memory.
const (
	own = iota
	stdout
	stderr
	parts
)

// lineCost is what a line takes in memory besides its text.
const lineCost = 80

// pace says whether the file keeps up with the program.
type pace string

const (
	paceKept pace = ""
	paceLost pace = "lost"
)

// hesitation is how long the program's output waits for the file to catch up: a
// burst is read from a pipe faster than the goroutine of the file gets its turn.
// It is the whole of what a disk that hangs can cost, for once in vain nobody
// waits again until the file has caught up.
const hesitation = 20 * time.Millisecond

// memory holds the last lines of each part, and wakes those who wait for more.
type memory struct {
	mu    sync.Mutex
	seq   uint64
	rings [parts]ring
	more  chan struct{} // closed at the next line; nil while nobody waits

	keeper *Reader // the one that writes the file; nil while there is none
	pace   pace
	taken  chan struct{} // closed when keeper has taken lines; nil while nobody waits

	held []heldLine // before Release; nil: nothing is held
}

// ring holds lines up to a number of bytes; the oldest make room.
type ring struct {
	what   string // whose lines, for the one who missed some
	budget int
	size   int
	lines  []Line
	first  uint64 // how many lines came before lines[0]
	before uint64 // and their bytes
}

func (r *ring) push(line Line) {
	r.lines = append(r.lines, line)
	r.size += len(line.Text) + lineCost
	for r.size > r.budget && len(r.lines) > 1 {
		oldest := r.lines[0]
		r.size -= len(oldest.Text) + lineCost
		r.first++
		r.before += written(oldest)
		r.lines[0] = Line{} // the array behind may live on for long
		r.lines = r.lines[1:]
	}
}

// written is what a line is counted as when it is missing.
func written(line Line) uint64 { return uint64(len(line.Text)) + 1 }

// add gives the line its number and hands it to everybody.
func (l *Log) add(part int, source Source, text string) {
	now := l.options.Now().Round(0)
	m := &l.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	line := heldLine{part, source, text, now}
	if m.held != nil {
		m.held = append(m.held, line)
		return
	}
	m.push(line)
}

func (m *memory) push(one heldLine) {
	m.seq++
	m.rings[one.part].push(Line{m.seq, one.at, one.source, one.text})
	if m.more != nil {
		close(m.more)
		m.more = nil
	}
}

// keep names the reader that the file is written by.
func (m *memory) keep(reader *Reader) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keeper, m.pace = reader, paceKept
	if m.taken != nil {
		close(m.taken)
		m.taken = nil
	}
}

// hesitate lets the keeper catch up, if he will in a moment.
func (m *memory) hesitate(part int) {
	taken := m.ifBehind(part)
	if taken == nil {
		return
	}
	limit := time.NewTimer(hesitation)
	defer limit.Stop()
	for ; taken != nil; taken = m.ifBehind(part) {
		select {
		case <-taken:
		case <-limit.C:
			m.mu.Lock()
			m.pace = paceLost
			m.mu.Unlock()
		}
	}
}

// ifBehind returns what tells of the keeper's next step, or nil where there is
// no reason to wait for it.
func (m *memory) ifBehind(part int) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pace == paceLost || !m.behind(part) {
		return nil
	}
	if m.taken == nil {
		m.taken = make(chan struct{})
	}
	return m.taken
}

// behind tells whether the keeper has yet to read half of what a part can hold.
func (m *memory) behind(part int) bool {
	ring := &m.rings[part]
	if m.keeper == nil || 2*ring.size < ring.budget {
		return false
	}
	read := max(m.keeper.at[part].lines, ring.first) - ring.first
	return 2*int(read) < len(ring.lines)
}

// keeperTook tells those who wait that the keeper has got on.
func (m *memory) keeperTook() {
	if m.taken != nil {
		close(m.taken)
		m.taken = nil
	}
	if !m.behind(stdout) && !m.behind(stderr) {
		m.pace = paceKept
	}
}

// Tail returns the last n lines, oldest first, or fewer where memory holds no
// more: some thousand lines of ordinary length. Any number of goroutines may
// call it.
func (l *Log) Tail(n int) []Line {
	m := &l.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Line
	for i := range m.rings {
		lines := m.rings[i].lines
		all = append(all, lines[max(0, len(lines)-max(0, n)):]...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Seq < all[j].Seq })
	return all[max(0, len(all)-max(0, n)):]
}

// Follow returns a reader of the lines after the one with the number after; 0
// begins with the oldest in memory.
func (l *Log) Follow(after uint64) *Reader {
	m := &l.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if after > m.seq {
		after = 0 // a number of an earlier start
	}
	r := &Reader{memory: m}
	for i := range m.rings {
		ring := &m.rings[i]
		skip := sort.Search(len(ring.lines), func(j int) bool { return ring.lines[j].Seq > after })
		at := place{ring.first + uint64(skip), ring.before}
		for _, line := range ring.lines[:skip] {
			at.bytes += written(line)
		}
		r.at[i] = at
	}
	return r
}

// Reader is one who reads the log at his own pace. It is for one goroutine, and
// needs no closing.
type Reader struct {
	memory *memory
	at     [parts]place
}

// place is how far somebody has read in a ring: the lines behind him and their
// bytes.
type place struct{ lines, bytes uint64 }

// What one call of Next returns at most, so that nobody holds on to much that
// memory has already dropped.
const (
	batchLines = 512
	batchBytes = 64 << 10
)

// Next waits for lines and returns them in the order in which they came. Where
// the reader was too slow, a line of the source Warning says how many are
// missing; it has the number of the last of them. Next returns what is there
// even when ctx has ended, and only then, when nothing is left, its error.
func (r *Reader) Next(ctx context.Context) ([]Line, error) {
	for {
		lines, more := r.take()
		if len(lines) > 0 {
			return lines, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			// Lines may have come together with the end: select takes either.
			if lines, _ := r.take(); len(lines) > 0 {
				return lines, nil
			}
			return nil, ctx.Err()
		}
	}
}

func (r *Reader) take() (lines []Line, more <-chan struct{}) {
	m := r.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	for bytes := 0; len(lines) < batchLines && bytes < batchBytes; {
		ring, at := r.oldest()
		if ring == nil {
			break
		}
		line := ring.lines[max(at.lines, ring.first)-ring.first]
		if at.lines < ring.first {
			text := leftOut(ring.first-at.lines, ring.before-at.bytes, ring.what)
			lines = append(lines, Line{line.Seq - 1, line.Time, Warning, text})
			*at = place{ring.first, ring.before}
		}
		lines = append(lines, line)
		at.lines++
		at.bytes += written(line)
		bytes += len(line.Text)
	}
	if r == m.keeper {
		m.keeperTook()
	}
	if len(lines) == 0 && m.more == nil {
		m.more = make(chan struct{})
	}
	return lines, m.more
}

// oldest returns the ring that holds the next line, and the place in it.
func (r *Reader) oldest() (*ring, *place) {
	var (
		found *ring
		where *place
		seq   uint64
	)
	for i := range r.memory.rings {
		ring, at := &r.memory.rings[i], &r.at[i]
		next := max(at.lines, ring.first) - ring.first
		if next == uint64(len(ring.lines)) {
			continue
		}
		if line := ring.lines[next]; found == nil || line.Seq < seq {
			found, where, seq = ring, at, line.Seq
		}
	}
	return found, where
}
