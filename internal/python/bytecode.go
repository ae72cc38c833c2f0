package python

import (
	"path/filepath"
	"strings"

	"ota/internal/kit/pattern"
)

// Bytecode tells where Python keeps what it compiled from one source file
// (PEP 3147, PEP 488, and PYTHONPYCACHEPREFIX).
type Bytecode struct {
	// Folder holds the compiled files, and those of the source's neighbours.
	// Slash-separated below main/, or absolute when PYTHONPYCACHEPREFIX puts
	// it somewhere else.
	Folder string

	stem string // the source's base name without .py
}

// BytecodeOf returns where the bytecode of source is; false if source is no
// Python file. The source is a slash-separated path below main, main an
// absolute path without symbolic links (as the program's os.getcwd() says),
// env the program's environment.
func BytecodeOf(source, main string, env []string) (Bytecode, bool) {
	folder, base := "", source
	if i := strings.LastIndexByte(source, '/'); i >= 0 {
		folder, base = source[:i], source[i+1:]
	}
	stem, ok := strings.CutSuffix(base, ".py")
	if !ok || stem == "" {
		return Bytecode{}, false
	}
	prefix := Variable(env, "PYTHONPYCACHEPREFIX")
	if prefix == "" {
		return Bytecode{Folder: strings.TrimPrefix(folder+"/__pycache__", "/"), stem: stem}, true
	}
	if !filepath.IsAbs(prefix) {
		prefix = filepath.Join(main, prefix)
	}
	absolute := filepath.Join(main, filepath.FromSlash(folder))
	absolute = strings.TrimPrefix(absolute, filepath.VolumeName(absolute))
	return Bytecode{Folder: filepath.Join(prefix, absolute), stem: stem}, true
}

// entry is what follows the stem: a tag such as cpython-311, which holds no
// dot, the level of optimisation, and a number while the file is unfinished
// (importlib writes under such a name and renames).
var entry = pattern.New(`^\.[^./]+(\.opt-[0-9A-Za-z]+)?\.pyc(\.[0-9]+)?$`)

// Match says whether a name in Folder is this source's. Those of x.y.py are not
// those of x.py.
func (b Bytecode) Match(name string) bool {
	rest, ok := strings.CutPrefix(name, b.stem)
	// The level is no tag: x.y.opt-1.pyc would be of x.y.py as well.
	return ok && entry.MatchString(rest) && !strings.HasPrefix(rest, ".opt-")
}
