package config

import (
	"fmt"
	"strings"

	"ota/internal/kit/escape"
)

// Problem is one thing that is wrong with the file.
type Problem struct {
	File    string
	Line    int // from 1; 0 where it concerns no line
	Message string
	Hint    string // what to do about it, or empty
}

// String is the problem as a person reads it:
// ota.toml:4: unknown key "quite" in [update] (did you mean "quiet"?).
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(escape.Name(p.File))
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	b.WriteString(": " + p.Message)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Error is everything that is wrong with the content of the file, in the order
// of its lines.
type Error struct {
	Problems []Problem
}

// Error puts one problem on each line.
func (e *Error) Error() string {
	texts := make([]string, len(e.Problems))
	for i, problem := range e.Problems {
		texts[i] = problem.String()
	}
	return strings.Join(texts, "\n")
}

// nearest returns the word that somebody who wrote this one may have meant, or
// an empty string.
func nearest(written string, words []string) string {
	best, bestDistance := "", 3
	for _, word := range words {
		limit := min(bestDistance, len(word)/2+1)
		if d := distance(strings.ToLower(written), word); d < limit {
			best, bestDistance = word, d
		}
	}
	return best
}

// distance counts the letters that have to be changed, added, left out or
// exchanged with their neighbour to come from a to b (optimal string alignment).
func distance(a, b string) int {
	if len(a) > 2*len(b)+3 {
		return len(a)
	}
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
