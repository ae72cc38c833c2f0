package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"ota/internal/kit/escape"
)

// readAtMost bounds what ReadTail takes from the end of one file: a log may be
// damaged, or come from an older program that knew no limits.
const readAtMost = 4 << 20

// ReadTail returns the last n lines of the log files in dir, oldest first,
// harmless to a terminal; it is for when nothing runs that could be asked. A
// folder that is not there has none.
func ReadTail(dir string, n int) ([]string, error) {
	files, err := list(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot read the log: %w", err)
	}
	var lines []string
	for _, file := range slices.Backward(files) {
		if len(lines) >= n {
			break
		}
		older, err := readEnd(filepath.Join(dir, file.name), n-len(lines))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted as the oldest in the meantime
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read the log: %w", err)
		}
		lines = append(older, lines...)
	}
	return lines, nil
}

// readEnd returns the last n lines of a file.
func readEnd(path string, n int) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	var data []byte
	start := end
	for size := int64(64 << 10); ; size *= 2 {
		start = max(0, end-min(size, readAtMost))
		data = make([]byte, end-start)
		if got, err := file.ReadAt(data, start); err != nil && err != io.EOF {
			return nil, err
		} else if int64(got) < end-start {
			data = data[:got]
		}
		if start == 0 || size >= readAtMost || bytes.Count(data, []byte{'\n'}) > n {
			break
		}
	}
	return lastLines(data, n, start > 0), nil
}

// lastLines splits data; the first line of a part is not whole.
func lastLines(data []byte, n int, part bool) []string {
	data = bytes.TrimSuffix(data, []byte{'\n'})
	if len(data) == 0 {
		return nil
	}
	raw := bytes.Split(data, []byte{'\n'})
	if part && len(raw) > 1 {
		raw = raw[1:]
	}
	raw = raw[max(0, len(raw)-n):]
	lines := make([]string, len(raw))
	for i, line := range raw {
		lines[i] = string(escape.Line(nil, bytes.TrimSuffix(line, []byte{'\r'})))
	}
	return lines
}
