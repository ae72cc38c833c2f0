package logs

import (
	"context"
	"io"
	"os"

	"golang.org/x/term"
)

// terminal is the console, whatever it is.
type terminal struct {
	to    io.Writer
	color bool
	text  []byte // kept between calls
}

// write leaves out what the console does not take: unlike a disk, one that is
// gone does not come back, and the file has the lines.
func (t *terminal) write(_ context.Context, lines []Line) error {
	t.text = t.text[:0]
	for _, line := range lines {
		if t.color {
			t.text = line.appendColored(t.text)
		} else {
			t.text = line.append(t.text)
		}
		t.text = append(t.text, '\n')
	}
	_, _ = t.to.Write(t.text)
	return nil
}

func (t *terminal) close() error { return nil }

// Colorful tells whether lines for this writer should be coloured: it is a
// terminal that knows colours, and the user has not asked for none
// (https://no-color.org).
func Colorful(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" &&
		term.IsTerminal(int(file.Fd())) && knowsColors(file)
}
