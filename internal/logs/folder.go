package logs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// maxFiles bounds the number of log files, for a device that starts ota again
// and again: their bytes alone would allow tens of thousands.
const maxFiles = 1000

// folder is logs/, with the file that is being written. It is for one
// goroutine. There is no sync: a card would not bear one for every line, and
// the kernel writes within half a minute.
type folder struct {
	dir      string
	maxFile  int64
	maxTotal int64
	now      func() time.Time
	warn     func(sentence string, args ...any)
	begun    func(path string)

	file  *os.File    // nil while there is none
	info  fs.FileInfo // of file
	size  int64       // of file
	older []logFile   // the others, oldest first
	total int64       // bytes of the others
	text  []byte      // kept between calls
}

func newFolder(o Options, warn func(string, ...any), begun func(path string)) *folder {
	return &folder{dir: o.Dir, maxFile: o.MaxFile, maxTotal: o.MaxTotal, now: o.Now, warn: warn, begun: begun}
}

// write appends lines and returns how many of them are in the file, all or none
// of each.
func (f *folder) write(lines []Line) (done int, err error) {
	if err := f.ready(); err != nil {
		return 0, err
	}
	f.text = f.text[:0]
	for i, line := range lines {
		end := len(f.text)
		f.text = append(line.append(f.text), '\n')
		if f.size+int64(len(f.text)) <= f.maxFile || f.size+int64(end) == 0 {
			continue
		}
		last := append([]byte(nil), f.text[end:]...)
		if err := f.flush(f.text[:end]); err != nil {
			return done, err
		}
		done = i
		if err := f.begin(); err != nil {
			return done, err
		}
		f.text = append(f.text[:0], last...)
	}
	if err := f.flush(f.text); err != nil {
		return done, err
	}
	return len(lines), nil
}

// ready sees to it that the file is the one that people see: somebody may have
// removed it, or all of logs/, or moved it away.
func (f *folder) ready() error {
	if f.file != nil {
		info, err := os.Lstat(f.file.Name())
		if err == nil && os.SameFile(info, f.info) {
			f.size = info.Size() // somebody may have emptied it
			return nil
		}
	}
	return f.begin()
}

// goOn goes on with a file that another has begun. Where that can't be, a new one
// is begun with the next line.
func (f *folder) goOn(path string) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	info, err := file.Stat()
	older, listErr := list(f.dir)
	if err != nil || listErr != nil || !info.Mode().IsRegular() {
		file.Close()
		return
	}
	f.older, f.total = nil, 0
	for _, one := range older {
		if one.name != filepath.Base(path) {
			f.older = append(f.older, one)
			f.total += one.size
		}
	}
	f.file, f.info, f.size = file, info, info.Size()
	f.begun(path)
}

// begin begins a new file.
func (f *folder) begin() error {
	if err := f.close(); err != nil {
		f.warn("log file could not be closed", "reason", err)
	}
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return err
	}
	older, err := list(f.dir)
	if err != nil {
		return err
	}
	f.older, f.total = older, 0
	for _, one := range older {
		f.total += one.size
	}
	for len(f.older) >= maxFiles {
		f.dropOldest()
	}
	file, err := create(f.dir, f.now())
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.file, f.info, f.size = file, info, 0
	f.keepOrder()
	f.begun(file.Name())
	return nil
}

// keepOrder writes down which file is the newest. On a full disk it fails, and
// is called again when there is room.
func (f *folder) keepOrder() {
	files := append(slices.Clip(f.older), logFile{name: filepath.Base(f.file.Name())})
	if err := writeOrder(f.dir, files); err != nil {
		f.warn("order of the log files could not be kept", "reason", err)
	}
}

func (f *folder) flush(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	for len(f.older) > 0 && f.total+f.size+int64(len(text)) > f.maxTotal {
		f.dropOldest()
	}
	n, err := f.file.Write(text)
	if err != nil {
		return errors.Join(err, f.takeBack(n))
	}
	f.size += int64(n)
	return nil
}

// takeBack removes the beginning of a write that failed, so that it can be done
// again whole. Where that is not possible either, the next one goes into a new
// file.
func (f *folder) takeBack(n int) error {
	if n == 0 {
		return nil
	}
	err := f.file.Truncate(f.size)
	if err != nil {
		err = errors.Join(err, f.close())
	}
	return err
}

// dropOldest deletes the oldest of the other files. One that can't be deleted is
// no longer counted, or it would cost all the others.
func (f *folder) dropOldest() {
	oldest := f.older[0]
	f.older = f.older[1:]
	f.total -= oldest.size
	err := os.Remove(filepath.Join(f.dir, oldest.name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.warn("old log file could not be deleted", "reason", err)
	}
}

func (f *folder) close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}
