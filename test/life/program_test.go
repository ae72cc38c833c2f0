//go:build linux

package life

import (
	"fmt"
	"strings"

	"ota/test/harness"
)

// parts is how many modules the program has besides main.py.
const parts = 8

// beginning is how every main.py of a good program begins. It says which
// versions it is made of, in a file that is none of main/, and counts its starts
// in one that is: its own data.
const beginning = `import os, socket, sys, time
from app import %s

def replace(path, text):
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)

def say():
    versions = [%d] + [part.VERSION for part in (%[1]s)]
    replace(os.environ["OTA_DIR"] + "/said", " ".join(map(str, versions)) + " %%d\n" %% os.getpid())

def count():
    try:
        with open("starts") as file:
            starts = int(file.read())
    except FileNotFoundError:
        starts = 0
    replace("starts", "%%d\n" %% (starts + 1))

def ready():
    address = os.environ["NOTIFY_SOCKET"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect("\0" + address[1:] if address[0] == "@" else address)
        notify.sendall(b"READY=1")

count()
say()
`

// kind is how a program ends, or does not.
type kind string

const (
	good    kind = "good"
	ends    kind = "exit 0 at once" // well, so it is confirmed
	syntax  kind = "syntax error"
	imports kind = "import error"
	crashes kind = "crash after 1 s"
	hangs   kind = "hang"
	floods  kind = "endless output"
)

// kinds are those of every fifth upload, in turn.
var kinds = []kind{syntax, imports, crashes, hangs, ends, floods}

// kindOf is the kind of a version.
func kindOf(version int) kind {
	if version%5 != 0 {
		return good
	}
	return kinds[version/5%len(kinds)]
}

// fails reports whether a program of the kind is no good.
func (k kind) fails() bool { return k != good && k != ends }

// isSeen reports whether one could see it without running the program.
func (k kind) isSeen() bool { return k == syntax || k == imports }

// rest is how main.py goes on.
func (k kind) rest() string {
	switch k {
	case good:
		return "ready()\nprint('version is ready')\nwhile True:\n    time.sleep(1000)\n"
	case ends:
		return "print('done')\n"
	case syntax:
		return "def broken(:\n    pass\n"
	case imports:
		return "import there_is_no_such_module\n"
	case crashes:
		return "time.sleep(1)\nraise RuntimeError('boom')\n"
	case hangs:
		return "while True:\n    time.sleep(1000)\n"
	default:
		return "while True:\n    print('nobody stops me ' * 8)\n"
	}
}

// isToldIn reports whether what `ota why` tells names how the kind has failed.
func (k kind) isToldIn(evidence string) bool {
	isTold := strings.Contains(evidence, map[kind]string{
		syntax: "SyntaxError", imports: "there_is_no_such_module", crashes: "RuntimeError: boom", hangs: "READY=1", floods: "READY=1",
	}[k])
	// A machine with much to do lets the time be over before the second crash.
	return isTold || k == crashes && strings.Contains(evidence, "READY=1")
}

// versions is what the program of a tree is made of: of main.py, then of each
// part.
type versions [1 + parts]int

// words are the versions as the program says them.
func (v versions) words() string { return strings.Trim(fmt.Sprint([1 + parts]int(v)), "[]") }

// change is what version changes: main.py, two parts, and files that are never
// run.
func change(version int) harness.Tree {
	tree := harness.Tree{
		"main.py":         harness.File(mainOf(version)),
		"data/version":    {Mode: 0o755, Content: fmt.Sprintln(version)},
		"data/table.bin":  harness.File(strings.Repeat(string([]byte{0, byte(version), byte(version >> 8), 0xff}), 1024)),
		"data/newest.txt": harness.Link(fmt.Sprintf("of-%d.txt", version%3)),
	}
	tree[fmt.Sprintf("data/of-%d.txt", version%3)] = harness.File(fmt.Sprintf("text of %d\n", version))
	for _, part := range changedParts(version) {
		tree[partPath(part)] = harness.File(fmt.Sprintf("VERSION = %d\n", version))
	}
	return tree
}

func changedParts(version int) [2]int { return [2]int{version % parts, version / 3 % parts} }

func partPath(part int) string { return fmt.Sprintf("app/part_%d.py", part) }

func mainOf(version int) string {
	var names []string
	for part := range parts {
		names = append(names, fmt.Sprintf("part_%d", part))
	}
	return fmt.Sprintf(beginning, strings.Join(names, ", "), version) + kindOf(version).rest()
}

// whole is version 1, with all that later ones change.
func whole() harness.Tree {
	tree := change(1)
	tree["app/__init__.py"] = harness.File("")
	for part := range parts {
		tree[partPath(part)] = harness.File("VERSION = 1\n")
	}
	return tree
}

// with is v after an upload with the changes of version.
func (v versions) with(version int) versions {
	v[0] = version
	for _, part := range changedParts(version) {
		v[1+part] = version
	}
	return v
}
