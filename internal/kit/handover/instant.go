package handover

import "time"

// Instant is a moment as another program can know it that runs on this machine:
// by the clock on the wall, and by the one that nobody sets. The zero value is
// none.
type Instant struct {
	Wall  time.Time     `json:"wall"`
	Since time.Duration `json:"since"` // from when the machine began to count
}

// InstantOf is that of a time that was taken in this process.
func InstantOf(t time.Time) Instant {
	if t.IsZero() {
		return Instant{}
	}
	return Instant{Wall: t.Round(0), Since: uptime() - time.Since(t)}
}

// nearly is by how much two clocks differ that are read one after the other.
const nearly = time.Second

// Time is the moment as a time of this process: its distance to others is that
// of the clock that nobody sets, and it shows what it was.
func (i Instant) Time() time.Time {
	if i.Wall.IsZero() {
		return time.Time{}
	}
	t := time.Now().Add(i.Since - uptime())
	if off := i.Wall.Sub(t.Round(0)); off.Abs() < nearly {
		t = t.Add(off)
	}
	return t
}
