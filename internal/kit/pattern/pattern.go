// Package pattern has regular expressions that are compiled when they are first
// asked, and forgotten when nobody has asked them for a while.
//
// In: an expression as it stands in the source. Out: what it matches. Never:
// work at the start of the program, or memory for what is needed once a month:
// the hundred of them in ota took 2 ms and 1 MB of each of its commands.
package pattern

import (
	"regexp"
	"sync"
	"weak"
)

// Pattern is a regular expression. Any number of goroutines may use it.
type Pattern struct {
	text string

	mu       sync.Mutex
	compiled weak.Pointer[regexp.Regexp] // until the next garbage collection
}

// New remembers an expression, which must be right: asking a wrong one panics.
// [TestAllCompile] asks all of the tree.
func New(text string) *Pattern { return &Pattern{text: text} }

// Regexp compiles the expression, or returns what it was compiled to before.
func (p *Pattern) Regexp() *regexp.Regexp {
	p.mu.Lock()
	defer p.mu.Unlock()
	if compiled := p.compiled.Value(); compiled != nil {
		return compiled
	}
	compiled := regexp.MustCompile(p.text)
	p.compiled = weak.Make(compiled)
	return compiled
}

// MatchString is [regexp.Regexp.MatchString].
func (p *Pattern) MatchString(s string) bool { return p.Regexp().MatchString(s) }

// FindString is [regexp.Regexp.FindString].
func (p *Pattern) FindString(s string) string { return p.Regexp().FindString(s) }

// FindStringIndex is [regexp.Regexp.FindStringIndex].
func (p *Pattern) FindStringIndex(s string) []int { return p.Regexp().FindStringIndex(s) }

// FindStringSubmatch is [regexp.Regexp.FindStringSubmatch].
func (p *Pattern) FindStringSubmatch(s string) []string { return p.Regexp().FindStringSubmatch(s) }

// FindStringSubmatchIndex is [regexp.Regexp.FindStringSubmatchIndex].
func (p *Pattern) FindStringSubmatchIndex(s string) []int {
	return p.Regexp().FindStringSubmatchIndex(s)
}

// FindAllString is [regexp.Regexp.FindAllString].
func (p *Pattern) FindAllString(s string, n int) []string { return p.Regexp().FindAllString(s, n) }

// ReplaceAllString is [regexp.Regexp.ReplaceAllString].
func (p *Pattern) ReplaceAllString(s, by string) string { return p.Regexp().ReplaceAllString(s, by) }
