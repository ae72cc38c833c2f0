// Package messages compares docs/troubleshooting.md with what ota can say.
//
// In: the source of ota, and the page. Out: each message of the page is one that
// the code makes, and each warning, error and reason of the code is in the page.
// Never: the words of modules and of the system, which stand behind the last
// colon; those of the page in the browser; the findings of `ota doctor`, which
// docs/doctor.md has, with a test of its own (internal/doctor).
//
// What counts as a message is said at [tree.collect]. Parts that are not known
// before ota runs are "…", and what an inner error adds at the end is left out:
// "cannot store …" stands for "cannot store main/a.py: no space left on device".
package messages

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const page = top + "/docs/troubleshooting.md"

// spared is what the page need not have: files whose errors nobody reads by
// themselves, and single sentences; and why.
var spared = map[string]string{
	"internal/program/waiting.go":       "why a prepared interpreter was not taken stands behind an Info line, and a plain start follows",
	"internal/program/waiting_linux.go": "the same",
	"internal/kit/proc/":                "the kernel's own files in a form that it has never had",
	"internal/kit/mounts/mounts.go":     "the same",
	"internal/notify/message.go":        "what is sent; docs/notify.md explains it, with a test of its own",
	"internal/notify/stand.go":          "the same",
	"internal/release/entry.go":         "a listing that is no listing: the message before it says that it can't be read",

	"no version":                                "an answer of our own script: \"gave no answer that makes sense\" stands before it",
	"no place in a file":                        "the same",
	"no message":                                "the same",
	"bytecode that was not asked for":           "the same",
	"not a path":                                "the same",
	"not a condition that can be read":          "a marker that is left to the installer",
	"an event from the kernel is cut off":       "never seen; ota then looks into deposit/ every 2 s",
	"looked at":                                 "never leaves the reader of settings",
	"another mount":                             "asked for with errors.Is, and answered by a copy",
	"somebody else holds it":                    "asked for with errors.Is",
	"something that is no folder is in the way": "the same",
	"the password decides":                      "the same",
	"no control groups of version 2":            "stands in a debug line: limits are set in another way",
	"no controller memory in …":                 "the same",
	"ota's own control group is not delegated to it (Delegate=yes in its unit)": "the same",
	"the content is too large to be shown":                                      "asked for with errors.Is",
	"… does not begin below the folder":                                         "a fault of ota: paths are checked before",
	"… is not a file name":                                                      "the same",
	"cannot switch: nothing is prepared":                                        "a fault of ota: the table of states does not allow it",
	"cannot finish the switch: none was made":                                   "the same",
	"… is no kind of socket that a program can be given":                        "the same: the settings know no other",
	"no path in command …":                                                      "the same: the command has been looked up",
	"it listens on other sockets than the program that runs":                    "stands behind an Info line",
	"READY=1 came":                            "good news: why a release is confirmed",
	"READY=1 came and all probes said OK":     "the same",
	"it has run for …":                        "the same",
	"it is not watched any longer":            "the same: somebody asked for something else",
	"the program has ended":                   "the same: how it ended is told",
	"rolled back on request during its trial": "in the history, for who has asked for it",
	"… without hashes":                        "part of the name of a list that is given to the installer",
	"killed by":                               "never without what follows: a signal has a name",
	"already running in":                      "the same: a folder has a path",
	", failed … during its trial":             "the end of a longer message",
	", and … more files":                      "the same",
	"; main/ has a copy, but …":               "the same",
}

func TestThePageHasWhatTheCodeSays(t *testing.T) {
	code, written := heard(t), read(t)
	used := map[string]bool{}
	var lacking []string
	for _, one := range slices.Sorted(maps.Keys(code.troubles)) {
		at := code.troubles[one]
		if why := sparing(one, at); why != "" {
			used[why] = true
			continue
		}
		if !written.covers(one) {
			lacking = append(lacking, entryFor(one, at))
		}
	}
	if len(lacking) > 0 {
		t.Errorf("docs/troubleshooting.md lacks %d messages. Paste each below the heading where a person meets it, or\n"+
			"above the explanation of an entry with the same cause, and say in one to three sentences what has\n"+
			"happened, what ota has done, and what to do:\n\n%s", len(lacking), strings.Join(lacking, "\n"))
	}
	for what := range spared {
		if !used[what] {
			t.Errorf("%q is spared, and the code does not say it any more", what)
		}
	}
}

// entryFor is what to paste.
func entryFor(message, at string) string {
	return fmt.Sprintf("%s\n\n(%s)\n", quoted(message), at)
}

func quoted(message string) string {
	if strings.Contains(message, "`") {
		return "`` " + message + " ``"
	}
	return "`" + message + "`"
}

func sparing(message, at string) string {
	if spared[message] != "" {
		return message
	}
	for what := range spared {
		if strings.HasPrefix(what, "internal/") && strings.HasPrefix(at, what) {
			return what
		}
	}
	return ""
}

func TestTheCodeSaysWhatThePageHas(t *testing.T) {
	code, written := heard(t), read(t)
	for number := syscall.Errno(1); number < 134; number++ {
		code.others[number.Error()] = "the system"
	}
	for _, one := range written {
		says := func(all map[string]string) bool {
			_, exactly := all[one.text]
			return exactly || slices.ContainsFunc(slices.Collect(maps.Keys(all)), one.fits)
		}
		if !says(code.troubles) && !says(code.others) {
			t.Errorf("docs/troubleshooting.md:%d: no part of ota says %q", one.line, one.text)
		}
	}
}

// heading and link are how the page leads to its own parts.
var (
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	link    = regexp.MustCompile(`\]\(([a-z]+\.md)?#([^)]+)\)`)
)

func TestThePageLeadsSomewhere(t *testing.T) {
	text, err := os.ReadFile(filepath.FromSlash(page))
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range link.FindAllStringSubmatch(string(text), -1) {
		to := text
		if found[1] != "" {
			if to, err = os.ReadFile(filepath.Join(filepath.Dir(filepath.FromSlash(page)), found[1])); err != nil {
				t.Error(err)
			}
		}
		isThere := slices.ContainsFunc(heading.FindAllStringSubmatch(string(to), -1), func(one []string) bool {
			return anchor(one[1]) == found[2]
		})
		if !isThere {
			t.Errorf("%s links to %s#%s, which is no heading", page, found[1], found[2])
		}
	}
}

// anchor is what a heading is called in links.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '-':
			return '-'
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		default:
			return -1
		}
	}, strings.ToLower(heading))
}

// entry is a message of the page.
type entry struct {
	text string
	line int
	form *regexp.Regexp // nil: it stands for itself only
}

type entries []entry

// leastWords is what a message with open parts must have of its own to stand for
// others: with fewer it could be anything.
const leastWords = 3

func (e entry) fits(message string) bool { return e.form != nil && e.form.MatchString(message) }

func (all entries) covers(message string) bool {
	return slices.ContainsFunc(all, func(one entry) bool { return one.text == message || one.fits(message) })
}

// only is a line that is nothing but a message: the last of an entry ends with
// it, the others with a backslash, so that each keeps its line.
var only = regexp.MustCompile("^(?:`([^`]+)`|`` (.+) ``)(\\\\?)$")

// read returns the messages of the page, and looks at its form: each entry is
// lines of messages, an empty one, and an explanation.
func read(t *testing.T) entries {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(page))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	var all entries
	for i, line := range lines {
		found := only.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		last := i+1 == len(lines) || only.FindStringSubmatch(lines[i+1]) == nil
		if last == (found[3] != "") {
			t.Errorf("%s:%d: each message of an entry but the last ends its line with a backslash", page, i+1)
		}
		if last && (i+2 >= len(lines) || lines[i+1] != "" || lines[i+2] == "" || strings.HasPrefix(lines[i+2], "#") || only.MatchString(lines[i+2])) {
			t.Errorf("%s:%d: the message has no explanation below it", page, i+1)
		}
		all = append(all, entryOf(found[1]+found[2], i+1))
	}
	for i, one := range all {
		if before := slices.IndexFunc(all[:i], func(other entry) bool { return other.text == one.text }); before >= 0 {
			t.Errorf("%s:%d: %q is in line %d already", page, one.line, one.text, all[before].line)
		}
	}
	return all
}

func entryOf(message string, line int) entry {
	one := entry{text: tidy(message), line: line}
	if strings.Contains(one.text, open) && words(one.text) >= leastWords {
		parts := strings.Split(one.text, open)
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		one.form = regexp.MustCompile("^" + strings.Join(parts, ".*") + "$")
	}
	return one
}
