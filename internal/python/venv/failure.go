package venv

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"ota/internal/kit/pattern"
)

// Failed is the error when an installer could not make an environment.
type Failed struct {
	Message string   // the reason, in a sentence or two
	Package string   // the one that it is about, if it is known
	Output  []string // the last lines of the installer
	Passing bool     // it may work later by itself: the network, a full disk

	hint string
}

// Error is the reason.
func (e *Failed) Error() string { return e.Message }

// Hint says what a person can do.
func (e *Failed) Hint() string { return e.hint }

// findings are what is known from the output of an installer. It reads lines
// as they come and keeps what may be a reason.
type findings struct {
	tail     []string // the last lines
	errors   []string // what follows "ERROR: "
	inner    []string // the same of builds inside of builds
	conflict []string
	hashes   []string
	skipped  []string // wheels for another machine
	pythons  []string // versions that other Pythons could have
	network  string   // the last trouble with an index
	current  string   // the package that was looked at last
	killed   bool

	block block
}

// block is a part of the output of which each line counts.
type block string

const (
	noBlock       block = ""
	conflictBlock block = "conflict"
	hashBlock     block = "hashes"
)

const (
	tailLength = 40
	// listLength bounds what is kept of each kind of line.
	listLength = 50
)

var (
	ignoredVersions = pattern.New(`Ignored the following versions that require a different python version: (.+)$`)
	otherPython     = pattern.New(`Link requires a different Python \(\S+ not in: '([^']*)'\): (\S+)`)
	otherMachine    = pattern.New(`Skipping link: none of the wheel's tags .*: (\S+\.whl)`)
	brokenBy        = pattern.New(`after connection broken by '(.*)'`)
	notFetched      = pattern.New(`Could not fetch URL (\S+): (.*?)(?: - skipping)?$`)
)

// line takes one line of the installer.
func (f *findings) line(text string) {
	if f.tail = append(f.tail, text); len(f.tail) > 4*tailLength {
		f.tail = slices.Delete(f.tail, 0, len(f.tail)-2*tailLength)
	}
	if f.readBlock(text) {
		return
	}
	trimmed := strings.TrimSpace(text)
	if said, ok := strings.CutPrefix(trimmed, "ERROR: "); ok {
		if strings.HasPrefix(text, "ERROR") {
			keep(&f.errors, said)
		} else {
			keep(&f.inner, said)
		}
	}
	if m := collecting.FindStringSubmatch(text); m != nil {
		f.current = normalize(m[1])
	} else if m := processing.FindStringSubmatch(text); m != nil {
		f.current = normalize(m[1])
	}
	switch {
	case strings.HasPrefix(text, "The conflict is caused by:"):
		f.block = conflictBlock
	case strings.Contains(text, "DO NOT MATCH THE HASHES"):
		f.block = hashBlock
	}
	if m := ignoredVersions.FindStringSubmatch(text); m != nil {
		keep(&f.pythons, m[1])
	} else if m := otherPython.FindStringSubmatch(text); m != nil {
		keep(&f.pythons, baseName(m[2])+" Requires-Python "+m[1])
	} else if m := otherMachine.FindStringSubmatch(text); m != nil {
		keep(&f.skipped, baseName(m[1]))
	} else if m := brokenBy.FindStringSubmatch(text); m != nil {
		f.network = m[1]
	} else if m := notFetched.FindStringSubmatch(text); m != nil && !strings.HasPrefix(m[2], "404") {
		f.network = m[2] + " " + m[1]
	}
}

// readBlock takes the line of a block; false if there is none, or it is over.
func (f *findings) readBlock(text string) bool {
	isIn := strings.HasPrefix(text, "    ")
	switch {
	case f.block == conflictBlock && isIn:
		keep(&f.conflict, strings.TrimSpace(text))
	case f.block == hashBlock && isIn:
		keep(&f.hashes, strings.TrimSpace(text))
	default:
		f.block = noBlock
	}
	return f.block != noBlock
}

func keep(list *[]string, text string) {
	if len(*list) < listLength {
		*list = append(*list, text)
	}
}

func baseName(address string) string {
	address, _, _ = strings.Cut(address, "#")
	return address[strings.LastIndexByte(address, '/')+1:]
}

// isVague is true if all that is known is that there is no such package.
func (f *findings) isVague() bool {
	return f.network == "" && len(f.pythons) == 0 && f.find(f.errors, noMatch) != nil
}

// scene is what the words of a failure depend on.
type scene struct {
	work, source string
	index        string
	offline      bool
	python       Interpreter
	wheels       []Wheel
	files        []file
}

// failure makes an error of what was found: one that a person can read, and
// that knows whether it passes by itself.
func (f *findings) failure(err error, s scene) error {
	if problem := f.syntax(s); problem != nil {
		return problem
	}
	failed := f.diagnose(s)
	if failed == nil {
		failed = &Failed{Message: f.lastWords(err)}
	}
	failed.Message = shorten(s.clean(failed.Message))
	for _, text := range f.tail[max(0, len(f.tail)-tailLength):] {
		failed.Output = append(failed.Output, s.clean(text))
	}
	return failed
}

// clean names files as their owner knows them.
func (s scene) clean(text string) string {
	for _, folder := range []string{s.source, filepath.Join(s.work, "main"), filepath.Join(s.work, "lines"), s.work} {
		if folder != "" && folder != "." {
			text = strings.ReplaceAll(text, folder+string(filepath.Separator), "")
		}
	}
	return text
}

// longestMessage is as much as is read at once.
const longestMessage = 500

func shorten(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if letters := []rune(text); len(letters) > longestMessage {
		return string(letters[:longestMessage-1]) + "…"
	}
	return text
}

var (
	fromLine     = pattern.New(`\(from line (\d+) of (.+?)\)`)
	noOption     = pattern.New(`error: no such option: (\S+)`)
	invalid      = pattern.New(`^Invalid requirement: (.+)$`)
	noMatch      = pattern.New(`^No matching distribution found for (.+)$`)
	noVersion    = pattern.New(`^Could not find a version that satisfies the requirement (.+?) \(from versions: (.*)\)`)
	wrongPython  = pattern.New(`Package '?([^' ]+)'? requires a different Python: (\S+) not in '([^']*)'`)
	wrongMachine = pattern.New(`(\S+\.whl) is not a supported wheel on this platform`)
	tornWheel    = pattern.New(`^Wheel '([^']+)' located at (\S+) is invalid`)
	cannotInst   = pattern.New(`^Cannot install (.+) because these package versions have conflicting dependencies`)
	noSpace      = pattern.New(`No space left on device|\[Errno 28\]|Disk quota exceeded|os error 28`)
	requirement  = pattern.New(`^([A-Za-z0-9][A-Za-z0-9._-]*)`)
)

// find returns the last of some lines that a pattern fits.
func (f *findings) find(list []string, pattern *pattern.Pattern) []string {
	for _, text := range slices.Backward(list) {
		if m := pattern.FindStringSubmatch(text); m != nil {
			return m
		}
	}
	return nil
}

// syntax finds a line of a requirement file that pip can't read.
func (f *findings) syntax(s scene) error {
	if m := f.find(f.tail, noOption); m != nil {
		for _, one := range s.files {
			for number, text := range logicalLines(string(one.content)) {
				if strings.HasPrefix(text, m[1]) || strings.Contains(text, " "+m[1]) {
					return &Problem{one.path, number, "there is no option " + m[1]}
				}
			}
		}
	}
	where := f.find(f.tail, fromLine)
	what := f.find(f.errors, invalid)
	if where == nil || what == nil {
		return nil
	}
	said := strings.TrimSpace(fromLine.ReplaceAllString(what[1], ""))
	return &Problem{s.clean(where[2]), int(number(where[1])), said + " is no requirement"}
}

// diagnose knows the reasons that pip gives. The order is that of how much
// each of them explains.
func (f *findings) diagnose(s scene) *Failed {
	if f.find(f.tail, noSpace) != nil {
		return &Failed{Message: "no space left on the device", Passing: true}
	}
	if f.killed {
		return &Failed{Message: "the installer was killed, perhaps because memory ran out", Passing: true}
	}
	if len(f.hashes) > 0 {
		return f.hashMismatch()
	}
	all := slices.Concat(f.inner, f.errors)
	if m := f.find(all, wrongPython); m != nil {
		return &Failed{Message: fmt.Sprintf("%s needs Python %s, and here is %s", m[1], m[3], m[2]), Package: normalize(m[1])}
	}
	if m := f.find(all, wrongMachine); m != nil {
		return otherWheel(baseName(filepath.ToSlash(m[1])), s)
	}
	if m := f.find(all, tornWheel); m != nil {
		return tornOne(m[1], baseName(filepath.ToSlash(m[2])), s)
	}
	if m := f.find(f.errors, cannotInst); m != nil {
		return f.conflicting(m[1])
	}
	if m := f.find(f.errors, noMatch); m != nil {
		return f.notFound(m[1], f.errors, s)
	}
	if m := f.find(f.inner, noMatch); m != nil {
		failed := f.notFound(m[1], f.inner, s)
		failed.Message = fmt.Sprintf("cannot build %s from source: %s", f.currentName(), failed.Message)
		failed.Package = f.current
		return failed
	}
	if failed := f.buildFailure(); failed != nil {
		return failed
	}
	if failed := f.uvFailure(); failed != nil {
		return failed
	}
	if said := f.find(f.tail, networkTrouble); said != nil {
		return unreachable(f.tailLine(networkTrouble), s)
	}
	return nil
}

func (f *findings) currentName() string {
	if f.current == "" {
		return "a package"
	}
	return f.current
}

func (f *findings) tailLine(pattern *pattern.Pattern) string {
	for _, text := range slices.Backward(f.tail) {
		if pattern.MatchString(text) {
			return text
		}
	}
	return ""
}

func (f *findings) hashMismatch() *Failed {
	name, _, _ := strings.Cut(f.hashes[0], " from ")
	failed := &Failed{Message: "the content of " + name + " is not the one whose hash is noted"}
	if m := requirement.FindStringSubmatch(name); m != nil {
		failed.Package = normalize(m[1])
	}
	for _, text := range f.hashes {
		if kind, sum, ok := strings.Cut(text, " "); ok && (kind == "Expected" || kind == "Got") {
			failed.Message += fmt.Sprintf("; %s %s", strings.ToLower(kind), strings.TrimSpace(sum))
		}
	}
	return failed
}

func (f *findings) conflicting(names string) *Failed {
	if len(f.conflict) == 0 {
		return &Failed{Message: names + " can't be installed together"}
	}
	return &Failed{Message: "no versions fit together: " + strings.Join(f.conflict[:min(4, len(f.conflict))], ", ")}
}

// otherWheel is a wheel that this Python can't use.
func otherWheel(name string, s scene) *Failed {
	failed := &Failed{
		Message: fmt.Sprintf("%s is for another machine or another Python: here is Python %s on %s", name, s.python.Version, machineOf(s.python)),
		hint:    "get the wheel for this one: `pip download --only-binary :all: --platform … --python-version …`",
	}
	if m := requirement.FindStringSubmatch(name); m != nil {
		first, _, _ := strings.Cut(m[1], "-")
		failed.Package = normalize(first)
	}
	return failed
}

// tornOne is a file that is no wheel but for its name. What an index gives may
// be another one the next time.
func tornOne(of, name string, s scene) *Failed {
	isOurs := slices.ContainsFunc(s.wheels, func(w Wheel) bool { return baseName(w.Path) == name })
	if isOurs {
		return &Failed{Message: name + " is torn, or no wheel: upload it again", Package: normalize(of)}
	}
	return &Failed{Message: name + ", as it was fetched, is torn, or no wheel", Package: normalize(of), Passing: true}
}

func machineOf(python Interpreter) string {
	machine, _, _ := strings.Cut(python.Machine, " ")
	return machine
}

// notFound says why there is no such package.
func (f *findings) notFound(what string, said []string, s scene) *Failed {
	what = strings.TrimSpace(what)
	failed := &Failed{}
	if m := requirement.FindStringSubmatch(what); m != nil {
		failed.Package = normalize(m[1])
	}
	var versions []string
	if m := f.find(said, noVersion); m != nil && m[2] != "" && m[2] != "none" {
		versions = strings.Split(m[2], ", ")
	}
	switch {
	case len(versions) == 0 && f.network != "" && !s.offline:
		away := unreachable(f.network, s)
		away.Message = fmt.Sprintf("cannot get %s: %s", what, away.Message)
		away.Package = failed.Package
		return away
	case len(f.pythons) > 0:
		failed.Message = fmt.Sprintf("no version of %s is for Python %s: %s", what, s.python.Version, strings.ReplaceAll(lastOf(f.pythons), "Requires-Python", "needs Python"))
	case len(versions) > 0:
		failed.Message = fmt.Sprintf("there is no %s: the versions that can be installed here are %s", what, strings.Join(versions[max(0, len(versions)-8):], ", "))
	case f.skippedFor(failed.Package) != "":
		other := otherWheel(f.skippedFor(failed.Package), s)
		other.Message = fmt.Sprintf("no %s for this machine: %s", what, other.Message)
		return other
	case s.offline:
		failed.Message = fmt.Sprintf("there is no wheel of %s in main/%s/, and nothing else is asked (offline)", what, WheelFolder)
		failed.hint = fmt.Sprintf("put it there with `pip download -d %s %s`", WheelFolder, what)
	case s.index != "":
		failed.Message = fmt.Sprintf("there is no package %s at %s", what, withoutPassword(s.index))
	default:
		failed.Message = fmt.Sprintf("there is no package %s for Python %s on %s", what, s.python.Version, machineOf(s.python))
	}
	return failed
}

// skippedFor returns the wheel of a package that was for another machine.
func (f *findings) skippedFor(name string) string {
	for _, one := range f.skipped {
		first, _, _ := strings.Cut(one, "-")
		if normalize(first) == name {
			return one
		}
	}
	return ""
}

func lastOf(list []string) string { return list[len(list)-1] }
