package venv

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/BurntSushi/toml"
)

// pyProject is what a pyproject.toml says about the environment (PEP 621).
type pyProject struct {
	Project struct {
		Name           string   `toml:"name"`
		Dependencies   []string `toml:"dependencies"`
		RequiresPython string   `toml:"requires-python"`
		Dynamic        []string `toml:"dynamic"`
	} `toml:"project"`
}

// decodeTOML reads a TOML file that others define: keys that nobody asks for
// are theirs.
func decodeTOML(name string, content []byte, into any) error {
	_, err := toml.Decode(string(content), into)
	if err == nil {
		return nil
	}
	if broken, ok := errors.AsType[toml.ParseError](err); ok {
		return &Problem{name, broken.Position.Line, broken.Message}
	}
	return &Problem{name, 0, err.Error()}
}

// readPyProject reads what the project needs, with uv.lock if there is one.
func (r *reader) readPyProject(content []byte) error {
	var project pyProject
	if err := decodeTOML(string(PyProject), content, &project); err != nil {
		return err
	}
	r.recipe.Python = project.Project.RequiresPython
	locked, err := r.read(string(UVLock))
	if err == nil {
		r.recipe.Kind = UVLock
		return r.readUVLock(locked, project)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot read %s: %w", UVLock, err)
	}
	if slices.Contains(project.Project.Dynamic, "dependencies") {
		r.recipe.Notes = append(r.recipe.Notes, Problem{
			string(PyProject), 0,
			"what the project needs is found out by its build only (dynamic): write it into requirements.txt, or no environment is made",
		})
	}
	for _, text := range project.Project.Dependencies {
		if err := r.readRequirement(text, Problem{Path: string(PyProject)}, asRequirement); err != nil {
			return err
		}
		r.recipe.lines = append(r.recipe.lines, line{string(PyProject), text})
		// Not the whole file: settings of tools change nothing that is installed.
		r.recipe.files = append(r.recipe.files, file{string(PyProject), []byte(text)})
	}
	if r.recipe.Python != "" {
		r.recipe.files = append(r.recipe.files, file{string(PyProject), []byte(r.recipe.Python)})
	}
	return nil
}
