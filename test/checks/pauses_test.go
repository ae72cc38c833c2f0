//go:build linux

package checks

import (
	"strings"
	"testing"
	"time"

	"ota/test/harness"
)

// quiet is the quiet period of the devices, and pause what the uploads here do
// between two files: five times as long, as 5 s are where nothing is configured.
const (
	quiet = 200 * time.Millisecond
	pause = 5 * quiet
)

// part is one file of an upload that comes in pieces.
type part struct{ path, text string }

// TestPausesInTheWorstOrder uploads file by file, each one before those that it
// needs: nothing of it is run before the last one is there, and then once.
func TestPausesInTheWorstOrder(t *testing.T) {
	for name, test := range map[string]struct {
		main  harness.Tree
		parts []part
	}{
		"a chain": {parts: []part{
			{"main.py", "import link_a\n" + going}, {"link_a.py", "import link_b\n"}, {"link_b.py", "from link_c import x\n"}, {"link_c.py", "x = 1\n"},
		}},
		"a package": {parts: []part{
			{"main.py", "import pkg.sub.deep\nfrom pkg import name, mod\n" + going},
			{"pkg/sub/deep.py", "from .. import name\nfrom . import beside\n"},
			{"pkg/mod.py", "from .sub.beside import one, two\n"},
			{"pkg/sub/beside.py", "one = two = 2\n"},
			{"pkg/__init__.py", "name = 'x'\n"},
		}},
		"new names in old files": {
			main: harness.Tree{"helper.py": harness.File("old = 1\n"), "tools/__init__.py": harness.File("hammer = 1\n")},
			parts: []part{
				{"main.py", "from helper import new\nfrom tools import saw\n" + going},
				{"other.py", "from helper import newer\n"},
				{"tools/__init__.py", "from helper import new\nhammer = 1\nsaw = 2\n"},
				{"helper.py", "old = 1\nnew = 2\nnewer = 3\n"},
			},
		},
		"files for one that is there": {
			main: harness.Tree{"plugins/__init__.py": harness.File("")},
			parts: []part{
				{"plugins/__init__.py", "from . import one, two, three\n"},
				{"plugins/one.py", "x = 1\n"}, {"plugins/three.py", "x = 3\n"}, {"main.py", "import plugins\n" + going}, {"plugins/two.py", "x = 2\n"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needPython(t)
			main := test.main.Over(good)
			if _, ok := main["plugins"]; ok {
				main["main.py"] = program("import plugins\n")
			}
			d := layOut(t, harness.FastDir(t), main, "")
			harness.Tree{"ota.toml": harness.File(strings.Replace(settings, "50ms", quiet.String(), 1))}.Write(t, d.Dir)
			d.Start()
			before := awaitNext(d, 0)
			began := starts(d)
			uploadSlowly(t, d, test.parts, func(last part) {
				if s := now(t, d); s.Deposit.State == "empty" {
					t.Errorf("%s was taken as the last file", last.path)
				}
				checkSame(t, d, before)
			})
			after := awaitNext(d, before.Release.Number)
			checkStarts(t, d, began, 1)
			if after.Release.Number != before.Release.Number+1 {
				t.Errorf("release %d follows %d", after.Release.Number, before.Release.Number)
			}
			waited := strings.Count(d.Console(), "waiting for ")
			t.Logf("waited for a file %d times", waited)
			if waited == 0 {
				t.Error("it never said what it waits for: the pauses were too short to be any")
			}
		})
	}
}

// TestPausesBeforeAWheel: requirements come before what they name.
func TestPausesBeforeAWheel(t *testing.T) {
	t.Parallel()
	needPip(t)
	d := newDevice(t, "[python]\noffline = true\n")
	before, began := now(t, d), starts(d)
	mu := wheel{name: "mu"}
	uploadSlowly(t, d, []part{
		{"requirements.txt", "mu\n"}, {"main.py", "import mu\n" + going}, {mu.path(), mu.pack(t).Content},
	}, func(part) { checkSame(t, d, before) })
	awaitNext(d, before.Release.Number)
	checkStarts(t, d, began, 1)
}

// uploadSlowly writes one file after another; between them it looks.
func uploadSlowly(t *testing.T, d *harness.Device, parts []part, between func(last part)) {
	t.Helper()
	for i, one := range parts {
		harness.Tree{one.path: harness.File(one.text)}.Write(t, d.Deposit())
		if i < len(parts)-1 {
			time.Sleep(pause) // this is what is uploaded, not a wait for something
			between(one)
		}
	}
}
