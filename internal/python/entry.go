package python

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ota/internal/kit/pattern"
)

// Entry is the code with which a program begins: a script or a module. Both are
// empty where a command does not tell.
type Entry struct {
	Script string // path of a file, slash-separated, from the working directory
	Module string // "app" or "pkg.app"
}

// EntryOf tells with which code a command begins: python with a file or with
// -m, or one of the usual servers with the name of an application.
func EntryOf(argv []string) Entry {
	if len(argv) == 0 {
		return Entry{}
	}
	name := filepath.Base(argv[0])
	switch {
	case interpreterName.MatchString(name):
		return entryOfPython(argv[1:])
	case strings.HasSuffix(name, ".py") && !filepath.IsAbs(argv[0]):
		return script(argv[0])
	default:
		return entryOfServer(name, argv[1:])
	}
}

var interpreterName = pattern.New(`^python(3(\.\d+)?t?)?(\.exe)?$`)

// withValue are the options of python that take the next word; see python(1).
var withValue = []string{"-W", "-X", "--check-hash-based-pycs"}

// entryOfPython looks at the words after the interpreter. Options of one letter
// may stand together, as in -um.
func entryOfPython(words []string) Entry {
	for i := 0; i < len(words); i++ {
		word := words[i]
		switch {
		case slices.Contains(withValue, word):
			i++
		case !strings.HasPrefix(word, "-"):
			return script(word)
		case strings.HasPrefix(word, "--") || word == "-":
		default:
			if letter := strings.IndexAny(word[1:], "mcWX"); letter >= 0 {
				return entryOfOption(word[1+letter], word[2+letter:], words[i+1:])
			}
		}
	}
	return Entry{}
}

// entryOfOption is about an option whose value may stand in the same word.
func entryOfOption(option byte, value string, rest []string) Entry {
	if value == "" && len(rest) > 0 {
		value, rest = rest[0], rest[1:]
	}
	switch option {
	case 'm':
		if !isModule(value) {
			return Entry{}
		}
		if found := entryOfServer(value, rest); found != (Entry{}) {
			return found
		}
		return Entry{Module: value}
	case 'c':
		return Entry{}
	default:
		return entryOfPython(rest)
	}
}

// servers are programs that are told which module to load, and the options by
// which some are; "" where the first word that reads like one is it.
var servers = map[string]string{
	"gunicorn": "", "uvicorn": "", "hypercorn": "", "daphne": "", "granian": "", "waitress-serve": "", "waitress": "", "uwsgi": "",
	"flask": "--app", "celery": "-A",
}

// application is what names a module and something in it: "pkg.app:make".
var application = pattern.New(`^([A-Za-z_]\w*(\.[A-Za-z_]\w*)*)(:[\w.()]+)?$`)

func entryOfServer(name string, words []string) Entry {
	option, known := servers[name]
	if !known {
		return Entry{}
	}
	for i, word := range words {
		switch {
		case option == "" && strings.HasPrefix(word, "-"):
		case option == "":
			if found := application.FindStringSubmatch(word); found != nil && found[3] != "" {
				return Entry{Module: found[1]}
			}
		case word == option && i+1 < len(words):
			return ofApplication(words[i+1])
		case strings.HasPrefix(word, option+"="):
			return ofApplication(strings.TrimPrefix(word, option+"="))
		}
	}
	return Entry{}
}

func ofApplication(word string) Entry {
	if strings.HasSuffix(word, ".py") {
		return script(word)
	}
	if found := application.FindStringSubmatch(word); found != nil {
		return Entry{Module: found[1]}
	}
	return Entry{}
}

func script(word string) Entry {
	word = path.Clean(filepath.ToSlash(word))
	if path.IsAbs(word) || word == ".." || strings.HasPrefix(word, "../") {
		return Entry{} // not of main/
	}
	return Entry{Script: word}
}

func isModule(word string) bool {
	found := application.FindStringSubmatch(word)
	return found != nil && found[3] == ""
}
