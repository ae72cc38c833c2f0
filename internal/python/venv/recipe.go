package venv

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"

	"ota/internal/kit/escape"
)

// Kind is the file that says what an environment holds.
type Kind string

// The kinds, in the order in which they are looked for.
const (
	None         Kind = ""
	PyLock       Kind = "pylock.toml"
	Requirements Kind = "requirements.txt"
	UVLock       Kind = "uv.lock"
	PyProject    Kind = "pyproject.toml"
)

// WheelFolder is where a program brings its wheels, below main/.
const WheelFolder = "wheels"

// Recipe is what an environment is made from. The zero Recipe is for a program
// that needs none. Several goroutines may read it.
type Recipe struct {
	Kind   Kind
	Notes  []Problem // what the owner should know, though it keeps nothing
	Python string    // versions of Python that it needs, such as ">=3.11"; empty: any

	isolated bool
	files    []file   // in the order in which they were read
	lines    []line   // requirements that are written for the installer; none for requirements.txt
	lock     lock     // pinned requirements; nil if there are none
	wanted   int      // how many requirements there are
	names    []string // those of them that are known
	local    []string
	wheels   []Wheel
	digest   string
}

// file is one that the installer reads.
type file struct {
	path    string // below main/
	content []byte // as UTF-8
}

// line is a requirement of pyproject.toml.
type line struct {
	path string
	text string
}

// lock is a file that names every package with its version.
type lock interface {
	// pins returns what is to be installed in these surroundings.
	pins(surroundings) ([]pin, error)
}

// pin is a package with its one version.
type pin struct {
	requirement string // "name==1.0", "name @ https://…", "./lib"
	hashes      []string
	index       string // where the lock file found it; empty: anywhere
}

// Wheel is a file in main/wheels/.
type Wheel struct {
	Path string // below main/: wheels/numpy-1.26.4-cp311-cp311-linux_armv7l.whl
	File string // where it lies now, absolute
	Sum  string // SHA-256 in hex
}

// Problem is a reason why a file can't be used as it is.
type Problem struct {
	Path    string // below main/
	Line    int    // from 1; 0: none
	Message string
}

// Error is the problem as a person reads it: "requirements.txt:3: message".
func (p *Problem) Error() string {
	if p.Line == 0 {
		return escape.Name(p.Path) + ": " + p.Message
	}
	return escape.Name(p.Path) + ":" + strconv.Itoa(p.Line) + ": " + p.Message
}

// ReadOptions are what Read needs besides the files.
type ReadOptions struct {
	// Isolated environments don't show what apt installed.
	Isolated bool
	// Digest is that of the content of a file or a whole folder below main/
	// (of main/ itself, for "."); fs.ErrNotExist if it is not there. Without
	// it, requirements that are folders are problems.
	Digest func(path string) (string, error)
}

// Read makes a recipe of the files of a candidate. The function read returns
// the content of one below main/, or fs.ErrNotExist. The error is a [*Problem]
// for a file that can't be used, or what read returned.
func Read(read func(path string) ([]byte, error), wheels []Wheel, options ReadOptions) (Recipe, error) {
	r := &reader{read: read, options: options, recipe: Recipe{isolated: options.Isolated}}
	r.recipe.wheels = slices.Clone(wheels)
	sort.Slice(r.recipe.wheels, func(i, j int) bool { return r.recipe.wheels[i].Path < r.recipe.wheels[j].Path })
	if err := r.find(); err != nil {
		return Recipe{}, err
	}
	if r.recipe.Empty() {
		return Recipe{Notes: r.recipe.Notes}, nil
	}
	if err := r.finish(); err != nil {
		return Recipe{}, err
	}
	return r.recipe, nil
}

// reader reads one candidate.
type reader struct {
	read    func(path string) ([]byte, error)
	options ReadOptions
	recipe  Recipe
	open    []string // requirement files that are being read, the innermost last
	where   map[string]Problem
}

// find reads the first file of those that say what is needed.
func (r *reader) find() error {
	for _, one := range []struct {
		kind Kind
		read func([]byte) error
	}{
		{PyLock, r.readPyLock},
		{Requirements, func([]byte) error { return r.readRequirements(string(Requirements), nil, asRequirement) }},
		{PyProject, r.readPyProject},
	} {
		content, err := r.read(string(one.kind))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", one.kind, err)
		}
		r.recipe.Kind = one.kind
		return one.read(content)
	}
	return nil
}

// addLocal notes a file or folder of the candidate that is installed.
func (r *reader) addLocal(name string, from Problem) {
	if r.isWheel(name) || slices.Contains(r.recipe.local, name) {
		return
	}
	if r.where == nil {
		r.where = map[string]Problem{}
	}
	r.where[name] = from
	r.recipe.local = append(r.recipe.local, name)
}

func (r *reader) isWheel(name string) bool {
	return slices.ContainsFunc(r.recipe.wheels, func(w Wheel) bool { return w.Path == name })
}

// add notes one requirement; some addresses tell no name.
func (r *reader) add(name string) {
	r.recipe.wanted++
	if name = normalize(name); name != "" {
		r.recipe.names = append(r.recipe.names, name)
	}
}

// finish computes the digest.
func (r *reader) finish() error {
	recipe := &r.recipe
	slices.Sort(recipe.names)
	recipe.names = slices.Compact(recipe.names)
	sum := sha256.New()
	add := func(parts ...string) {
		for _, one := range parts {
			fmt.Fprintf(sum, "%d:%s\n", len(one), one)
		}
	}
	add("1", string(recipe.Kind), strconv.FormatBool(recipe.isolated))
	for _, one := range recipe.files {
		add("file", one.path, string(one.content))
	}
	for _, one := range recipe.wheels {
		add("wheel", one.Path, one.Sum)
	}
	for _, name := range recipe.local {
		from := r.where[name]
		if r.options.Digest == nil {
			return &Problem{from.Path, from.Line, fmt.Sprintf("%q is part of the program, and can't be installed from there", name)}
		}
		digest, err := r.options.Digest(name)
		if errors.Is(err, fs.ErrNotExist) {
			return &Problem{from.Path, from.Line, fmt.Sprintf("there is no file or folder %q", name)}
		}
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", name, err)
		}
		add("local", name, digest)
	}
	recipe.digest = hex.EncodeToString(sum.Sum(nil))
	return nil
}

// Empty is true if no environment is needed.
func (r Recipe) Empty() bool { return r.wanted == 0 }

// Requirements are the names of the distributions that are asked for by name,
// normalized (PEP 503) and sorted. Whether a condition keeps some of them away
// from this machine is not looked at.
func (r Recipe) Requirements() []string { return slices.Clone(r.names) }

// Local are the files and folders of the candidate that are installed
// themselves, below main/; "." is main/ itself. If there are any, the build
// needs a copy of the candidate.
func (r Recipe) Local() []string { return slices.Clone(r.local) }

// Files are the paths below main/ that the recipe was read from.
func (r Recipe) Files() []string {
	var paths []string
	for _, one := range r.files {
		paths = append(paths, one.path)
	}
	return paths
}

// Digest is the SHA-256 of all that counts, in hex; empty for an empty recipe.
func (r Recipe) Digest() string { return r.digest }

// below returns the path of name from the folder of a file, below main/; false
// if that is outside.
func below(folder, name string) (string, bool) {
	joined := path.Join(folder, name)
	return joined, !path.IsAbs(name) && !strings.Contains(name, "\x00") && (joined == "." || fs.ValidPath(joined))
}
