package retryafter

import (
	"net/http"
	"testing"
	"time"
)

func TestIn(t *testing.T) {
	const date = "Thu, 01 Jan 1970 12:00:00 GMT" // nobody asks this device what time it is
	for _, test := range []struct {
		after, date string
		want        time.Duration
	}{
		{"120", "", 2 * time.Minute},
		{"0", "", 0},
		{"", date, 0},
		{"-5", date, 0},
		{"99999999999", date, 0},
		{"soon", date, 0},
		{"Thu, 01 Jan 1970 13:30:00 GMT", date, 90 * time.Minute},
		{"Thursday, 01-Jan-70 13:30:00 GMT", date, 90 * time.Minute},
		{"Thu, 01 Jan 1970 11:00:00 GMT", date, 0},
		{"Thu, 01 Jan 1970 13:30:00 GMT", "", 0},
	} {
		header := http.Header{"Retry-After": {test.after}, "Date": {test.date}}
		if got := In(header); got != test.want {
			t.Errorf("%q at %q: %s, want %s", test.after, test.date, got, test.want)
		}
	}
}
