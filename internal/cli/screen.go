package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// What a terminal is told (xterm, Control Sequences).
const (
	toOtherScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l" // and no cursor, and long lines end at the edge
	toOwnScreen   = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	toTheTop      = "\x1b[H"
	clearLine     = "\x1b[K"
	clearBelow    = "\x1b[J"
)

// screen writes over what it has written. It is for one goroutine.
type screen struct {
	to      io.Writer
	entered bool
}

// draw shows as much of these lines as there is room for.
func (s *screen) draw(rows []string, width, height int) error {
	var text strings.Builder
	if !s.entered {
		text.WriteString(toOtherScreen)
		s.entered = true
	}
	text.WriteString(toTheTop)
	if left := len(rows) - height; left > 0 && height > 0 {
		rows = append(rows[:height-1:height-1], fmt.Sprintf("… %d more lines", left+1))
	}
	for i, row := range rows {
		if i > 0 {
			text.WriteString("\r\n")
		}
		text.WriteString(cut(row, width) + clearLine)
	}
	text.WriteString(clearBelow)
	_, err := io.WriteString(s.to, text.String())
	return err
}

// leave gives the terminal back as it was.
func (s *screen) leave() {
	if s.entered {
		s.entered = false
		_, _ = io.WriteString(s.to, toOwnScreen)
	}
}

// cut is as much of a line as fits, with all of its colours. Tabs are blanks.
func cut(row string, width int) string {
	var text strings.Builder
	column, inSequence := 0, false
	for _, r := range row {
		switch {
		case inSequence:
			inSequence = r != 'm'
		case r == '\x1b':
			inSequence = true
		default:
			if r == '\t' {
				r = ' '
			}
			if column += columns(r); column > width {
				continue
			}
		}
		text.WriteRune(r)
	}
	return text.String()
}

// columns is how wide a character is on most terminals (Unicode Standard Annex
// 11). Where one thinks otherwise it ends the line at its edge itself.
func columns(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 ||
		r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 ||
		r >= 0xffe0 && r <= 0xffe6 || r >= 0x1f300 && r <= 0x1faff || r >= 0x20000 && r <= 0x3fffd):
		return 2
	default:
		return 1
	}
}
