package web

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"ota/internal/kit/packed"
	"ota/internal/web/page"
)

// TestAssetsAreSentAsTheReaderTakesThem: compressed to who says that he reads
// that, plain to all others, and no cache takes one for the other.
func TestAssetsAreSentAsTheReaderTakesThem(t *testing.T) {
	s := start(t, nil)
	content, _, _, _ := page.LoginAsset("base.css")
	tags := map[string]string{}
	for header, compressed := range map[string]bool{
		"Accept-Encoding: gzip, deflate, br, zstd": true,
		"Accept-Encoding: br;q=1.0, GZIP;q=0.5":    true,
		"Accept-Encoding: gzip;q=0":                false,
		"Accept-Encoding: gzip;q=many":             false,
		"Accept-Encoding: xgzip":                   false,
		"Accept-Encoding: identity":                false,
		"Accept: text/css":                         false,
	} {
		answer := s.ask("GET", "/login/base.css", header)
		body, err := io.ReadAll(answer.Body)
		want, encoding := packed.Open(content), ""
		if compressed {
			want, encoding = content, "gzip"
		}
		if err != nil || answer.StatusCode != http.StatusOK || !bytes.Equal(body, want) {
			t.Errorf("%s: %s, %d bytes, %v", header, answer.Status, len(body), err)
		}
		if got := answer.Header.Get("Content-Encoding"); got != encoding || answer.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: encoding %q, vary %q", header, got, answer.Header.Get("Vary"))
		}
		tag := answer.Header.Get("ETag")
		if other, known := tags[encoding]; known && other != tag {
			t.Errorf("%s: %s, and once %s", header, tag, other)
		}
		tags[encoding] = tag
		if again := s.ask("GET", "/login/base.css", header, "If-None-Match: "+tag); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s: again: %s", header, again.Status)
		}
	}
	if tags["gzip"] == tags[""] || tags[""] == "" {
		t.Errorf("tags: %q", tags)
	}
}
