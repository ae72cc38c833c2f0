package agent

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestReadOnlyParts(t *testing.T) {
	const smaps = `00400000-0094d000 r-xp 00000000 fe:00 10092826                           /opt/my ota/ota
Size:               5428 kB
Rss:                4000 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me sd
0094d000-00ed6000 r--p 0054d000 fe:00 10092826                           /opt/my ota/ota
Anonymous:             0 kB
00ed6000-00f00000 r--p 00ad6000 fe:00 10092826                           /opt/my ota/ota
Anonymous:             8 kB
00f00000-00f4e000 rw-p 00ad6000 fe:00 10092826                           /opt/my ota/ota
Anonymous:             0 kB
00f50000-00f60000 r--p 00000000 00:00 0 
Anonymous:             0 kB
00f60000-00f70000 r--s 00000000 fe:00 10092826                           /opt/my ota/ota
Anonymous:             0 kB
7ffdc4065000-7ffdc4086000 r--p 00000000 fe:00 1                          /usr/lib/libc.so
Anonymous:             0 kB
`
	want := []part{{0x400000, 0x94d000}, {0x94d000, 0xed6000}}
	if got := readOnlyParts([]byte(smaps), "/opt/my ota/ota"); !slices.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	for _, damaged := range []string{"", "x", "1-2", "2-1 r-xp 0 0 0 /opt/my ota/ota\nAnonymous: 0 kB", "1-z r-xp"} {
		if got := readOnlyParts([]byte(damaged), "/opt/my ota/ota"); len(got) > 0 {
			t.Errorf("%q has %x", damaged, got)
		}
	}
}

// TestShrink: less of the file is mapped, and everything goes on.
func TestShrink(t *testing.T) {
	before := mapped(t)
	shrink()
	after := mapped(t)
	t.Logf("%s of the file are mapped, then %s", before, after)
	if before == after {
		t.Error("nothing was let go of")
	}
}

func mapped(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		if value, ok := strings.CutPrefix(string(line), "RssFile:"); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Skip("the kernel does not tell")
	return ""
}
