//go:build linux

package checks

import (
	"strings"
	"testing"

	"ota/test/harness"
)

var groups = []group{
	{name: "syntax", cases: syntaxCases},
	{name: "more syntax", cases: moreSyntaxCases},
	{name: "encodings", cases: encodingCases},
	{name: "imports", cases: importCases},
	{name: "shapes", cases: shapeCases},
	{name: "settings", cases: settingsCases},
	{name: "starts", cases: startCases},
	{name: "good", cases: goodCases},
	{name: "requirements", need: needPip, cases: requirementCases, settings: "[python]\noffline = true\n"},
	{name: "projects", need: needPip, cases: projectCases, settings: "[python]\noffline = true\n"},
	{name: "wheels", need: needPip, cases: wheelCases, settings: "[python]\noffline = true\n"},
	{name: "indexes", need: needPip, cases: indexCases},
}

// file is an upload of one Python file that nobody imports.
func file(name, text string) one {
	return one{name: name, upload: harness.Tree{strings.ReplaceAll(name, "-", "_") + ".py": harness.File(text)}}
}

// newer is one that Python 3.14 understands.
func newer(name, text string) one {
	of := file(name, text)
	of.until = "3.14"
	return of
}

// syntaxCases are those that the parser finds.
func syntaxCases(*testing.T) []one {
	return []one{
		file("syntax-bracket-open", "print('x')\nvalues = [1, 2\nprint(values)\n"),
		file("syntax-bracket-wrong", "values = [1, 2)\n"),
		file("syntax-bracket-too-many", "print('x'))\n"),
		file("syntax-colon", "def f()\n    return 1\n"),
		file("syntax-colon-class", "class A\n    x = 1\n"),
		file("syntax-comma", "x = {'a': 1 'b': 2}\n"),
		file("syntax-equals", "x = 1\nif x = 2:\n    pass\n"),
		file("syntax-indent", "x = 1\n    y = 2\n"),
		file("syntax-indent-missing", "def f():\nreturn 1\n"),
		file("syntax-dedent", "if True:\n        x = 1\n    y = 2\n"),
		file("syntax-tabs", "if True:\n        x = 1\n\ty = 2\n"),
		file("syntax-string", "x = 'open\n"),
		file("syntax-string-long", "x = '''open\n\n\n"),
		file("syntax-fstring", "a = b = 1\nx = f'{a b}'\n"),
		file("syntax-escape", "x = '\\U0FFFFFFF'\n"),
		file("syntax-print", "print \"hello\"\n"),
		file("syntax-exec", "exec \"x = 1\"\n"),
		newer("syntax-except", "try:\n    x = 1\nexcept ValueError, e:\n    pass\n"),
		file("syntax-backticks", "x = `1`\n"),
		file("syntax-octal", "mode = 0755\n"),
		file("syntax-quotes", "print(“hello”)\n"),
		file("syntax-space", "x =\u00a01\n"),
		file("syntax-conflict", "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> other\n"),
	}
}

// moreSyntaxCases are those that the compiler finds behind the parser, and what
// is too large, too deep or too new.
func moreSyntaxCases(*testing.T) []one {
	return []one{
		file("syntax-return", "x = 1\nreturn x\n"),
		file("syntax-yield", "class A:\n    yield 1\n"),
		file("syntax-await", "def f():\n    await g()\n"),
		file("syntax-break", "if True:\n    break\n"),
		file("syntax-nonlocal", "nonlocal x\n"),
		file("syntax-global", "def f():\n    x = 1\n    global x\n"),
		file("syntax-argument-twice", "def f(a, a):\n    pass\n"),
		file("syntax-argument-order", "def f(a=1, b):\n    pass\n"),
		file("syntax-assign", "f() = 1\n"),
		file("syntax-none", "None = 1\n"),
		file("syntax-star", "*a = 1, 2\n"),
		file("syntax-future", "x = 1\nfrom __future__ import annotations\n"),
		file("syntax-braces", "from __future__ import braces\n"),
		newer("syntax-newer-string", "name = 'x'\nx = t'hello {name}'\n"),
		newer("syntax-newer-except", "try:\n    x = 1\nexcept ValueError, KeyError:\n    pass\n"),
		file("syntax-deep", "x = "+strings.Repeat("(", 5000)+strings.Repeat(")", 5000)+"\n"),
		file("syntax-100000-lines", strings.Repeat("x = 1\n", 99_998)+"y = = 1\nz = 1\n"),
		{
			name:   "syntax-replaced",
			before: harness.Tree{"replaced.py": harness.File("old = 1\nold = 2\nold = 3\n")},
			upload: harness.Tree{"replaced.py": harness.File("new = 1\nö = 'ä'; return new\n")},
		},
		{
			name: "syntax-two-files",
			upload: harness.Tree{
				"two/a.py": harness.File("x = = 1\n"), "two/b.py": harness.File("def\n"), "two/c.py": harness.File("x = 1\n"),
			},
		},
		{
			name:   "syntax-main",
			upload: harness.Tree{"main.py": program("import os\nimprot sys\n")},
		},
	}
}

// encodingCases are bytes that are no text, or not the one that they say.
func encodingCases(*testing.T) []one {
	utf16 := "\xff\xfe"
	for _, letter := range "x = 1\n" {
		utf16 += string(letter) + "\x00"
	}
	return []one{
		file("encoding-latin-1", "x = 1\nname = 'M\xfcller'\n"),
		file("encoding-unknown", "# -*- coding: klingon -*-\nx = 1\n"),
		file("encoding-lies", "# -*- coding: utf-8 -*-\n\nname = 'M\xfcller'\n"),
		file("encoding-ascii", "# coding: ascii\nname = 'M\u00fcller'\n"),
		file("encoding-utf-16", utf16),
		file("encoding-bom-latin-1", "\ufeff# coding: latin-1\nx = 1\n"),
		file("encoding-nul", "x = 1\ny = '\x00'\nz = 1\n"),
		file("encoding-nuls", strings.Repeat("\x00", 4096)),
		file("encoding-nul-in-comment", "x = 1\n# \x00\n"),
		file("encoding-picture", "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\n"),
		file("encoding-bytes", "x = b'\u00fc'\n"),
		file("encoding-zip", "PK\x03\x04\x14\x00\x00\x00\x08\x00\n"),
	}
}
