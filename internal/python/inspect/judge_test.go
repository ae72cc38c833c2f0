package inspect

import "testing"

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
