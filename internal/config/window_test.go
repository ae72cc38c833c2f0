package config

import (
	"testing"
	"time"
)

func TestWindow(t *testing.T) {
	at := func(hour, minute, second int) time.Time {
		return time.Date(2026, 11, 23, hour, minute, second, 0, time.FixedZone("", 5400))
	}
	tests := []struct {
		text         string
		open, closed []time.Time
	}{
		{"", []time.Time{at(0, 0, 0), at(23, 59, 59)}, nil},
		{"02:00-05:30", []time.Time{at(2, 0, 0), at(5, 29, 59)}, []time.Time{at(1, 59, 59), at(5, 30, 0), at(14, 0, 0)}},
		{"22:30-05:00", []time.Time{at(22, 30, 0), at(0, 0, 0), at(4, 59, 59)}, []time.Time{at(22, 29, 59), at(5, 0, 0), at(12, 0, 0)}},
		{"22:00-24:00", []time.Time{at(22, 0, 0), at(23, 59, 59)}, []time.Time{at(0, 0, 0), at(21, 59, 59)}},
		{"22:00-00:00", []time.Time{at(22, 0, 0), at(23, 59, 59)}, []time.Time{at(0, 0, 0), at(21, 59, 59)}},
		{"00:00-24:00", []time.Time{at(0, 0, 0), at(23, 59, 59)}, nil},
		{"00:00-00:01", []time.Time{at(0, 0, 59)}, []time.Time{at(0, 1, 0), at(23, 59, 59)}},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			c := Default()
			if err := window(&c, test.text); err != nil {
				t.Fatal(err)
			}
			w := c.Update.Window
			if w.String() != test.text || w.Set() != (test.text != "") {
				t.Errorf("read as %q, set %t", w, w.Set())
			}
			for _, moment := range test.open {
				if !w.Open(moment) {
					t.Errorf("closed at %s", moment)
				}
			}
			for _, moment := range test.closed {
				if w.Open(moment) {
					t.Errorf("open at %s", moment)
				}
			}
		})
	}
}

func TestWindowWithSpaces(t *testing.T) {
	c := Default()
	if err := window(&c, " 02:00 - 05:00 "); err != nil || c.Update.Window.String() != "02:00-05:00" {
		t.Errorf("%q, %v", c.Update.Window, err)
	}
}

func TestNoWindow(t *testing.T) {
	for _, text := range []string{
		"02:00", "02:00-", "-05:00", "2:00-5:00", "02:00-05:60", "25:00-05:00", "24:00-05:00", "02:00-24:01",
		"02:00–05:00", "02.00-05.00", "0a:00-05:00", "02:00-05:00-06:00", "+2:00-05:00", "::::0-05:00", "-",
	} {
		c := Default()
		if err := window(&c, text); err == nil {
			t.Errorf("%q was taken as %s", text, c.Update.Window)
		}
	}
}
