// Package escape makes bytes from outside harmless to a terminal, to the other
// lines of a log and to a JSON string.
//
// In: any bytes: a program's output, a file's name. Out: valid UTF-8 on one
// line, in which nothing steers a terminal or turns the order of its
// characters round; what was there instead stands as text, in the form in which
// Go's %q writes it. Never: a form to be read back. A backslash stays what it
// is, so that paths and regular expressions stay readable, and a name with the
// four characters \xff looks like one with that byte.
//
// What a terminal obeys are the C0 and C1 control characters (ECMA-48), C1 also
// as UTF-8. What can make a line read otherwise than it is written are the
// characters of Unicode's category Cf, above all those of bidirectional text
// (CVE-2021-42574), and the separators U+2028 and U+2029.
//
// All functions may be called by several goroutines.
package escape

import (
	"strconv"
	"unicode/utf8"
)

const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
)

// Line appends src to dst for a line of a log and returns the result. Text of
// all languages and tabs stay; a newline is escaped like any control character.
func Line(dst, src []byte) []byte {
	return appendSafe(dst, src, staysInLine)
}

// Name returns a file's name or path for people and for JSON. It is stricter
// than Line: characters that can't be seen, which make two names look alike,
// are escaped too, as are tabs and all spaces but the ordinary one.
func Name(s string) string {
	if visibleASCII([]byte(s)) == len(s) {
		return s
	}
	return string(appendSafe(make([]byte, 0, len(s)+16), []byte(s), strconv.IsPrint))
}

// staysInLine lets in the spaces of other scripts, and the two joiners without
// which Persian, Hindi and many emoji are spelt wrong; they reorder nothing.
func staysInLine(r rune) bool {
	return strconv.IsGraphic(r) || r == '\t' || r == zeroWidthJoiner || r == zeroWidthNonJoiner
}

func appendSafe(dst, src []byte, stays func(rune) bool) []byte {
	for len(src) > 0 {
		n := visibleASCII(src)
		dst = append(dst, src[:n]...)
		src = src[n:]
		if len(src) == 0 {
			break
		}
		r, size := utf8.DecodeRune(src)
		switch {
		case r == utf8.RuneError && size == 1:
			dst = appendHex(append(dst, `\x`...), rune(src[0]), 2)
		case stays(r):
			dst = append(dst, src[:size]...)
		default:
			dst = appendEscape(dst, r)
		}
		src = src[size:]
	}
	return dst
}

// visibleASCII is the length of the part at the start of src that may stay for
// sure. Most output is nothing else, so this loop decides how fast a log is.
func visibleASCII(src []byte) int {
	for i, c := range src {
		if c-' ' > '~'-' ' {
			return i
		}
	}
	return len(src)
}

// short are the control characters that %q writes as a letter.
var short = [...]byte{'\a': 'a', '\b': 'b', '\t': 't', '\n': 'n', '\v': 'v', '\f': 'f', '\r': 'r'}

func appendEscape(dst []byte, r rune) []byte {
	switch {
	case int(r) < len(short) && short[r] != 0:
		return append(dst, '\\', short[r])
	case r < utf8.RuneSelf:
		return appendHex(append(dst, `\x`...), r, 2)
	case r <= 0xffff:
		return appendHex(append(dst, `\u`...), r, 4)
	default:
		return appendHex(append(dst, `\U`...), r, 8)
	}
}

func appendHex(dst []byte, r rune, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		dst = append(dst, "0123456789abcdef"[r>>shift&0xf])
	}
	return dst
}
