package python

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ota/internal/kit/pattern"
)

// Traceback is where and why Python gave up, as far as its traceback tells.
type Traceback struct {
	Error    string // its first line: "ValueError: boom"
	File     string // below main, slash-separated, or as Python wrote it; empty if not told
	Line     int    // from 1; 0 if not told
	Function string // "<module>" outside of functions; empty for a SyntaxError
	Source   string // the line itself, without indentation; empty if not told
}

// LastTraceback finds the last traceback in what a program wrote to stderr,
// false if there is none. Of a chain that is the exception that came out at its
// end; of an exception group, the first exception in it that tells where it
// comes from. Its place is the innermost one in the program itself: in a file
// below main, an absolute folder, and not in an installed package. If no place
// is, it is the innermost of all. The lines may begin anywhere, and lines of
// others may stand between them.
func LastTraceback(lines []string, main string) (Traceback, bool) {
	t := tracing{main: main}
	for _, line := range lines {
		t.line(colour.ReplaceAllString(strings.TrimRight(line, "\r\n"), ""))
	}
	found := t.choose()
	if found == nil {
		return Traceback{}, false
	}
	place := found.place()
	place.Error = found.err
	return place, true
}

var (
	// colour is what Python 3.13 writes with FORCE_COLOR.
	colour = pattern.New(`\x1b\[[0-9;]*m`)
	// margin is what stands before the lines of an exception group.
	margin = pattern.New(`^ *\| ?`)
	header = pattern.New(`^(?: *\+ )?(Exception Group )?Traceback \(most recent call last\):$`)
	// frameLine has no function in a SyntaxError.
	frameLine = pattern.New(`^ {2,}File "(.*)", line (\d+)(?:, in (.*))?$`)
	markers   = pattern.New(`^[ ~^]*$`)
	// raised begins with the qualified name of a class, which Python writes
	// without "builtins" and "__main__".
	raised = pattern.New(`^[\pL_][\pL\pN_]*(?:\.(?:<locals>|[\pL_][\pL\pN_]*))*(?::(?: .*)?)?$`)
	// badEncoding is the only SyntaxError without a place of its own.
	badEncoding = pattern.New(`^SyntaxError: .* in file (.+) on line (\d+)`)
)

// sourceIndent stands before a line of source.
const sourceIndent = "    "

// tracing is a walk through the lines.
type tracing struct {
	main    string
	blocks  []*block
	current *block // the last of blocks that the next line may belong to
	before  string // the line before
}

// block is one traceback, from its header to its error.
type block struct {
	err     string
	group   bool // of an exception group, which holds others
	nested  bool // inside an exception group
	ignored bool // Python went on: an exception in __del__ and the like

	last   *Traceback // innermost frame
	own    *Traceback // innermost frame in the program
	syntax *Traceback // what could not be compiled
}

// place is the frame to show.
func (b *block) place() Traceback {
	for _, one := range []*Traceback{b.syntax, b.own, b.last} {
		if one != nil {
			return *one
		}
	}
	return Traceback{}
}

func (t *tracing) line(line string) {
	defer func() { t.before = line }()
	nested := false
	if rest := margin.FindString(line); rest != "" {
		line, nested = line[len(rest):], true
	}
	switch {
	case t.header(line, nested), t.frame(line, nested):
	case strings.HasPrefix(line, " "):
		t.source(line)
	case t.current != nil && t.current.err == "" && raised.MatchString(line):
		t.current.err = strings.TrimRight(line, ": ")
	case t.current == nil || t.current.err != "":
		t.encoding(line)
	}
}

func (t *tracing) header(line string, nested bool) bool {
	match := header.FindStringSubmatch(line)
	if match == nil {
		return false
	}
	t.begin(&block{group: match[1] != "", nested: nested, ignored: strings.HasPrefix(t.before, "Exception ignored ")})
	return true
}

func (t *tracing) begin(b *block) {
	t.current = b
	t.blocks = append(t.blocks, b)
}

func (t *tracing) frame(line string, nested bool) bool {
	match := frameLine.FindStringSubmatch(line)
	if match == nil {
		return false
	}
	number, err := strconv.Atoi(match[2])
	if err != nil {
		return false
	}
	file, isOwn := t.locate(match[1])
	frame := &Traceback{File: file, Line: number, Function: match[3]}
	switch {
	// Without a header: a file that can't be compiled was to be run itself.
	case t.current == nil, t.current.err != "" && frame.Function == "":
		t.begin(&block{nested: nested})
	case t.current.err != "":
		t.current.err = "" // it was a line of somebody else
	}
	t.current.last = frame
	if isOwn {
		t.current.own = frame
	}
	if frame.Function == "" && !strings.HasPrefix(file, "<") {
		t.current.syntax = frame
	}
	return true
}

// locate names a file as it is shown, and says whether it is the program's.
func (t *tracing) locate(file string) (shown string, isOwn bool) {
	if strings.HasPrefix(file, "<") { // <stdin>, <string>, <frozen importlib._bootstrap>
		return file, false
	}
	shown = file
	if filepath.IsAbs(file) {
		below, isBelow := strings.CutPrefix(filepath.Clean(file), strings.TrimRight(filepath.Clean(t.main), `/\`)+string(filepath.Separator))
		if t.main == "" || !isBelow {
			return file, false
		}
		shown = below
	}
	shown = filepath.ToSlash(filepath.Clean(shown))
	parts := strings.Split(shown, "/")
	isLibrary := slices.Contains(parts, "site-packages") || slices.Contains(parts, "dist-packages")
	return shown, parts[0] != ".." && !isLibrary
}

// source takes the first line of source below a frame.
func (t *tracing) source(line string) {
	if t.current == nil || t.current.err != "" || t.current.last == nil || t.current.last.Source != "" {
		return
	}
	if strings.HasPrefix(line, sourceIndent) && !markers.MatchString(line) {
		t.current.last.Source = strings.TrimSpace(line)
	}
}

// encoding takes the one error that comes without frames.
func (t *tracing) encoding(line string) {
	match := badEncoding.FindStringSubmatch(line)
	if match == nil {
		return
	}
	number, err := strconv.Atoi(match[2])
	if err != nil {
		return
	}
	file, _ := t.locate(match[1])
	t.begin(&block{err: line, last: &Traceback{File: file, Line: number}})
}

// choose returns the block that counts, or nil.
func (t *tracing) choose() *block {
	blocks := slices.DeleteFunc(t.blocks, func(b *block) bool { return b.err == "" })
	if serious := slices.DeleteFunc(slices.Clone(blocks), func(b *block) bool { return b.ignored }); len(serious) > 0 {
		blocks = serious
	}
	if len(blocks) == 0 {
		return nil
	}
	last := len(blocks) - 1
	outer := last
	for outer > 0 && blocks[outer].nested {
		outer--
	}
	for _, inner := range blocks[outer+1:] {
		if !inner.group {
			return inner
		}
	}
	return blocks[outer]
}
