// Package inspect judges the Python files of a candidate before the old
// program is stopped: whether each changed file compiles, and whether what the
// program imports is there.
//
// In: main/, the files that will be laid over it, the interpreter that will
// run the program. Out: findings, each with its file, line and a sentence;
// the bytecode of the changed files; which modules the program imports. Never:
// the execution of one line of the program. A check that can't tell lets an
// upload pass with a warning.
//
// The work is done by a script (helper/) that the interpreter gets with one
// job and that gives one answer. It is the interpreter itself that compiles,
// so that its version, its messages and its bytecode are the program's; and
// its own search for modules, in its environment, for all that is not below
// main/. What is below main/ is looked up by the script in the candidate,
// which is not on the disk yet.
//
// A finding holds an upload only if the program would fail for sure: an import
// that is executed in any case, of a module that is nowhere. What stands in a
// function, under a condition or in a try that expects it, only warns; and so
// does every import where the program changes the way on which modules are
// found.
package inspect

import (
	"cmp"
	"context"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"ota/internal/kit/owner"
)

// Job is what is to be judged. Paths below main/ are slash-separated and may
// hold any bytes.
type Job struct {
	Python   string                 // path of the interpreter, that of the environment if there is one
	Env      []string               // the program's environment
	Main     string                 // main/, absolute: what is there now
	Overlay  map[string]string      // path below main/ -> file with its new content
	Removed  []string               // paths below main/ that will be gone
	Entry    Entry                  // what is run
	Changed  []Source               // .py files to compile
	Ignored  func(path string) bool // files that are not looked at; nil: none
	Imports  bool                   // whether imports are followed from the entry
	Bytecode string                 // an existing folder into which bytecode is written; empty: none
	Required []string               // distributions that the candidate's requirements name, normalized (PEP 503)
	Limit    time.Duration          // zero: two minutes
	As       *owner.Owner           // who looks: it has to be able to read all of that, and to write into Bytecode
}

// Entry is what the interpreter is given to run. The zero value says that
// something else runs the program; then no imports are followed.
type Entry struct {
	Script string // a path below main/; its folder is the first in sys.path
	Module string // as in `python -m pkg.mod`; main/ is the first in sys.path
}

// Source is a Python file that is new or changed.
type Source struct {
	Path    string
	ModTime time.Time   // that the file will have: bytecode is valid for one only
	Mode    fs.FileMode // that the file will have; zero: that of the new content
}

// Kind says what a finding is about.
type Kind string

// The kinds.
const (
	Syntax         Kind = "syntax"
	Encoding       Kind = "encoding"
	MissingModule  Kind = "missing module"  // a file of the program: it is waited for
	MissingPackage Kind = "missing package" // something to install
	MissingName    Kind = "missing name"    // a file of the program has not what is imported from it
	Shadow         Kind = "shadow"          // a file takes the name of a standard module
	Unknown        Kind = "unknown"         // the check can't tell
)

// Severity says what a finding does to an upload.
type Severity string

// The severities.
const (
	Holds Severity = "holds"
	Warns Severity = "warns"
)

// Finding is one thing that is not as it should be.
type Finding struct {
	Path     string // below main/, any bytes; empty: none in particular
	Line     int    // from 1; zero: none in particular
	Column   int    // from 1; zero: none in particular
	Source   string // the line of the file
	Message  string
	Hint     string // what else may help, or empty
	Kind     Kind
	Severity Severity
	Package  string // the distribution to install, where it is known
}

// Compiled is the bytecode of one changed file.
type Compiled struct {
	Source string // below main/
	Name   string // in __pycache__: helper.cpython-311.pyc
	File   string // where it was written
}

// Result is what has been found out.
type Result struct {
	Findings []Finding // those that hold first; at most 50
	Compiled []Compiled
	Modules  []string // top-level modules, standard and installed, that are imported for sure, in that order
}

const (
	limitUnsaid  = 2 * time.Minute
	mostFindings = 50
)

// Run judges. The error is that of ctx; what else goes wrong is a finding that
// warns. Several goroutines may call it; on a small device one at a time
// should.
func Run(ctx context.Context, job Job) (Result, error) {
	job.Limit = cmp.Or(job.Limit, limitUnsaid)
	job.Changed = slices.DeleteFunc(slices.Clone(job.Changed), func(source Source) bool {
		return job.Ignored != nil && job.Ignored(source.Path)
	})
	if len(job.Changed) == 0 && (!job.Imports || job.Entry == Entry{}) {
		return Result{}, ctx.Err()
	}
	data, err := ask(ctx, job)
	if ctx.Err() != nil {
		return Result{}, ctx.Err()
	}
	if err != nil {
		return unknown(err.Error()), nil
	}
	result, err := parse(data, job)
	if err != nil {
		return unknown(filepath.Base(job.Python) + " gave no answer that makes sense"), nil
	}
	return result, nil
}

func unknown(why string) Result {
	return Result{Findings: []Finding{{
		Message: "the Python files could not be checked: " + short(why, longestMessage), Kind: Unknown, Severity: Warns,
	}}}
}
