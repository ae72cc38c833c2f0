package inotify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Mask is a set of kinds of events, as in inotify(7).
type Mask uint32

// What happens to a name in a watched folder.
const (
	Create    Mask = unix.IN_CREATE
	Modify    Mask = unix.IN_MODIFY
	Written   Mask = unix.IN_CLOSE_WRITE // was open for writing, and was closed
	MovedFrom Mask = unix.IN_MOVED_FROM
	MovedTo   Mask = unix.IN_MOVED_TO
	Attrib    Mask = unix.IN_ATTRIB // mode, owner, times, number of links
	Delete    Mask = unix.IN_DELETE
)

// What happens to the watched folder itself, or to the queue of events.
const (
	DeleteSelf Mask = unix.IN_DELETE_SELF
	MoveSelf   Mask = unix.IN_MOVE_SELF
	Unmount    Mask = unix.IN_UNMOUNT
	Ended      Mask = unix.IN_IGNORED    // there are no more events of this watch
	Lost       Mask = unix.IN_Q_OVERFLOW // events were lost, of any watch
	IsFolder   Mask = unix.IN_ISDIR      // beside another: it is a folder's name
)

// Limits that a person can raise, as errors.Is finds them in what Open and Add
// return.
var (
	ErrTooManyWatches  = errors.New("fs.inotify.max_user_watches is reached")
	ErrTooManyWatchers = errors.New("fs.inotify.max_user_instances or the limit of open files is reached")
)

// Watch is one watched folder. Numbers are not used again.
type Watch int32

// Event is something that happened.
type Event struct {
	Watch Watch // -1 for Lost
	Mask  Mask
	Name  string // in the folder; empty if it happened to the folder itself
}

// Watcher watches folders. Its methods may be called by several goroutines,
// Read by one.
type Watcher struct {
	file   *os.File
	buffer []byte
}

// bufferSize holds 60 events with names of the longest kind, or 500 usual ones.
const bufferSize = 16 << 10

// Open makes a Watcher, which watches nothing yet and has to be closed.
func Open() (*Watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if errors.Is(err, unix.EMFILE) {
		err = ErrTooManyWatchers
	}
	if err != nil {
		return nil, fmt.Errorf("cannot watch for changes: %w", err)
	}
	// A file that does not block is read by Go's poller: no thread waits.
	return &Watcher{os.NewFile(uintptr(fd), "inotify"), make([]byte, bufferSize)}, nil
}

// Add watches the open folder for the events in mask, which are added to those
// it is watched for. A folder that is watched already keeps its Watch.
func (w *Watcher) Add(folder *os.File, mask Mask) (Watch, error) {
	// The name of the descriptor leads to this very folder, wherever it was
	// moved, and needs no path longer than the kernel takes.
	return w.add("/proc/self/fd/"+strconv.Itoa(int(folder.Fd())), mask)
}

// AddPath is Add for the folder at path.
func (w *Watcher) AddPath(path string, mask Mask) (Watch, error) { return w.add(path, mask) }

func (w *Watcher) add(path string, mask Mask) (Watch, error) {
	const always = unix.IN_ONLYDIR | unix.IN_MASK_ADD | unix.IN_EXCL_UNLINK
	var watch int
	err := w.control(func(fd int) (err error) {
		watch, err = unix.InotifyAddWatch(fd, path, uint32(mask)|always)
		return err
	})
	if errors.Is(err, unix.ENOSPC) {
		err = ErrTooManyWatches
	}
	if err != nil {
		return 0, fmt.Errorf("cannot watch folder %s: %w", path, err)
	}
	return Watch(watch), nil
}

// Remove ends a watch. That it has ended already is no error.
func (w *Watcher) Remove(watch Watch) error {
	err := w.control(func(fd int) error {
		_, err := unix.InotifyRmWatch(fd, uint32(watch))
		return err
	})
	if errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

// Read waits for events and returns those that are there, or os.ErrClosed after
// Close.
func (w *Watcher) Read() ([]Event, error) {
	n, err := w.file.Read(w.buffer)
	if err != nil {
		return nil, err
	}
	return Parse(w.buffer[:n])
}

// Close ends all watches and a Read that waits.
func (w *Watcher) Close() error { return w.file.Close() }

func (w *Watcher) control(do func(fd int) error) error {
	raw, err := w.file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = do(int(fd)) }); err != nil {
		return err
	}
	return inner
}

var errCutOff = errors.New("an event from the kernel is cut off")

// Parse reads events as the kernel writes them (inotify(7): "Reading events").
func Parse(data []byte) ([]Event, error) {
	var events []Event
	for len(data) > 0 {
		if len(data) < unix.SizeofInotifyEvent {
			return events, errCutOff
		}
		head := unix.InotifyEvent{
			Wd:   int32(binary.NativeEndian.Uint32(data[unsafe.Offsetof(unix.InotifyEvent{}.Wd):])),
			Mask: binary.NativeEndian.Uint32(data[unsafe.Offsetof(unix.InotifyEvent{}.Mask):]),
			Len:  binary.NativeEndian.Uint32(data[unsafe.Offsetof(unix.InotifyEvent{}.Len):]),
		}
		data = data[unix.SizeofInotifyEvent:]
		if uint64(head.Len) > uint64(len(data)) {
			return events, errCutOff
		}
		// The name is filled up with NULs.
		name, _, _ := strings.Cut(string(data[:head.Len]), "\x00")
		data = data[head.Len:]
		events = append(events, Event{Watch(head.Wd), Mask(head.Mask), name})
	}
	return events, nil
}
