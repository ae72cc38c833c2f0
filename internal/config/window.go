package config

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Window is the part of each day in which releases may be switched, in local
// time. Both ends count from midnight; where To is not after From the window
// passes midnight. The zero value is always open.
type Window struct {
	From, To time.Duration
}

// Set reports whether there is a window at all.
func (w Window) Set() bool { return w != Window{} }

// Open reports whether the window is open at t, by the clock of t's zone. The
// minute in which it closes is outside.
func (w Window) Open(t time.Time) bool {
	hour, minute, second := t.Clock()
	now := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
	switch {
	case !w.Set():
		return true
	case w.From < w.To:
		return w.From <= now && now < w.To
	default:
		return w.From <= now || now < w.To
	}
}

// String is the window as it is written in the file, empty if there is none.
func (w Window) String() string {
	if !w.Set() {
		return ""
	}
	clock := func(d time.Duration) string {
		return fmt.Sprintf("%02d:%02d", d/time.Hour, d%time.Hour/time.Minute)
	}
	return clock(w.From) + "-" + clock(w.To)
}

func window(c *Config, value any) error {
	const looks = `a part of the day such as "02:00-05:00"`
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("must be %s, not %s", looks, kind(value))
	}
	if text == "" {
		c.Update.Window = Window{}
		return nil
	}
	first, last, _ := strings.Cut(text, "-")
	from, fromOK := clockTime(strings.TrimSpace(first))
	to, toOK := clockTime(strings.TrimSpace(last))
	switch {
	case !fromOK || !toOK || from == midnight:
		return fmt.Errorf("must be %s, not %s", looks, quote(text))
	case from == to:
		return errors.New("opens and closes at the same time")
	}
	c.Update.Window = Window{from, to}
	return nil
}

// midnight is the end of a day, 24:00.
const midnight = 24 * time.Hour

// clockTime reads "07:30"; 24:00 is the last.
func clockTime(text string) (sinceMidnight time.Duration, ok bool) {
	if len(text) != len("07:30") || text[2] != ':' {
		return 0, false
	}
	number := func(digits string) time.Duration {
		ok = ok && strings.Trim(digits, "0123456789") == ""
		return time.Duration(digits[0]-'0')*10 + time.Duration(digits[1]-'0')
	}
	ok = true
	hours, minutes := number(text[:2]), number(text[3:])
	sinceMidnight = hours*time.Hour + minutes*time.Minute
	return sinceMidnight, ok && minutes < 60 && sinceMidnight <= midnight
}
