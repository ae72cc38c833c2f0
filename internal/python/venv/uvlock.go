package venv

import (
	"fmt"
	"slices"
	"strings"

	"ota/internal/kit/pattern"
)

// distribution is the name of one, as it is written.
var distribution = pattern.New(`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$`)

// uvLock is a uv.lock, as far as it is used. The format is uv's own; it is
// read here, and not by `uv sync`, so that an environment is the same where
// there is no uv.
type uvLock struct {
	Version        int         `toml:"version"`
	RequiresPython string      `toml:"requires-python"`
	Packages       []uvPackage `toml:"package"`

	root   int
	byName map[string][]int
}

type uvPackage struct {
	Name     string                    `toml:"name"`
	Version  string                    `toml:"version"`
	Source   uvSource                  `toml:"source"`
	Needs    []uvDependency            `toml:"dependencies"`
	Optional map[string][]uvDependency `toml:"optional-dependencies"`
	Forks    []string                  `toml:"resolution-markers"`
	SDist    *uvFile                   `toml:"sdist"`
	Wheels   []uvFile                  `toml:"wheels"`

	forks []marker
}

type uvSource struct {
	Registry  string `toml:"registry"`
	Git       string `toml:"git"`
	URL       string `toml:"url"`
	Path      string `toml:"path"`
	Directory string `toml:"directory"`
	Editable  string `toml:"editable"`
	Virtual   string `toml:"virtual"`
}

type uvDependency struct {
	Name    string    `toml:"name"`
	Version string    `toml:"version"`
	Source  *uvSource `toml:"source"`
	Extras  []string  `toml:"extra"`
	Marker  string    `toml:"marker"`

	needed marker
}

type uvFile struct {
	Hash string `toml:"hash"`
}

// folder is where a package lies in main/, and whether it is installed from
// there.
func (s uvSource) folder() (name string, installed bool) {
	switch {
	case s.Virtual != "":
		return s.Virtual, false
	case s.Editable != "":
		return s.Editable, s.Editable != "."
	case s.Directory != "":
		return s.Directory, s.Directory != "."
	}
	return s.Path, s.Path != ""
}

func (r *reader) readUVLock(content []byte, project pyProject) error {
	name := string(UVLock)
	lock := uvLock{root: -1, byName: map[string][]int{}}
	if err := decodeTOML(name, content, &lock); err != nil {
		return err
	}
	if lock.Version != 1 {
		return &Problem{name, 0, fmt.Sprintf("a lock file of version %d, only 1 is known", lock.Version)}
	}
	if lock.RequiresPython != "" {
		r.recipe.Python = lock.RequiresPython
	}
	for i := range lock.Packages {
		if err := lock.prepare(i); err != nil {
			return &Problem{name, 0, err.Error()}
		}
	}
	if lock.root < 0 {
		return &Problem{name, 0, "the project itself is not in it: run `uv lock`"}
	}
	if missing := lock.missing(project); missing != "" {
		return &Problem{name, 0, fmt.Sprintf("%q of pyproject.toml is not in it: run `uv lock`", missing)}
	}
	r.recipe.files = append(r.recipe.files, file{name, content})
	r.recipe.lock = &lock
	return r.noteUVPackages(&lock)
}

// prepare reads the conditions of one package.
func (l *uvLock) prepare(i int) error {
	p := &l.Packages[i]
	if !distribution.MatchString(p.Name) {
		return fmt.Errorf("%q is no name of a package", p.Name)
	}
	l.byName[normalize(p.Name)] = append(l.byName[normalize(p.Name)], i)
	if folder, installed := p.Source.folder(); folder == "." && !installed {
		l.root = i
	}
	for _, text := range p.Forks {
		one, err := parseMarker(text)
		if err != nil {
			return fmt.Errorf("package %s: %w", p.Name, err)
		}
		p.forks = append(p.forks, one)
	}
	lists := [][]uvDependency{p.Needs}
	for _, list := range p.Optional {
		lists = append(lists, list)
	}
	for _, list := range lists {
		for j := range list {
			var err error
			if list[j].needed, err = parseMarker(list[j].Marker); err != nil {
				return fmt.Errorf("package %s: %w", p.Name, err)
			}
		}
	}
	return nil
}

// missing returns what the project needs and the lock, being older, does not
// know.
func (l *uvLock) missing(project pyProject) string {
	for _, text := range project.Project.Dependencies {
		m := named.FindStringSubmatch(strings.TrimSpace(text))
		if m != nil && !slices.ContainsFunc(l.Packages[l.root].Needs, func(d uvDependency) bool { return normalize(d.Name) == normalize(m[1]) }) {
			return text
		}
	}
	return ""
}

// noteUVPackages notes all that any machine would install.
func (r *reader) noteUVPackages(lock *uvLock) error {
	return lock.walk(func(uvDependency) bool { return true }, nil, func(p uvPackage) error {
		folder, installed := p.Source.folder()
		if installed {
			local, ok := below("", folder)
			if !ok {
				return &Problem{string(UVLock), 0, fmt.Sprintf("%q is not below main/: only what is uploaded can be installed", folder)}
			}
			r.addLocal(local, Problem{Path: string(UVLock)})
		}
		if installed || folder == "" {
			r.add(p.Name)
		}
		return nil
	})
}

// walk visits every package that the project needs, once, and not the project
// itself. A dependency is followed if follow says so; surroundings choose
// between packages of one name, nil takes them all.
func (l *uvLock) walk(follow func(uvDependency) bool, s *surroundings, visit func(uvPackage) error) error {
	type step struct {
		at    int
		extra string
	}
	seen, visited := map[step]bool{}, map[int]bool{l.root: true}
	queue := []step{{l.root, ""}}
	for len(queue) > 0 {
		now := queue[0]
		queue = queue[1:]
		if seen[now] {
			continue
		}
		seen[now] = true
		p := l.Packages[now.at]
		if !visited[now.at] {
			visited[now.at] = true
			if err := visit(p); err != nil {
				return err
			}
		}
		needs := p.Needs
		if now.extra != "" {
			needs = p.Optional[now.extra]
		}
		for _, one := range needs {
			if !follow(one) {
				continue
			}
			found := l.find(one, s)
			if len(found) == 0 {
				return &Problem{string(UVLock), 0, fmt.Sprintf("package %s, needed by %s, is not in it: run `uv lock`", one.Name, p.Name)}
			}
			for _, at := range found {
				queue = append(queue, step{at, ""})
				for _, extra := range one.Extras {
					queue = append(queue, step{at, extra})
				}
			}
		}
	}
	return nil
}

// find returns the packages that a dependency means.
func (l *uvLock) find(d uvDependency, s *surroundings) []int {
	var found []int
	for _, i := range l.byName[normalize(d.Name)] {
		p := l.Packages[i]
		if (d.Version == "" || d.Version == p.Version) && (d.Source == nil || *d.Source == p.Source) {
			found = append(found, i)
		}
	}
	if s == nil || len(found) < 2 {
		return found
	}
	for _, i := range found {
		forks := l.Packages[i].forks
		if len(forks) == 0 || slices.ContainsFunc(forks, func(m marker) bool { return m.in(*s) }) {
			return []int{i}
		}
	}
	return found[:1]
}

func (l *uvLock) pins(s surroundings) ([]pin, error) {
	var pins []pin
	err := l.walk(func(d uvDependency) bool { return d.needed.in(s) }, &s, func(p uvPackage) error {
		if folder, installed := p.Source.folder(); installed || folder == "" {
			pins = append(pins, p.pin())
		}
		return nil
	})
	return pins, err
}

func (p uvPackage) pin() pin {
	var hashes []string
	for _, one := range p.Wheels {
		hashes = append(hashes, one.Hash)
	}
	if p.SDist != nil {
		hashes = append(hashes, p.SDist.Hash)
	}
	hashes = slices.DeleteFunc(hashes, func(h string) bool { return h == "" })
	folder, _ := p.Source.folder()
	switch {
	case folder != "" && p.Source.Path != "":
		return pin{requirement: "./" + strings.TrimPrefix(folder, "./"), hashes: hashes}
	case folder != "":
		return pin{requirement: "./" + strings.TrimPrefix(folder, "./")}
	case p.Source.Git != "":
		return pin{requirement: p.Name + " @ git+" + gitAddress(p.Source.Git)}
	case p.Source.URL != "":
		return pin{requirement: p.Name + " @ " + p.Source.URL, hashes: hashes}
	}
	return pin{requirement: p.Name + "==" + p.Version, hashes: hashes, index: p.Source.Registry}
}

// gitAddress turns uv's "https://host/x?rev=v1&subdirectory=s#COMMIT" into what
// pip takes.
func gitAddress(address string) string {
	address, commit, _ := strings.Cut(address, "#")
	address, query, _ := strings.Cut(address, "?")
	if commit != "" {
		address += "@" + commit
	}
	for one := range strings.SplitSeq(query, "&") {
		if strings.HasPrefix(one, "subdirectory=") {
			address += "#" + one
		}
	}
	return address
}
