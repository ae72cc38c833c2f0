package venv

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ota/internal/kit/pattern"
)

// marker is the condition of one requirement (PEP 508): whether it is needed
// on this machine, with this Python. The zero marker always holds.
type marker struct {
	holds func(surroundings) bool
}

// surroundings are what a marker asks for.
type surroundings struct {
	variables map[string]string   // python_version, sys_platform, …
	sets      map[string][]string // extras and dependency_groups of PEP 751
}

func (m marker) in(s surroundings) bool { return m.holds == nil || m.holds(s) }

var errMarker = errors.New("not a condition that can be read")

// markerToken is one piece: a bracket, a text in quotes, an operator, a word.
var markerToken = pattern.New(`^\s*(\(|\)|'[^']*'|"[^"]*"|===|==|~=|!=|<=|>=|<|>|[A-Za-z_][A-Za-z0-9_.]*)`)

// deepest bounds the brackets in brackets.
const deepest = 50

// parseMarker reads what stands after the semicolon of a requirement.
func parseMarker(text string) (marker, error) {
	if strings.TrimSpace(text) == "" {
		return marker{}, nil
	}
	p := &markerParser{}
	for rest := text; strings.TrimSpace(rest) != ""; {
		at := markerToken.FindStringSubmatchIndex(rest)
		if at == nil {
			return marker{}, fmt.Errorf("%w: %q", errMarker, text)
		}
		p.tokens = append(p.tokens, rest[at[2]:at[3]])
		rest = rest[at[1]:]
	}
	holds, ok := p.or(0)
	if !ok || len(p.tokens) > 0 {
		return marker{}, fmt.Errorf("%w: %q", errMarker, text)
	}
	return marker{holds}, nil
}

type markerParser struct {
	tokens []string
}

func (p *markerParser) next(want string) bool {
	if len(p.tokens) == 0 || p.tokens[0] != want {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *markerParser) take() string {
	if len(p.tokens) == 0 {
		return ""
	}
	token := p.tokens[0]
	p.tokens = p.tokens[1:]
	return token
}

func (p *markerParser) or(depth int) (func(surroundings) bool, bool) {
	left, ok := p.and(depth)
	for ok && p.next("or") {
		first := left
		var right func(surroundings) bool
		right, ok = p.and(depth)
		left = func(s surroundings) bool { return first(s) || right(s) }
	}
	return left, ok
}

func (p *markerParser) and(depth int) (func(surroundings) bool, bool) {
	left, ok := p.one(depth)
	for ok && p.next("and") {
		first := left
		var right func(surroundings) bool
		right, ok = p.one(depth)
		left = func(s surroundings) bool { return first(s) && right(s) }
	}
	return left, ok
}

func (p *markerParser) one(depth int) (func(surroundings) bool, bool) {
	if p.next("(") {
		if depth >= deepest {
			return nil, false
		}
		inner, ok := p.or(depth + 1)
		return inner, ok && p.next(")")
	}
	left, operator := p.take(), p.take()
	if operator == "not" {
		operator = "not " + p.take()
	}
	right := p.take()
	if !isOperand(left) || !isOperand(right) || !slices.Contains(markerOperators, operator) {
		return nil, false
	}
	return func(s surroundings) bool { return s.compare(left, operator, right) }, true
}

var markerOperators = []string{"===", "==", "~=", "!=", "<=", ">=", "<", ">", "in", "not in"}

func isOperand(token string) bool {
	return token != "" && (token[0] == '"' || token[0] == '\'' || isVariable(token))
}

func isVariable(token string) bool {
	switch token {
	case "and", "or", "not", "in":
		return false
	}
	return token[0] == '_' || token[0]|0x20 >= 'a' && token[0]|0x20 <= 'z'
}

// compare is one comparison. Two versions are compared as such, all else as
// text, as PEP 508 says.
func (s surroundings) compare(left, operator, right string) bool {
	if set, isSet := s.sets[right]; isSet {
		has := slices.Contains(set, normalize(s.value(left)))
		return has == (operator == "in")
	}
	l, r := s.value(left), s.value(right)
	switch operator {
	case "in":
		return strings.Contains(r, l)
	case "not in":
		return !strings.Contains(r, l)
	}
	if strings.HasSuffix(left, "version") || strings.HasSuffix(right, "version") {
		if result, ok := compareBy(l, operator, r); ok {
			return result
		}
	}
	switch operator {
	case "==", "===":
		return l == r
	case "!=":
		return l != r
	case "<":
		return l < r
	case "<=":
		return l <= r
	case ">":
		return l > r
	case ">=":
		return l >= r
	}
	return false
}

func (s surroundings) value(token string) string {
	if token[0] == '"' || token[0] == '\'' {
		return token[1 : len(token)-1]
	}
	// PEP 345 wrote os.name for os_name.
	return s.variables[strings.ReplaceAll(token, ".", "_")]
}

var separators = pattern.New(`[-_.]+`)

// normalize is the name of a distribution as all spell it (PEP 503).
func normalize(name string) string {
	return strings.ToLower(separators.ReplaceAllString(strings.TrimSpace(name), "-"))
}
