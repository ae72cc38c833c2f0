package logs

import (
	"strconv"
	"strings"
	"time"
)

// Source says who speaks, and how grave it is when it is ota: the word before
// the colon.
type Source string

// The sources of lines.
const (
	Debug   Source = "DEBUG"
	Info    Source = "INFO"
	Warning Source = "WARNING"
	Error   Source = "ERROR"
	Main    Source = "MAIN"  // the program's stdout
	MainErr Source = "MAIN!" // the program's stderr
)

// Line is one line of the log. Its text is harmless to a terminal. Seq counts
// from 1 with every start of ota; lines that were left out leave gaps in it.
type Line struct {
	Seq    uint64    `json:"seq"`
	Time   time.Time `json:"time"`
	Source Source    `json:"source"`
	Text   string    `json:"text"`
}

const timeLayout = "[02/01/06 15:04:05] "

// String is the line as it stands in the file, without its newline.
func (l Line) String() string { return string(l.append(nil)) }

func (l Line) append(dst []byte) []byte {
	dst = l.Time.AppendFormat(dst, timeLayout)
	dst = append(dst, l.Source...)
	dst = append(dst, " : "...)
	return append(dst, l.Text...)
}

// Parse reads a line as it stands in a file. What is none is not ok.
func Parse(text string) (Line, bool) {
	if len(text) < len(timeLayout) {
		return Line{}, false
	}
	at, err := time.ParseInLocation(timeLayout, text[:len(timeLayout)], time.Local)
	source, rest, ok := strings.Cut(text[len(timeLayout):], " : ")
	if _, known := colors[Source(source)]; err != nil || !ok || !known {
		return Line{}, false
	}
	line := Line{Time: at, Source: Source(source), Text: rest}
	return line, line.String() == text // times are read with more than one spelling
}

// Sequences of ECMA-48, "select graphic rendition".
const (
	plain  = "\x1b[0m"
	faint  = "\x1b[2m"
	red    = "\x1b[1;31m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
)

var colors = map[Source]string{Debug: faint, Info: cyan, Warning: yellow, Error: red, Main: faint, MainErr: yellow}

// appendColored is append for a terminal.
func (l Line) appendColored(dst []byte) []byte {
	dst = append(dst, faint...)
	dst = l.Time.AppendFormat(dst, timeLayout)
	dst = append(dst, plain+colors[l.Source]...)
	dst = append(dst, l.Source...)
	dst = append(dst, plain+" : "...)
	return append(dst, l.Text...)
}

// leftOut says what is missing, as in
// 1,234 lines (5.6 MB) of the program's output left out.
func leftOut(lines, bytes uint64, what string) string {
	noun := " lines ("
	if lines == 1 {
		noun = " line ("
	}
	return thousands(lines) + noun + amount(bytes) + ") of " + what + " left out"
}

func thousands(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// amount writes a number of bytes with two digits or more, as in "5.6 MB".
func amount(bytes uint64) string {
	if bytes < 1000 {
		return strconv.FormatUint(bytes, 10) + " B"
	}
	value, unit := float64(bytes)/1000, 0
	for ; value >= 999.5 && unit < 3; unit++ {
		value /= 1000
	}
	precision := 0
	if value < 9.95 {
		precision = 1
	}
	return strconv.FormatFloat(value, 'f', precision, 64) + [...]string{" kB", " MB", " GB", " TB"}[unit]
}
