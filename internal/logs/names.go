package logs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"ota/internal/kit/durable"
	"ota/internal/kit/pattern"
)

// orderName is the file in logs/ that holds the names of the log files in the
// order in which they were begun. Nothing else tells it: a device without a
// clock starts in 1970 or where it last stood, and jumps when it finds a time
// server, so that dates, in names and of files alike, may run backwards; and the
// newest file must never be the one that is deleted as the oldest. The file is
// written durably before the first line of a new log file, so a log file that
// holds anything is in it. Those that are not (of an older program, or brought
// from elsewhere) count as older than all that are; among these the date in the
// name decides.
const orderName = ".order"

const orderHead = "# The log files, oldest first. Their dates can't tell: a device's clock jumps.\n"

const nameLayout = "logfile_02-01-06_15.04.05"

var namePattern = pattern.New(`^(logfile_\d\d-\d\d-\d\d_\d\d\.\d\d\.\d\d)(?:-(\d{1,9}))?\.log$`)

// logFile is a log file in the folder.
type logFile struct {
	name     string
	size     int64
	modified time.Time
}

// File is a log file, for who looks through them.
type File struct {
	Name     string
	Size     int64
	Modified time.Time // by the device's clock
}

// Files returns the log files of a folder, oldest first. A folder that is not
// there has none. It may be called while they are written.
func Files(dir string) ([]File, error) {
	found, err := list(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot list the log files: %w", err)
	}
	files := make([]File, len(found))
	for i, one := range found {
		files[i] = File{one.name, one.size, one.modified}
	}
	return files, nil
}

// IsFileName reports whether a log file can have this name. It is never a path.
func IsFileName(name string) bool { return namePattern.MatchString(name) }

// list returns the log files of a folder, oldest first. A folder that is not
// there has none.
func list(dir string) ([]logFile, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var files []logFile
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !namePattern.MatchString(entry.Name()) {
			continue
		}
		if info, err := entry.Info(); err == nil {
			files = append(files, logFile{entry.Name(), info.Size(), info.ModTime()})
		}
	}
	order := readOrder(dir)
	sort.Slice(files, func(i, j int) bool {
		a, b := files[i].name, files[j].name
		return cmp.Or(cmp.Compare(order[a], order[b]), compareDates(a, b)) < 0
	})
	return files, nil
}

// readOrder returns the places of the names, from 1. A file that can't be read
// is as good as none: it will be written again.
func readOrder(dir string) map[string]int {
	data, err := os.ReadFile(filepath.Join(dir, orderName))
	if err != nil {
		return nil
	}
	places := map[string]int{}
	for line := range bytes.Lines(data) {
		name := string(bytes.TrimSpace(line))
		if namePattern.MatchString(name) {
			places[name] = len(places) + 1
		}
	}
	return places
}

// writeOrder keeps the order of the files for the next start.
func writeOrder(dir string, files []logFile) error {
	var b strings.Builder
	b.WriteString(orderHead)
	for _, file := range files {
		b.WriteString(file.name + "\n")
	}
	return durable.WriteFile(filepath.Join(dir, orderName), []byte(b.String()), 0o644)
}

// compareDates orders two names by their date and number.
func compareDates(a, b string) int {
	dateA, numberA := parseName(a)
	dateB, numberB := parseName(b)
	return cmp.Or(dateA.Compare(dateB), cmp.Compare(numberA, numberB))
}

func parseName(name string) (date time.Time, number int) {
	match := namePattern.FindStringSubmatch(name)
	if match == nil {
		return time.Time{}, 0
	}
	date, _ = time.Parse(nameLayout, match[1]) // a 32nd of a month counts as oldest
	number, _ = strconv.Atoi(match[2])
	return date, number
}

// maxSuffix bounds the search for a free name. There can't be that many log
// files; something else must be wrong.
const maxSuffix = 10 * maxFiles

// create makes a new log file under a name that nothing in the folder has.
func create(dir string, now time.Time) (*os.File, error) {
	base := filepath.Join(dir, now.Format(nameLayout))
	path := base + ".log"
	for number := 2; ; number++ {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
		if !errors.Is(err, fs.ErrExist) || number > maxSuffix {
			return file, err
		}
		path = fmt.Sprintf("%s-%d.log", base, number)
	}
}
