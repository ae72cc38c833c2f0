package doctor

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shell writes a word so that a shell takes it for one, whatever it is called,
// and a terminal for text: bytes that could do something there are escaped as
// in $'\x1b', which bash, zsh and busybox read.
func shell(word string) string {
	if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+:@,%") == "" {
		return word
	}
	if isPlain(word) {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	var quoted strings.Builder
	quoted.WriteString("$'")
	for i := range len(word) {
		switch c := word[i]; {
		case c == '\\' || c == '\'':
			quoted.WriteByte('\\')
			quoted.WriteByte(c)
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&quoted, `\x%02x`, c)
		default:
			quoted.WriteByte(c)
		}
	}
	quoted.WriteString("'")
	return quoted.String()
}

func isPlain(word string) bool {
	if !utf8.ValidString(word) {
		return false
	}
	for _, r := range word {
		if r != ' ' && !unicode.IsGraphic(r) || unicode.IsSpace(r) && r != ' ' {
			return false
		}
	}
	return true
}
