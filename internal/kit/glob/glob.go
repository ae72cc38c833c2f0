// Package glob matches paths against the patterns people know from .gitignore.
//
// In: a pattern and a path, relative and slash-separated, of any bytes. Out:
// whether the pattern means the path. Never: a look at a disk, negation, or a
// match that takes longer than the product of both lengths, whatever the
// pattern.
//
//	*.log       a name at any depth: a pattern without a slash is one for names
//	data/*.csv  a path from the top: a pattern with a slash is one for paths
//	/notes      the same, for a name that lies at the top
//	cache       a folder as well, and then all that is in it
//	a/**/b      ** stands for any number of folders, also for none
//	a/**        all that is in a, but not a itself
//
// Within a name, * stands for any characters, ? for one, [a-z] for one of those
// and [!a-z] for one of the others; a backslash takes the meaning from the
// character after it. A slash at the end changes nothing. Case counts, but for
// [Pattern.MatchFold].
package glob

import (
	"errors"
	"fmt"
	"strings"
)

// anyFolders is the part of a pattern that stands for any number of parts of a
// path.
const anyFolders = "**"

// Pattern is a pattern that has been checked. It never changes: any number of
// goroutines may use it. The zero Pattern matches nothing.
type Pattern struct {
	text   string
	parts  []string // anyFolders, or a pattern for one name
	folded []string // the same in lower case
}

// Parse checks a pattern. The errors say what is wrong with it and don't repeat
// it.
func Parse(text string) (Pattern, error) {
	if strings.HasPrefix(text, "!") {
		return Pattern{}, errors.New(`a pattern can't take back another; for a name that begins with "!" write "\\!"`)
	}
	inside := strings.TrimSuffix(text, "/")
	anchored := strings.Contains(inside, "/")
	inside = strings.TrimPrefix(inside, "/")
	if inside == "" {
		return Pattern{}, errors.New("an empty pattern matches nothing")
	}
	parts := strings.Split(inside, "/")
	for _, part := range parts {
		switch part {
		case "":
			return Pattern{}, errors.New("a pattern can't hold two slashes in a row")
		case ".", "..":
			return Pattern{}, fmt.Errorf("%q is in no path from the top", part)
		}
		if err := check(part); err != nil {
			return Pattern{}, err
		}
	}
	if !anchored {
		parts = append([]string{anyFolders}, parts...)
	}
	return Pattern{text: text, parts: parts, folded: fold(parts)}, nil
}

// fold writes a pattern in lower case. A range such as [Z-a] has no such form;
// then it is as it was.
func fold(parts []string) []string {
	folded := make([]string, len(parts))
	for i, part := range parts {
		folded[i] = strings.ToLower(part)
		if part != anyFolders && check(folded[i]) != nil {
			return parts
		}
	}
	return folded
}

// String returns the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Match tells whether the pattern means the path or a folder that it lies in.
func (p Pattern) Match(name string) bool {
	return len(p.parts) > 0 && name != "" && name != "." && matchPath(p.parts, strings.Split(name, "/"))
}

// MatchFold is Match for what must not be missed on a file system that takes
// "A" for "a": it also tells whether the pattern in lower case means the path in
// lower case.
func (p Pattern) MatchFold(name string) bool {
	return p.Match(name) || (Pattern{parts: p.folded}).Match(strings.ToLower(name))
}

// matchPath tells whether the pattern means the folder at the beginning of a
// path or the whole of it. Where the two part, only the last ** has to be tried
// with one folder more: an earlier one could gain nothing that the last can't.
func matchPath(parts, names []string) bool {
	at, i, afterAny, resume := 0, 0, -1, 0
	for at < len(parts) {
		if parts[at] == anyFolders {
			at++
			if at == len(parts) {
				return i < len(names)
			}
			afterAny, resume = at, i
			continue
		}
		if i < len(names) && matchName(parts[at], names[i]) {
			at++
			i++
			continue
		}
		if afterAny < 0 || resume == len(names) {
			return false
		}
		resume++
		at, i = afterAny, resume
	}
	return true
}

// matchName matches the whole of one name, in the same way, with * in the place
// of **.
func matchName(pattern, name string) bool {
	at, i, afterStar, resume := 0, 0, -1, 0
	for i < len(name) || at < len(pattern) {
		if at < len(pattern) && pattern[at] == '*' {
			at++
			afterStar, resume = at, i
			continue
		}
		if i < len(name) && at < len(pattern) {
			size := charLen(name[i:])
			if length, ok := matchChar(pattern[at:], name[i:i+size]); ok {
				at += length
				i += size
				continue
			}
		}
		if afterStar < 0 || resume >= len(name) {
			return false
		}
		resume += charLen(name[resume:])
		at, i = afterStar, resume
	}
	return true
}
