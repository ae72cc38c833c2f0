package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := &progress{to: &out, every: progressEvery, next: noon.Add(progressAfter)}
	p.say("too early", noon)
	p.end()
	p.say("1 file", noon.Add(time.Second))
	p.say("too soon", noon.Add(1100*time.Millisecond))
	p.say("9 files\n"+strings.Repeat("x", 200), noon.Add(2*time.Second))
	p.end()
	p.end()
	want := "\r1 file\x1b[K\r" + `9 files\n` + strings.Repeat("x", 69) + "\x1b[K\r\x1b[K"
	if got := out.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	// Where nobody looks there is nothing to see.
	silent := (&app{speaker: newSpeaker(&out, &out)}).progress()
	out.Reset()
	silent.say("1 file", time.Now().Add(time.Hour))
	silent.end()
	if out.Len() > 0 {
		t.Errorf("said %q", out.String())
	}
}
