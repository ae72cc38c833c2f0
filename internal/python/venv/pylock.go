package venv

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// pyLock is a pylock.toml (PEP 751), as far as it is used.
type pyLock struct {
	Version        string          `toml:"lock-version"`
	Environments   []string        `toml:"environments"`
	RequiresPython string          `toml:"requires-python"`
	DefaultGroups  []string        `toml:"default-groups"`
	Packages       []pyLockPackage `toml:"packages"`

	environments []marker
}

type pyLockPackage struct {
	Name           string `toml:"name"`
	Version        string `toml:"version"`
	Marker         string `toml:"marker"`
	RequiresPython string `toml:"requires-python"`
	Index          string `toml:"index"`
	VCS            *struct {
		Type         string `toml:"type"`
		URL          string `toml:"url"`
		Path         string `toml:"path"`
		Commit       string `toml:"commit-id"`
		Subdirectory string `toml:"subdirectory"`
	} `toml:"vcs"`
	Directory *struct {
		Path string `toml:"path"`
	} `toml:"directory"`
	Archive *pyLockFile  `toml:"archive"`
	SDist   *pyLockFile  `toml:"sdist"`
	Wheels  []pyLockFile `toml:"wheels"`

	needed marker
	local  string // below main/; empty: from elsewhere
}

type pyLockFile struct {
	URL    string            `toml:"url"`
	Path   string            `toml:"path"`
	Hashes map[string]string `toml:"hashes"`
}

func (f pyLockFile) hashes() []string {
	var hashes []string
	for name, sum := range f.Hashes {
		// pip takes these three.
		if name = strings.ToLower(name); name == "sha256" || name == "sha384" || name == "sha512" {
			hashes = append(hashes, name+":"+sum)
		}
	}
	slices.Sort(hashes)
	return hashes
}

func (r *reader) readPyLock(content []byte) error {
	name := string(PyLock)
	var lock pyLock
	if err := decodeTOML(name, content, &lock); err != nil {
		return err
	}
	if major, _, _ := strings.Cut(lock.Version, "."); major != "1" {
		return &Problem{name, 0, fmt.Sprintf("a lock file of version %q, only 1 is known", lock.Version)}
	}
	for _, text := range lock.Environments {
		one, err := parseMarker(text)
		if err != nil {
			return &Problem{name, 0, err.Error()}
		}
		lock.environments = append(lock.environments, one)
	}
	r.recipe.Python = lock.RequiresPython
	r.recipe.files = append(r.recipe.files, file{name, content})
	for i := range lock.Packages {
		if err := r.readPyLockPackage(&lock.Packages[i]); err != nil {
			return err
		}
	}
	r.recipe.lock = &lock
	return nil
}

func (r *reader) readPyLockPackage(p *pyLockPackage) error {
	var err error
	at := Problem{Path: string(PyLock)}
	if !distribution.MatchString(p.Name) {
		return &Problem{at.Path, 0, fmt.Sprintf("%q is no name of a package", p.Name)}
	}
	if p.needed, err = parseMarker(p.Marker); err != nil {
		return &Problem{at.Path, 0, fmt.Sprintf("package %s: %v", p.Name, err)}
	}
	place := ""
	switch {
	case p.VCS != nil && p.VCS.URL != "":
	case p.VCS != nil:
		return &Problem{at.Path, 0, fmt.Sprintf("package %s is in a repository of this device: only what is uploaded can be installed", p.Name)}
	case p.Directory != nil:
		place = p.Directory.Path
	case p.Archive != nil && p.Archive.URL == "":
		place = p.Archive.Path
	case p.Archive == nil && p.Version == "":
		return &Problem{at.Path, 0, fmt.Sprintf("package %s has no version", p.Name)}
	}
	r.add(p.Name)
	for _, one := range p.Wheels {
		// A wheel that lies in main/ somewhere else than in wheels/.
		if one.URL == "" && one.Path != "" && !r.isWheel(path.Clean(one.Path)) {
			place = one.Path
		}
	}
	if place == "" {
		return nil
	}
	local, ok := below("", place)
	if !ok {
		return &Problem{at.Path, 0, fmt.Sprintf("%q is not below main/: only what is uploaded can be installed", place)}
	}
	p.local = local
	r.addLocal(local, at)
	return nil
}

func (l *pyLock) pins(s surroundings) ([]pin, error) {
	s.sets = map[string][]string{"extras": nil, "dependency_groups": nil}
	for _, group := range l.DefaultGroups {
		s.sets["dependency_groups"] = append(s.sets["dependency_groups"], normalize(group))
	}
	fits := len(l.environments) == 0 || slices.ContainsFunc(l.environments, func(m marker) bool { return m.in(s) })
	if !fits {
		return nil, &Problem{string(PyLock), 0, "not made for this machine: " + strings.Join(l.Environments, ", or ")}
	}
	var pins []pin
	for _, p := range l.Packages {
		if !p.needed.in(s) {
			continue
		}
		if allowed, ok := satisfies(s.variables["python_full_version"], p.RequiresPython); ok && !allowed {
			return nil, &Problem{string(PyLock), 0, fmt.Sprintf("package %s needs Python %s, and here is %s", p.Name, p.RequiresPython, s.variables["python_full_version"])}
		}
		pins = append(pins, p.pin())
	}
	return pins, nil
}

func (p pyLockPackage) pin() pin {
	switch {
	case p.VCS != nil:
		address := p.Name + " @ " + p.VCS.Type + "+" + p.VCS.URL + "@" + p.VCS.Commit
		if p.VCS.Subdirectory != "" {
			address += "#subdirectory=" + p.VCS.Subdirectory
		}
		return pin{requirement: address}
	case p.Archive != nil && p.Archive.URL != "":
		return pin{requirement: p.Name + " @ " + p.Archive.URL, hashes: p.Archive.hashes()}
	case p.Archive != nil:
		return pin{requirement: "./" + p.local, hashes: p.Archive.hashes()}
	case p.Directory != nil:
		return pin{requirement: "./" + p.local}
	}
	var hashes []string
	for _, one := range p.Wheels {
		hashes = append(hashes, one.hashes()...)
	}
	if p.SDist != nil {
		hashes = append(hashes, p.SDist.hashes()...)
	}
	if p.local != "" {
		return pin{requirement: "./" + p.local, hashes: hashes}
	}
	return pin{requirement: p.Name + "==" + p.Version, hashes: hashes, index: p.Index}
}
