package glob

import (
	"errors"
	"unicode/utf8"
)

// charLen is the length of the first character of s. A byte that begins no
// character counts as one: names are bytes.
func charLen(s string) int {
	_, size := utf8.DecodeRuneInString(s)
	return size
}

// matchChar matches one character against the element at the start of a
// checked pattern, which is no *, and returns the length of the element.
func matchChar(pattern, char string) (length int, ok bool) {
	switch pattern[0] {
	case '?':
		return 1, true
	case '[':
		return matchClass(pattern, char)
	}
	element, length := literal(pattern)
	return length, element == char
}

// literal reads one character, after a backslash where there is one.
func literal(pattern string) (char string, length int) {
	skip := 0
	if pattern[0] == '\\' {
		skip = 1
	}
	size := charLen(pattern[skip:])
	return pattern[skip : skip+size], skip + size
}

// matchClass matches against [a-z] and [!a-z].
func matchClass(pattern, char string) (length int, ok bool) {
	at := 1
	negated := pattern[at] == '!' || pattern[at] == '^'
	if negated {
		at++
	}
	found := false
	for first := at; pattern[at] != ']' || at == first; {
		low, size := literal(pattern[at:])
		at += size
		high := low
		if pattern[at] == '-' && pattern[at+1] != ']' {
			high, size = literal(pattern[at+1:])
			at += 1 + size
		}
		// The order of UTF-8 as bytes is that of its characters.
		if low <= char && char <= high {
			found = true
		}
	}
	return at + 1, found != negated
}

// check tells what is wrong with the pattern for one name. What it lets pass,
// matchChar reads without looking for the end.
func check(pattern string) error {
	for at := 0; at < len(pattern); {
		switch {
		case pattern[at] == '[':
			length, err := checkClass(pattern[at:])
			if err != nil {
				return err
			}
			at += length
		case pattern[at] == '\\' && at+1 == len(pattern):
			return errors.New("a backslash at the end takes the meaning from nothing")
		case pattern[at] == 0:
			return errors.New("no name holds a zero byte")
		default:
			_, length := literal(pattern[at:])
			at += length
		}
	}
	return nil
}

var errOpenClass = errors.New(`"[" has no "]" within the same name; for a bracket itself write "\\["`)

func checkClass(pattern string) (length int, err error) {
	at := 1
	if at < len(pattern) && (pattern[at] == '!' || pattern[at] == '^') {
		at++
	}
	for first := at; ; {
		low, size, err := checkLiteral(pattern[at:])
		if err != nil {
			return 0, err
		}
		if low == "]" && size == 1 && at > first {
			return at + 1, nil
		}
		at += size
		if at+1 < len(pattern) && pattern[at] == '-' && pattern[at+1] != ']' {
			high, size, err := checkLiteral(pattern[at+1:])
			if err != nil {
				return 0, err
			}
			if high < low {
				return 0, errors.New("a range in brackets runs backwards")
			}
			at += 1 + size
		}
	}
}

func checkLiteral(pattern string) (char string, length int, err error) {
	if pattern == "" || pattern == `\` {
		return "", 0, errOpenClass
	}
	char, length = literal(pattern)
	return char, length, nil
}
