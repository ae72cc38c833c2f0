package venv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"ota/internal/kit/pattern"
)

// included says what a file is to the one that names it.
type included string

const (
	asRequirement included = "requirement"
	asConstraint  included = "constraint"
)

// readRequirements reads a requirement file and those that it names.
func (r *reader) readRequirements(name string, from *Problem, kind included) error {
	switch {
	case slices.Contains(r.open, name):
		return &Problem{from.Path, from.Line, fmt.Sprintf("%s leads back to itself", name)}
	case slices.ContainsFunc(r.recipe.files, func(f file) bool { return f.path == name }):
		return nil // it was read already
	}
	content, err := r.read(name)
	if errors.Is(err, fs.ErrNotExist) && from != nil {
		return &Problem{from.Path, from.Line, fmt.Sprintf("there is no file %s", name)}
	}
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", name, err)
	}
	text, ok := decode(content)
	if !ok {
		return &Problem{name, 0, "not a text in UTF-8"}
	}
	r.recipe.files = append(r.recipe.files, file{name, []byte(text)})
	r.open = append(r.open, name)
	defer func() { r.open = r.open[:len(r.open)-1] }()
	for number, line := range logicalLines(text) {
		if err := r.readLine(line, Problem{Path: name, Line: number}, kind); err != nil {
			return err
		}
	}
	return nil
}

// decode returns a text as UTF-8. PowerShell's `pip freeze >` writes UTF-16.
func decode(content []byte) (string, bool) {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(content, []byte{0xff, 0xfe}):
		order = binary.LittleEndian
	case bytes.HasPrefix(content, []byte{0xfe, 0xff}):
		order = binary.BigEndian
	default:
		text := strings.TrimPrefix(string(content), "\ufeff")
		return text, utf8.ValidString(text) && !strings.Contains(text, "\x00")
	}
	units := make([]uint16, 0, len(content)/2)
	for i := 2; i+1 < len(content); i += 2 {
		units = append(units, order.Uint16(content[i:]))
	}
	return string(utf16.Decode(units)), true
}

var comment = pattern.New(`(^|\s+)#.*$`)

// logicalLines yields the lines that say something, each with the number of its
// first: a backslash at the end joins the next one, as pip does it.
func logicalLines(text string) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		var joined strings.Builder
		first, number := 0, 0
		for one := range strings.Lines(text) {
			number++
			one = strings.TrimRight(one, "\r\n")
			if joined.Len() == 0 {
				first = number
			}
			// pip drops a comment line even inside of joined ones.
			if isComment := strings.HasPrefix(strings.TrimSpace(one), "#"); isComment {
				one = ""
			} else if rest, more := strings.CutSuffix(one, `\`); more {
				joined.WriteString(rest + " ")
				continue
			}
			joined.WriteString(one)
			line := strings.TrimSpace(comment.ReplaceAllString(joined.String(), ""))
			joined.Reset()
			if line != "" && !yield(first, line) {
				return
			}
		}
		if line := strings.TrimSpace(comment.ReplaceAllString(joined.String(), "")); line != "" {
			yield(first, line)
		}
	}
}

// option is one that begins a line: -r x, -rx, --requirement=x.
var option = pattern.New(`^(-[A-Za-z]|--[A-Za-z-]+)(?:\s*=\s*|\s+|)(.*)$`)

func (r *reader) readLine(line string, at Problem, kind included) error {
	if !strings.HasPrefix(line, "-") {
		return r.readRequirement(line, at, kind)
	}
	m := option.FindStringSubmatch(line)
	if m == nil {
		return &Problem{at.Path, at.Line, fmt.Sprintf("%q is no option that pip knows", line)}
	}
	value := strings.Trim(strings.TrimSpace(m[2]), `"'`)
	switch m[1] {
	case "-r", "--requirement":
		return r.include(value, at, kind)
	case "-c", "--constraint":
		return r.include(value, at, asConstraint)
	case "-e", "--editable":
		return &Problem{at.Path, at.Line, fmt.Sprintf("an editable installation leads out of the environment: write %q instead of %q", plainPath(value), line)}
	case "-f", "--find-links":
		return r.findLinks(value, at)
	}
	return nil // an index and the like: pip knows them all
}

// plainPath is how a folder is written without -e.
func plainPath(value string) string {
	if isURL(value) || strings.HasPrefix(value, ".") {
		return value
	}
	return "./" + value
}

func (r *reader) include(value string, at Problem, kind included) error {
	if isURL(value) {
		return &Problem{at.Path, at.Line, fmt.Sprintf("what is at %s may change: put the file into main/ and name it here", value)}
	}
	name, ok := below(path.Dir(at.Path), value)
	if !ok || name == "." {
		return &Problem{at.Path, at.Line, fmt.Sprintf("%q is not below main/", value)}
	}
	return r.readRequirements(name, &at, kind)
}

// findLinks takes a folder of the candidate for a part of it that is needed.
func (r *reader) findLinks(value string, at Problem) error {
	if isURL(value) && !strings.HasPrefix(value, "file:") {
		return nil
	}
	// pip looks beside the file first.
	name, ok := below(path.Dir(at.Path), strings.TrimPrefix(value, "file:"))
	if !ok {
		return &Problem{at.Path, at.Line, fmt.Sprintf("%q is not below main/", value)}
	}
	if name != WheelFolder {
		r.addLocal(name, at)
	}
	return nil
}

var (
	// schemes are what pip takes for an address: file: needs no slashes.
	schemes = pattern.New(`^(?i:[a-z][a-z0-9+.-]*://|file:)`)
	// named is "name[extra]" and what follows.
	named = pattern.New(`^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[^\]]*\])?\s*(.*)$`)
	// archives are files that pip installs.
	archives = pattern.New(`(?i)\.(whl|zip|tar|tar\.gz|tgz|tar\.bz2|tbz|tar\.xz|txz|tlz|tar\.lz|tar\.lzma)$`)
	// options of one requirement follow a space.
	perRequirement = pattern.New(`\s--?[a-z].*$`)
	noVersionAfter = pattern.New(`(?:===?|~=|!=|<=?|>=?)\s*(?:$|[,;])`)
	egg            = pattern.New(`[#&]egg=([A-Za-z0-9._-]+)`)
)

func isURL(text string) bool { return schemes.MatchString(text) }

// readRequirement reads one, so far as it must be known: its name, or which
// part of the candidate it is. Whether the rest is right is known by pip.
func (r *reader) readRequirement(text string, at Problem, kind included) error {
	bare := perRequirement.ReplaceAllString(text, "")
	if i := strings.Index(bare, " ;"); i >= 0 && isPathOrURL(bare) {
		bare = bare[:i]
	}
	if isPathOrURL(bare) {
		return r.readPlace("", strings.TrimSpace(bare), at, kind)
	}
	m := named.FindStringSubmatch(bare)
	if m == nil {
		return &Problem{at.Path, at.Line, fmt.Sprintf("%q is no requirement", text)}
	}
	name, rest := m[1], m[3]
	if place, ok := strings.CutPrefix(rest, "@"); ok {
		place, _, _ = strings.Cut(place, " ;")
		return r.readPlace(name, strings.TrimSpace(place), at, kind)
	}
	if problem := judgeRest(text, name, m[2], rest); problem != "" {
		return &Problem{at.Path, at.Line, problem}
	}
	if kind == asRequirement {
		r.add(name)
	}
	return nil
}

// judgeRest says what is wrong with what follows a name, where that is plain.
func judgeRest(text, name, extras, rest string) string {
	switch {
	case noVersionAfter.MatchString(rest):
		return fmt.Sprintf("%q is no requirement: a version is missing", text)
	case rest == "" || strings.ContainsRune("<>!~;(,", rune(rest[0])) || strings.HasPrefix(rest, "=="):
		return ""
	case rest[0] == '=':
		return fmt.Sprintf("%q is no requirement: write %q", text, name+extras+"=="+strings.TrimLeft(rest, "= "))
	case rest[0] >= '0' && rest[0] <= '9':
		return fmt.Sprintf("%q is no requirement: write %q", text, name+extras+"=="+rest)
	}
	return fmt.Sprintf("%q is no requirement", text)
}

func isPathOrURL(text string) bool {
	word, _, _ := strings.Cut(text, " ")
	word = strings.TrimRight(word, ";")
	switch {
	case isURL(text) || strings.HasPrefix(text, ".") || strings.HasPrefix(text, "/"):
		return true
	case strings.ContainsAny(word, "@;=<>!~"):
		return false
	}
	return strings.Contains(word, "/") || archives.MatchString(word)
}

// readPlace reads a requirement that is a path or an address.
func (r *reader) readPlace(name, place string, at Problem, kind included) error {
	if name == "" {
		if m := egg.FindStringSubmatch(place); m != nil {
			name = m[1]
		} else if base := path.Base(place); strings.HasSuffix(base, ".whl") {
			name, _, _ = strings.Cut(base, "-")
		}
	}
	if kind == asRequirement {
		r.add(name)
	}
	place, isFile := cutPrefixFold(place, "file:")
	if !isFile && isURL(place) {
		return nil
	}
	place = strings.TrimPrefix(place, "//localhost")
	if strings.HasPrefix(place, "///") {
		place = place[2:]
	}
	place, _, _ = strings.Cut(place, "#")
	if i := strings.IndexByte(place, '['); i > 0 && strings.HasSuffix(place, "]") {
		place = place[:i]
	}
	// pip starts from the working directory, which is main/, not from the file.
	local, ok := below("", strings.TrimPrefix(place, "//"))
	if !ok {
		return &Problem{at.Path, at.Line, fmt.Sprintf("%q is not below main/: only what is uploaded can be installed", place)}
	}
	r.addLocal(local, at)
	return nil
}

func cutPrefixFold(text, prefix string) (string, bool) {
	if len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix) {
		return text[len(prefix):], true
	}
	return text, false
}
