//go:build linux

package checks

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ota/test/harness"
)

// modules are those of the program, the package's own one first.
var modules = []string{"pkg/__init__.py", "pkg/one.py", "pkg/two.py", "pkg/deep/__init__.py", "pkg/deep/three.py", "beside.py"}

// numbered is a program of several modules, each with a number in it. All of its
// versions have the size and the times of each other: to Python, bytecode of one
// looks like that of any.
func numbered(number int) harness.Tree {
	when := time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)
	tree := harness.Tree{"main.py": program(`import os
import pkg, pkg.one, pkg.two, pkg.deep, pkg.deep.three, beside
numbers = [m.number for m in (pkg, pkg.one, pkg.two, pkg.deep, pkg.deep.three, beside)]
with open(os.path.join(os.environ["OTA_DIR"], "numbers"), "w") as file:
    file.write(repr(numbers))
`)}
	for _, path := range modules {
		tree[path] = harness.Entry{Mode: 0o644, Content: fmt.Sprintf("number = %d\n", number), ModTime: when}
	}
	return tree
}

// talkative makes Python say which bytecode it uses and which it writes.
const talkative = "[program]\nenv = { PYTHONVERBOSE = \"1\" }\n"

// TestFirstStartCompilesNothing: what the check compiled is there when the new
// release starts.
func TestFirstStartCompilesNothing(t *testing.T) {
	t.Parallel()
	d := layOut(t, harness.FastDir(t), numbered(1).Over(good), talkative)
	d.Start()
	awaitNext(d, 0)
	checkNumbers(t, d, 1)
	harness.Await(t, "Python to say what it has compiled", func() bool { return len(wrote(d, d.Console())) >= len(modules) }, d.Console)
	for _, number := range []int{2, 3} {
		before := len(d.Console())
		tree := numbered(number)
		tree["fresh.py"] = harness.File(fmt.Sprintf("x = %d\n", number))
		tree["main.py"] = harness.File("import fresh\n" + tree["main.py"].Content)
		upload(t, d, tree)
		awaitNext(d, number-1)
		checkNumbers(t, d, number)
		last := "import 'beat'" // said when it is there
		harness.Await(t, last, func() bool { return strings.Contains(d.Console()[before:], last) }, d.Console)
		said := d.Console()[before:]
		if compiled := wrote(d, said); len(compiled) > 0 {
			t.Errorf("the first start of release %d compiled %v", number, compiled)
		}
		for _, path := range append(modules, "fresh.py") {
			if !strings.Contains(said, " matches "+filepath.Join(d.Main(), path)) {
				t.Errorf("the first start of release %d did not use the bytecode of %s", number, path)
			}
		}
		caches := bytecode(t, d)
		if len(caches) != len(modules)+2 { // beat and fresh
			t.Errorf("bytecode: %v", caches)
		}
		d.Say("restart")
		if diff := harness.Diff(caches, bytecode(t, d)); diff != "" {
			t.Errorf("another start changed bytecode:\n%s", diff)
		}
	}
}

// TestNoStaleBytecode: after every kind of way back, what runs is what stands
// in main/.
func TestNoStaleBytecode(t *testing.T) {
	t.Parallel()
	d := layOut(t, harness.FastDir(t), numbered(1).Over(good), "")
	d.Start()
	awaitNext(d, 0)
	upload(t, d, numbered(2))
	awaitNext(d, 1)
	checkNumbers(t, d, 2)
	d.Say("rollback")
	awaitRelease(d, 1)
	checkNumbers(t, d, 1)
	d.Say("rollback", "2")
	awaitRelease(d, 2)
	checkNumbers(t, d, 2)

	// One that fails by itself, after it has run all of its modules.
	failing := numbered(3)
	failing["main.py"] = harness.File(strings.Replace(failing["main.py"].Content, "beat.go()", "beat.gone()", 1))
	began := starts(d)
	upload(t, d, failing)
	awaitHeld(d, 2)
	d.Await("the start of release 2", func(harness.Status) bool { return len(starts(d)) > len(began) })
	checkNumbers(t, d, 2)
}

// awaitRelease waits until a release has started and proved itself.
func awaitRelease(d *harness.Device, number int) {
	d.Await(fmt.Sprintf("release %d", number), func(s harness.Status) bool {
		all := starts(d)
		return s.Release.Number == number && s.Release.State != "trial" && s.Program.State == "running" &&
			strings.HasPrefix(all[len(all)-1], fmt.Sprintf("%d:", number))
	})
}

// checkNumbers fails the test if a module was not that of a version.
func checkNumbers(t *testing.T, d *harness.Device, number int) {
	t.Helper()
	tree, err := harness.Read(d.Dir)
	want := strings.ReplaceAll("[N, N, N, N, N, N]", "N", fmt.Sprint(number))
	if got := tree["numbers"].Content; err != nil || got != want {
		t.Errorf("the modules were %s, want %s, %v", got, want, err)
	}
}

// wrote are the files below main/ that Python says it has compiled.
func wrote(d *harness.Device, said string) []string {
	found := regexp.MustCompile(`# (?:wrote|created) '(`+regexp.QuoteMeta(d.Main())+`[^']*)'`).FindAllStringSubmatch(said, -1)
	var paths []string
	for _, one := range found {
		paths = append(paths, one[1])
	}
	return paths
}

// bytecode is all of it below main/.
func bytecode(t *testing.T, d *harness.Device) harness.Tree {
	t.Helper()
	tree, err := harness.Read(d.Main())
	if err != nil {
		t.Fatal(err)
	}
	found := harness.Tree{}
	for path, entry := range tree {
		if strings.HasSuffix(path, ".pyc") {
			found[path] = entry
		}
	}
	return found
}
