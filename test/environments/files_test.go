//go:build linux

package environments

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ota/test/harness"
)

// TestFiles: each of the files that say what a program requires. Packages that
// the requirements require come too.
func TestFiles(t *testing.T) {
	t.Parallel()
	other := harness.Wheel{Name: "other", Version: "2.0", Files: map[string]string{"other.py": "VERSION = '2.0'\n"}}
	needy := thing("1.0")
	needy.Needs = []string{"other>=1"}
	sum := func(one harness.Wheel) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(one.Entry(t).Content))) }
	pyproject := "[project]\nname = \"garden\"\nversion = \"0\"\ndependencies = [\"thing>=1\"]\n"
	locked := func(one harness.Wheel, needs string) string {
		return fmt.Sprintf("\n[[package]]\nname = %q\nversion = %q\nsource = { registry = \"https://packages.example.com/simple\" }\n%s"+
			"wheels = [{ url = \"https://files.example/%s\", hash = \"sha256:%s\", size = 1 }]\n", one.Name, one.Version, needs, one.File(), sum(one))
	}
	pinned := func(one harness.Wheel) string {
		return fmt.Sprintf("\n[[packages]]\nname = %q\nversion = %q\n"+
			"wheels = [{ name = %q, url = \"https://files.example/%s\", hashes = { sha256 = %q } }]\n", one.Name, one.Version, one.File(), one.File(), sum(one))
	}
	for name, files := range map[string]harness.Tree{
		"requirements.txt with another": {
			"requirements.txt":              harness.File("-r requirements/base.txt\n"),
			"requirements/base.txt":         harness.File("-c limits.txt\nthing\n"),
			"requirements/limits.txt":       harness.File("thing<2\n"),
			"wheels/" + thing("2.0").File(): thing("2.0").Entry(t),
		},
		"pyproject.toml": {"pyproject.toml": harness.File(pyproject)},
		"uv.lock": {
			"pyproject.toml": harness.File(pyproject),
			"uv.lock": harness.File("version = 1\nrequires-python = \">=3.7\"\n" +
				"\n[[package]]\nname = \"garden\"\nversion = \"0\"\nsource = { virtual = \".\" }\ndependencies = [{ name = \"thing\" }]\n" +
				locked(needy, "dependencies = [{ name = \"other\" }]\n") + locked(other, "")),
		},
		"pylock.toml": {
			"pylock.toml": harness.File("lock-version = \"1.0\"\ncreated-by = \"test\"\n" + pinned(needy) + pinned(other)),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t, offline)
			main := program(strings.Replace(plain, "note(VERSION,", "import other\nnote(VERSION, other.VERSION,", 1), "second")
			upload(t, d, main, files, wheels(t, needy, other))
			awaitStart(t, d, "2 1.0 2.0")
			awaitConfirmed(d, 2)
		})
	}
}

// TestHeld: what can't be installed holds the upload, in a sentence that names
// it; `ota check` says the same, and one file more makes it right.
func TestHeld(t *testing.T) {
	t.Parallel()
	d := newDevice(t, offline)
	before := awaitConfirmed(d, 1)
	check := func(want string, path string, line int) {
		t.Helper()
		var reasons []harness.Reason
		d.Await("held: "+want, func(s harness.Status) bool {
			reasons = s.Deposit.Reasons
			return s.Deposit.State == "held" && len(reasons) == 1 && strings.Contains(reasons[0].Message, want)
		})
		if one := reasons[0]; one.Path != path || one.Line != line || strings.Contains(one.Message, "\n") {
			t.Errorf("held: %+v", one)
		}
		checkUntouched(t, d, before)
		checkEnvironments(t, d)
	}
	upload(t, d, program(plain, "second"), harness.Tree{"requirements.txt": harness.File("# of the garden\nthing = 1.0\n")})
	check("thing = 1.0", "requirements.txt", 2)
	upload(t, d, harness.Tree{"requirements.txt": harness.File("thing==1.0\n")})
	check("the environment can't be made: there is no wheel of thing==1.0 in main/wheels/, and nothing else is asked (offline)", "", 0)
	if answer := d.Ask("check"); answer.Code != 3 || !strings.Contains(answer.Said, "there is no wheel of thing==1.0 in main/wheels/") {
		t.Errorf("ota check: %+v", answer)
	}
	upload(t, d, wheels(t, thing("2.0")))
	check("the environment can't be made: there is no thing==1.0: the versions that can be installed here are 2.0", "", 0)
	upload(t, d, wheels(t, thing("1.0")))
	awaitStart(t, d, "2 1.0")
	awaitConfirmed(d, 2)
}

// TestNoSpace: a package for which there is no room is held, and nothing of it
// is left; it is installed when there is room.
func TestNoSpace(t *testing.T) {
	t.Parallel()
	harness.NeedRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("ota-test", dir, "tmpfs", 0, "size=16m"); err != nil {
		harness.Lack(t, "no file system of our own can be mounted: "+err.Error())
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	d := newDeviceIn(t, dir, offline)
	before := awaitConfirmed(d, 1)
	large := thing("1.0") // a small wheel
	large.Files["thing/table.txt"] = strings.Repeat("0", 24<<20)
	upload(t, d, requiring(t, large))
	if said := awaitHeld(d)[0].Message; !strings.Contains(said, "no space left") {
		t.Errorf("held: %s", said)
	}
	checkUntouched(t, d, before)
	awaitNothingMade(t, d)
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, "size=100m"); err != nil {
		t.Fatal(err)
	}
	d.Say("retry")
	awaitStart(t, d, "2 1.0")
}
