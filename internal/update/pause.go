package update

import "time"

// pause is a timer whose pauses double from the first to the last.
type pause struct {
	first, last time.Duration
	next        time.Duration
	timer       *time.Timer
}

// begin starts the next pause; then is called at its end with the timer, by
// which an end that comes too late is known.
func (p *pause) begin(then func(*time.Timer)) time.Duration {
	p.stop()
	length := max(p.next, p.first)
	p.next = min(2*length, p.last)
	ready := make(chan *time.Timer, 1)
	p.timer = time.AfterFunc(length, func() { then(<-ready) })
	ready <- p.timer
	return length
}

func (p *pause) stop() {
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}

// reset makes the next pause the first one.
func (p *pause) reset() {
	p.stop()
	p.next = p.first
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
