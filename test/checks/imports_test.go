//go:build linux

package checks

import (
	"strings"
	"testing"

	"ota/test/harness"
)

// adding is an upload of main.py that is well as soon as another file is there.
func adding(name, lines, path, text string, more harness.Tree) one {
	upload := harness.Tree{"main.py": program(lines)}
	for path, entry := range more {
		upload[path] = entry
	}
	return one{name: name, upload: upload, fixed: harness.Tree{path: harness.File(text)}}
}

// importCases are those of what is nowhere.
func importCases(*testing.T) []one {
	return []one{
		adding("import-file", "import sensor\n", "sensor.py", "x = 1\n", nil),
		adding("import-file-of-another", "import between\n", "behind.py", "x = 1\n", harness.Tree{
			"between.py": harness.File("import os\n\nimport behind\n"),
		}),
		adding("import-submodule", "import parts.motor\n", "parts/motor.py", "x = 1\n", harness.Tree{
			"parts/__init__.py": harness.File(""),
		}),
		adding("import-from-package", "from pieces import motor\n", "pieces/motor.py", "x = 1\n", harness.Tree{
			"pieces/__init__.py": harness.File(""),
		}),
		adding("import-relative", "import inner.one\n", "inner/two.py", "x = 1\n", harness.Tree{
			"inner/__init__.py": harness.File(""), "inner/one.py": harness.File("from . import two\n"),
		}),
		adding("import-relative-above", "import outer.low.one\n", "outer/two.py", "x = 1\n", harness.Tree{
			"outer/__init__.py": harness.File(""), "outer/low/__init__.py": harness.File(""),
			"outer/low/one.py": harness.File("from ..two import x\n"),
		}),
		adding("import-name", "from helper import new\n", "helper.py", "new = 1\n", harness.Tree{
			"helper.py": harness.File("old = 1\n"),
		}),
		adding("import-name-of-package", "from tools import saw\n", "tools/__init__.py", "saw = 1\n", harness.Tree{
			"tools/__init__.py": harness.File("hammer = 1\n"),
		}),
		{
			name: "import-package-of-itself",
			upload: harness.Tree{
				"main.py": program("import plugins\n"), "plugins/__init__.py": harness.File("from . import first, second\n"),
				"plugins/first.py": harness.File("x = 1\n"),
			},
			fixed: harness.Tree{"plugins/second.py": harness.File("x = 2\n")},
		},
		adding("import-letters", "import Upper\n", "Upper.py", "x = 1\n", harness.Tree{"upper.py": harness.File("x = 1\n")}),
		adding("import-several", "import first_gone\nimport second_gone\n", "second_gone.py", "x = 1\n", harness.Tree{
			"first_gone.py": harness.File("import third_gone\n"), "third_gone.py": harness.File("from first_gone import *\n"),
		}),
		adding("import-data", "from settings_of_it import *\n", "settings_of_it.py", "x = 1\n", harness.Tree{
			"settings_of_it.txt": harness.File("x = 1\n"),
		}),
		{name: "import-package", upload: harness.Tree{"main.py": program("import adafruit_bme280\n")}},
		{name: "import-package-other-name", upload: harness.Tree{"main.py": program("import os\nimport skimage.io as io\n")}},
		{name: "import-python-2", upload: harness.Tree{"main.py": program("import urllib2\n")}},
		{name: "import-newer-python", until: "3.14", upload: harness.Tree{"main.py": program("import annotationlib\n")}},
		{name: "import-standard-part", upload: harness.Tree{"main.py": program("import json.decodr\n")}},
		{name: "import-class", upload: harness.Tree{"main.py": program("class A:\n    import gone_in_class\n")}},
		{name: "import-with", upload: harness.Tree{"main.py": program("with open('main.py') as f:\n    import gone_in_with\n")}},
	}
}

// shapeCases are paths that can't be what they are to become, and files that
// seem cut off.
func shapeCases(*testing.T) []one {
	return []one{
		{
			name: "shape-main-is-folder", upload: harness.Tree{"main.py/main.py": program("")},
			mend: startAgain, fixed: harness.Tree{"main.py": program("# a file\n")},
		},
		{
			name:   "shape-package-over-module",
			before: harness.Tree{"shape.py": harness.File("x = 1\n")},
			upload: harness.Tree{"shape.py/__init__.py": harness.File("x = 1\n")},
			mend:   startAgain, fixed: harness.Tree{"shape.py": harness.File("x = 2\n")},
		},
		{
			name:   "shape-file-over-folder",
			before: harness.Tree{"model.v1/weights": harness.File("1\n")},
			upload: harness.Tree{"model.v1": harness.File("1\n")},
			mend:   startAgain, fixed: harness.Tree{"model.v1/weights": harness.File("2\n")},
		},
		{
			name:   "shape-link-out",
			upload: harness.Tree{"secrets.py": harness.Link("../../secrets.py")},
			mend:   startAgain, fixed: harness.Tree{"secrets.py": harness.File("x = 1\n")},
		},
		{
			name:   "cut-empty",
			before: harness.Tree{"cut_empty.py": harness.File("x = 1\n")},
			upload: harness.Tree{"cut_empty.py": harness.File("")},
		},
		{
			name:   "cut-newline",
			before: harness.Tree{"cut_newline.py": harness.File("x = 1\ny = 22\n")},
			upload: harness.Tree{"cut_newline.py": harness.File("x = 1\ny = 2")},
		},
		{
			name:   "cut-blocks",
			upload: harness.Tree{"cut_blocks.py": harness.File(strings.Repeat("x = 1 # \n", 455) + "x")},
		},
	}
}

// settingsCases are those of main/ota.toml, and of the check that it asks for.
func settingsCases(*testing.T) []one {
	own := func(name, text, check string) one {
		return one{
			name: name, upload: harness.Tree{"ota.toml": harness.File(text), "own.py": harness.File(check)},
			fixed: harness.Tree{"ota.toml": harness.File("# " + name + "\n")},
		}
	}
	return []one{
		own("settings-syntax", "[check\n", ""),
		own("settings-key", "[check]\nimport = false\n", ""),
		own("settings-value", "[check]\ntimeout = 5\n", ""),
		own("settings-device-only", "[store]\nkeep = 3\n", ""),
		own("check-fails", "[check]\ncommand = [\"python3\", \"own.py\"]\n",
			"print('looking')\nprint('1 of 2 tests failed')\nraise SystemExit(1)\n"),
		own("check-raises", "[check]\ncommand = [\"python3\", \"-c\", \"import own\"]\n", "import beat\n\nbeat.gone\n"),
		{
			name: "check-syntax-first", upload: harness.Tree{
				"ota.toml": harness.File("[check]\ncommand = [\"touch\", \"../it-ran\"]\n"), "own.py": harness.File("x = = 1\n"),
			},
		},
	}
}

// startCases are those that only the start can tell; the evidence does.
func startCases(*testing.T) []one {
	starting := func(name, lines string, more harness.Tree) one {
		return one{
			name: name, ends: rolledBack, upload: more.Over(harness.Tree{"main.py": program(lines)}),
			fixed: harness.Tree{"main.py": program("# " + name + "\n")},
		}
	}
	return []one{
		starting("start-cycle", "import here\n", harness.Tree{
			"here.py": harness.File("from there import y\n\nx = 1\n"), "there.py": harness.File("from here import x\n\ny = 1\n"),
		}),
		starting("start-cycle-attribute", "import this_one\n", harness.Tree{
			"this_one.py": harness.File("import that_one\n\nx = 1\n"), "that_one.py": harness.File("import this_one\n\ny = this_one.x\n"),
		}),
		starting("start-name", "from os import gone\n", nil),
		starting("start-attribute", "import os\n\nos.gone()\n", nil),
		starting("start-undefined", "gone\n", nil),
		starting("start-exit", "import sys\n\nprint('no camera')\nsys.exit(3)\n", nil),
		starting("start-relative", "from . import beat as other\n", nil),
		starting("start-function", "def f():\n    import gone_in_function\n\n\nf()\n", nil),
		starting("start-deep", "def f():\n    f()\n\n\nf()\n", nil),
	}
}

// goodCases look bad and are not.
func goodCases(*testing.T) []one {
	well := func(name, lines string, more harness.Tree) one {
		return one{name: name, ends: taken, upload: more.Over(harness.Tree{"main.py": program(lines)})}
	}
	long := strings.Repeat("def f(x):\n    return x + 1\n\n\nx = f(1)\n", 20_000)
	return []one{
		well("good-cycle", "import ring_a\n", harness.Tree{
			"ring_a.py": harness.File("import ring_b\n\nx = 1\n"), "ring_b.py": harness.File("import ring_a\n\ny = 1\n"),
		}),
		well("good-cycle-late", "import late_a\n", harness.Tree{
			"late_a.py": harness.File("x = 1\nfrom late_b import y\n"), "late_b.py": harness.File("from late_a import x\n\ny = x\n"),
		}),
		well("good-try", "try:\n    import gone_one\nexcept ImportError:\n    gone_one = None\n", nil),
		well("good-try-either", "try:\n    import gone_fast as lib\nexcept ModuleNotFoundError:\n    import json as lib\n", nil),
		well("good-suppress", "import contextlib\nwith contextlib.suppress(ImportError):\n    import gone_two\n", nil),
		well("good-function", "def f():\n    import gone_three\n", nil),
		well("good-condition", "import sys\nif sys.platform == 'win32':\n    import gone_four\n", nil),
		well("good-typing", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from gone_five import T\n", nil),
		well("good-100000-lines", "import long\n", harness.Tree{"long.py": harness.File(long)}),
		well("good-latin-1", "import latin\n", harness.Tree{"latin.py": harness.File("# coding: latin-1\nx = '\xfc'\n")}),
		well("good-bom", "import bom\n", harness.Tree{"bom.py": harness.File("\ufeffx = 1\n")}),
		well("good-crlf", "import crlf\n", harness.Tree{"crlf.py": harness.File("if True:\r\n    x = '''a\r\nb'''\r\n")}),
		well("good-form-feed", "import feed\n", harness.Tree{"feed.py": harness.File("x = 1\n\x0c\ny = 2\n")}),
		well("good-path", "import sys\nsys.path.insert(0, 'lib_of_it')\nimport in_lib\n", harness.Tree{"lib_of_it/in_lib.py": harness.File("")}),
		well("good-namespace", "import space.deep.mod\n", harness.Tree{"space/deep/mod.py": harness.File("")}),
		well("good-getattr", "from magic import anything\n", harness.Tree{"magic.py": harness.File("def __getattr__(name):\n    return 1\n")}),
		well("good-given", "import giver\nfrom taker import given\n", harness.Tree{
			"giver.py": harness.File("import taker\n\ntaker.given = 1\n"), "taker.py": harness.File(""),
		}),
		well("good-shadow", "", harness.Tree{"calendar.py": harness.File("x = 1\n")}),
		well("good-warning", "x = '\\d'\ny = x is 1\n", nil),
		well("good-no-python", "", harness.Tree{
			"data.bin": harness.File("\x00\xff\x00\n"), "template.py.in": harness.File("{% if %}\n"), "Makefile": harness.File("all:\n"),
		}),
		well("good-ignored", "", harness.Tree{
			"ota.toml": harness.File("[check]\nignore = [\"old/\"]\n"), "old/two.py": harness.File("print 'x'\n"),
		}),
		well("good-not-followed", "import sys\nsys.modules['gone_six'] = sys\nimport gone_six\n", harness.Tree{
			"ota.toml": harness.File("[check]\nimports = false\n"),
		}),
		well("good-own-check", "", harness.Tree{
			"ota.toml": harness.File("[check]\ncommand = [\"python3\", \"-c\", \"import beat\"]\n"),
		}),
	}
}
