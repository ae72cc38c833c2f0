// Package reason holds the one way in which every room says why an upload is
// not used, or what it is waiting for.
//
// In: what a room found out. Out: the same words on the console, in the log,
// in status and on the page. Never: a verdict; which reasons hold an upload is
// decided by who gives them.
package reason

import (
	"errors"
	"fmt"
	"strings"

	"ota/internal/kit/escape"
)

// Reason is one thing that keeps an upload in deposit/, or that its owner ought
// to know. What is empty or zero is not known: a reason may concern no line and
// no single file.
type Reason struct {
	Path    string // below deposit/, slash-separated, any bytes
	Line    int    // from 1
	Column  int    // from 1, in characters of Source
	Source  string // the line itself
	Message string
	Hint    string // what to do about it
}

// String is the reason as a person reads it: "main.py:3:7: message".
func (r Reason) String() string {
	switch {
	case r.Path == "":
		return r.Message
	case r.Line == 0:
		return escape.Name(r.Path) + ": " + r.Message
	case r.Column == 0:
		return fmt.Sprintf("%s:%d: %s", escape.Name(r.Path), r.Line, r.Message)
	default:
		return fmt.Sprintf("%s:%d:%d: %s", escape.Name(r.Path), r.Line, r.Column, r.Message)
	}
}

// widestTab is what a tab becomes in Excerpt: the caret has to stand below its
// character.
const widestTab = "    "

// Excerpt is the source line with a caret below the column, or nothing where
// neither is known. Spaces at its beginning are left out.
func (r Reason) Excerpt() []string {
	line := strings.TrimLeft(r.Source, " \t\f")
	if strings.TrimSpace(line) == "" {
		return nil
	}
	shown := string(escape.Line(nil, []byte(strings.ReplaceAll(strings.TrimRight(line, " \t\r\n"), "\t", widestTab))))
	characters := []rune(r.Source)
	cut := len(characters) - len([]rune(line))
	if r.Column <= cut || r.Column > len(characters)+1 {
		return []string{shown}
	}
	before := strings.ReplaceAll(string(characters[cut:r.Column-1]), "\t", widestTab)
	return []string{shown, strings.Repeat(" ", len([]rune(string(escape.Line(nil, []byte(before)))))) + "^"}
}

// Refused is the error of a room that will not take an upload as it is: the
// upload is held until somebody changes it.
type Refused struct {
	Reasons []Reason
	Passing Passing
}

// Passing says whether a refusal may pass without anybody's doing.
type Passing string

// Whether it may.
const (
	Stays  Passing = ""
	Passes Passing = "passes" // it is worth trying again
)

// Error joins the reasons.
func (r *Refused) Error() string {
	texts := make([]string, len(r.Reasons))
	for i, one := range r.Reasons {
		texts[i] = one.String()
	}
	return strings.Join(texts, "; ")
}

// Hint is what to do about the first reason of which that is known.
func (r *Refused) Hint() string {
	for _, one := range r.Reasons {
		if one.Hint != "" {
			return one.Hint
		}
	}
	return ""
}

// Of returns the reasons inside err, or err itself as the only reason.
func Of(err error) []Reason {
	var refused *Refused
	if errors.As(err, &refused) {
		return refused.Reasons
	}
	return []Reason{{Message: err.Error()}}
}
