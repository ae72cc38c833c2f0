package inspect

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTheLineShownIsThatOfTheUpload: Python takes the line of some errors from
// the file of the name, and until the switch that is the old one.
func TestTheLineShownIsThatOfTheUpload(t *testing.T) {
	for name, test := range map[string]struct {
		text, line string
		column     int
	}{
		"found by the parser":        {"x = 1\ny = = 2\n", "y = = 2", 5},
		"found by the compiler":      {"x = 1\nreturn x\n", "return x", 1},
		"behind letters of any kind": {"x = 1\nä = 'ö'; return x\n", "ä = 'ö'; return x", 10},
		"in another encoding":        {"# coding: latin-1\n\xe4 = '\xf6'; return 2\n", "ä = 'ö'; return 2", 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := judge(t, candidate{"main.py": "import helper\n", "helper.py": "old = 1\nold = 2\n", "helper.py+": test.text}.job(t)).Findings
			if len(found) != 1 || found[0].Line != 2 || found[0].Source != test.line {
				t.Fatalf("found %+v, want %q", found, test.line)
			}
			if found[0].Column != test.column {
				t.Errorf("column %d, want %d", found[0].Column, test.column)
			}
		})
	}
}

// TestWhatWasCompiledIsNotToldTwice: the imports of a file that is broken are
// followed as far as they go.
func TestWhatWasCompiledIsNotToldTwice(t *testing.T) {
	job := candidate{"main.py": "import helper\n", "helper.py": "import os\nx = = 1\n"}.job(t)
	job.Changed = []Source{{Path: "main.py"}, {Path: "helper.py"}}
	if found := judge(t, job).Findings; len(found) != 1 || found[0].Severity != Holds {
		t.Errorf("changed: %+v", found)
	}
	job.Changed = []Source{{Path: "main.py"}}
	if found := judge(t, job).Findings; len(found) != 1 || found[0].Severity != Warns {
		t.Errorf("as it was: %+v", found)
	}
}

// TestWhatAPackageImportsFromItself: `from . import one` binds the name, but
// only if there is such a module.
func TestWhatAPackageImportsFromItself(t *testing.T) {
	waitsForOne := []string{"holds missing name: pkg/__init__.py:1: waiting for pkg/one.py, imported by pkg/__init__.py line 1"}
	for text, want := range map[string][]string{
		"from . import one\n":                                          waitsForOne,
		"from pkg import one\n":                                        waitsForOne,
		"from . import one, two\nprint(one.x)\n":                       waitsForOne,
		"from . import one as three, two\n":                            waitsForOne,
		"from . import one\nfrom .two import one\n":                    nil,
		"from . import one\none = 1\n":                                 nil,
		"from . import one\ndef f():\n    global one\n":                nil,
		"from . import one\nfor i, one in []:\n    pass\n":             nil,
		"from . import one\nimport os as one\n":                        nil,
		"from . import one\nclass one:\n    pass\n":                    nil,
		"from . import one\nglobals().update(one=1)\n":                 nil,
		"from . import two as one\nfrom . import one\n":                nil,
		"from . import two\n":                                          nil,
		"from .two import one\nfrom . import one\n":                    nil,
		"from . import one\ntry:\n    x\nexcept E as one:\n    pass\n": nil,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			of := candidate{"main.py+": "import pkg\n", "pkg/__init__.py+": text, "pkg/two.py": "one = 1\n"}
			if diff := cmp.Diff(want, lines(judge(t, of.job(t)))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
