// Package venv makes the virtual environments of a program, and tells whether
// one can be used.
//
// In: what requirements.txt, pylock.toml, uv.lock or pyproject.toml of a
// candidate say, and an interpreter. Out: a folder .ota/venvs/<id>/ for each
// distinct set of (contents, interpreter, machine), whole and on the disk
// before its marker says so. Never: a change to an environment that has its
// marker; a step of the program's code, but for what its owner wants installed
// from source; a folder outside of its own.
package venv

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"ota/internal/kit/pattern"
	"ota/internal/kit/priority"
)

// Options are what New needs.
type Options struct {
	// Dir holds the environments: .ota/venvs, absolute. It is made.
	Dir string
	// Memory returns the bytes of memory that the machine has, 0 if they are
	// not known; nil asks the system.
	Memory func() uint64
	// Retries is how often an installer asks an index that does not answer
	// before it gives up; 0 is 2. The whole is tried again by who called.
	Retries int
}

// Room holds the environments. Several goroutines may use it, and several
// processes too; one of all builds at a time.
type Room struct {
	dir     string
	memory  func() uint64
	retries int
	low     func(pid int) error // takes priority away from an installer
	turn    chan struct{}       // holds a value while one builds

	mutex        sync.Mutex
	interpreters map[string]Interpreter
}

// New returns a room of which nothing has been read yet.
func New(options Options) *Room {
	r := &Room{
		dir: options.Dir, memory: options.Memory, retries: options.Retries, low: priority.Low,
		turn: make(chan struct{}, 1), interpreters: map[string]Interpreter{},
	}
	if r.memory == nil {
		r.memory = memoryOfMachine
	}
	if r.retries == 0 {
		r.retries = 2
	}
	return r
}

// ID names the environment that a recipe needs with an interpreter. It holds
// the folder, because an environment can't be moved.
func (r *Room) ID(recipe Recipe, interpreter Interpreter) string {
	sum := sha256.New()
	for _, part := range []string{recipe.digest, interpreter.Version, interpreter.Path, interpreter.Machine, r.dir} {
		fmt.Fprintf(sum, "%d:%s\n", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

var idPattern = pattern.New(`^[0-9a-f]{16}$`)

// Missing is the error when an environment is not there, or was never
// finished.
type Missing struct {
	ID string
}

// Error says so.
func (e *Missing) Error() string { return "the environment " + e.ID + " is not there" }

// Changed is the error when the interpreter under an environment is another one
// now.
type Changed struct {
	ID  string
	Was Interpreter
	Err error // why the interpreter can't be found; nil if it was replaced
}

// Error says for which Python the environment was made.
func (e *Changed) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("the environment was made for Python %s, and %s is not there any more", e.Was.Version, e.Was.Path)
	}
	return fmt.Sprintf("the environment was made for Python %s, and %s is another one now", e.Was.Version, e.Was.Path)
}

// Unwrap is why the interpreter can't be found.
func (e *Changed) Unwrap() error { return e.Err }

// Torn is the error when files of an environment are not as they were
// installed.
type Torn struct {
	ID    string
	First string // the first such file, below the environment
	What  string // what is wrong with it
	Count int    // how many there are
}

// Error names the first file and says how many there are.
func (e *Torn) Error() string {
	text := fmt.Sprintf("the environment is damaged: %s %s", e.First, e.What)
	if e.Count > 1 {
		text += fmt.Sprintf(", and %d more files", e.Count-1)
	}
	return text
}

// Python returns the interpreter of an environment, if it can be used. It reads
// the marker and looks at the interpreter, and at nothing else; no process is
// started. The error is a [*Missing], [*Changed] or [*Torn].
func (r *Room) Python(id string) (string, error) {
	marker, err := r.readMarker(id)
	if err != nil {
		return "", err
	}
	now, err := statOf(marker.Interpreter.Path)
	if err != nil {
		return "", &Changed{id, marker.Interpreter, err}
	}
	if now != marker.Interpreter.File {
		return "", &Changed{ID: id, Was: marker.Interpreter}
	}
	python := r.pythonOf(id)
	if _, err := os.Stat(python); err != nil {
		return "", &Torn{ID: id, First: pythonBelow, What: "is missing", Count: 1}
	}
	return python, nil
}

func (r *Room) folder(id string) string { return filepath.Join(r.dir, id) }

func (r *Room) pythonOf(id string) string {
	return filepath.Join(r.folder(id), filepath.FromSlash(pythonBelow))
}

// Made is what is known of an environment.
type Made struct {
	ID          string
	Interpreter Interpreter
	With        string // "pip 23.0.1"
	At          time.Time
	Files       int
	Size        int64
}

// Made returns what is known of an environment, or a [*Missing].
func (r *Room) Made(id string) (Made, error) {
	marker, err := r.readMarker(id)
	if err != nil {
		return Made{}, err
	}
	return marker.made(), nil
}

func (m markerFile) made() Made {
	return Made{m.ID, m.Interpreter, m.With, m.At, m.Files, m.Size}
}

// Predecessor returns the environment that was made from the same recipe when
// the interpreter at this path was another one; false if there is none.
func (r *Room) Predecessor(recipe Recipe, now Interpreter) (Made, bool) {
	for _, id := range r.environments() {
		marker, err := r.readMarker(id)
		if err == nil && marker.Recipe == recipe.digest && marker.Interpreter.Path == now.Path && marker.Interpreter.Version != now.Version {
			return marker.made(), true
		}
	}
	return Made{}, false
}

// environments returns the ids of the folders that are there, finished or not.
func (r *Room) environments() []string {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil // none was made yet
	}
	var ids []string
	for _, entry := range entries {
		if entry.IsDir() && idPattern.MatchString(entry.Name()) {
			ids = append(ids, entry.Name())
		}
	}
	return ids
}

// isThere is false for a path that does not exist.
func isThere(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
