// Package retryafter reads how long a web server wants to be left alone.
//
// In: the header of an answer (RFC 9110, section 10.2.3). Out: a length of time.
// Never: the clock of this device, which may be wrong.
package retryafter

import (
	"net/http"
	"strconv"
	"time"
)

// In returns what an answer says, as seconds or as a time of day; 0: nothing that
// can be used. A time of day is compared with that of the server, its Date: where
// there is none it says nothing.
func In(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(text)
	now, noDate := http.ParseTime(header.Get("Date"))
	if err != nil || noDate != nil {
		return 0
	}
	return max(0, until.Sub(now))
}
