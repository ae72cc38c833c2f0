package handover

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Received is what the program before this one has left. Its methods may be
// called by several goroutines.
type Received struct {
	parcel Parcel
	err    error  // why the parcel can't be used
	memory int    // its descriptor
	old    int    // of the binary before; negative: there is no way back
	back   string // why this program is back; empty: it is not

	mu      sync.Mutex              // guards what follows
	settled bool                    // committed
	why     error                   // what went wrong
	signals []syscall.Signal        // that the program before has left; see Repeat
	caught  func() []syscall.Signal // returns those that came since; nil: none
	limit   *time.Timer
}

// Receive returns what was left to this process, nil if nothing was. From now on
// it has [Limit] to commit; then the program before it is back. It is to be
// called first of all, and removes what tells of it from the environment.
func Receive() *Received {
	names, reason := os.Getenv(variable), os.Getenv(reasonVariable)
	os.Unsetenv(variable)
	os.Unsetenv(reasonVariable)
	if names == "" {
		return nil
	}
	nameAgain()
	r := &Received{memory: -1, old: -1, back: reason}
	memory, old, _ := strings.Cut(names, ",")
	old, signals, _ := strings.Cut(old, ",")
	for _, one := range strings.Split(signals, ",") {
		if number, err := strconv.Atoi(one); err == nil {
			r.signals = append(r.signals, syscall.Signal(number))
		}
	}
	if number, err := strconv.Atoi(old); err == nil && old != "" {
		r.old = number
		_ = heirloom(number, false) // what is not open is not inherited either
	}
	number, err := strconv.Atoi(memory)
	if err != nil {
		r.err = fmt.Errorf("cannot find what was handed over: %s=%q", variable, names)
		return r
	}
	r.memory = number
	r.parcel, r.err = unpack(number)
	if r.err != nil {
		return r
	}
	for _, one := range append([]File{{FD: number}}, r.parcel.Files...) {
		r.err = errors.Join(r.err, heirloom(one.FD, false))
	}
	if r.parcel.Word == "" && r.old >= 0 {
		r.limit = time.AfterFunc(patience(), func() { r.GoBack(fmt.Errorf("it was not up within %v", patience())) })
	}
	return r
}

// nameAgain makes the name of the process (proc_pid_comm(5)) what it was: it has
// that of the file, which may be a temporary one, or a number.
func nameAgain() {
	const longest = 15
	name := filepath.Base(os.Args[0])
	_ = os.WriteFile("/proc/self/comm", []byte(name[:min(len(name), longest)]), 0) // it is for people
}

func unpack(fd int) (Parcel, error) {
	// A descriptor of its own for the reader: this one is for the way back.
	copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return Parcel{}, fmt.Errorf("cannot find what was handed over: %w", err)
	}
	file := os.NewFile(uintptr(copied), "handover")
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Parcel{}, err
	}
	text, err := io.ReadAll(io.NewSectionReader(file, 0, info.Size()))
	if err != nil {
		return Parcel{}, err
	}
	return parse(text)
}

// Parcel returns it, or why it is of no use.
func (r *Received) Parcel() (Parcel, error) { return r.parcel, r.err }

// Back says why this program is back after another was to take over; empty: it
// is the other.
func (r *Received) Back() string { return r.back }

// Check says whether every file is what it should be.
func (r *Received) Check() error {
	for _, one := range r.parcel.Files {
		if err := one.check(); err != nil {
			return err
		}
	}
	return nil
}

// Has tells whether there is such a file.
func (r *Received) Has(name string) bool { return r.find(name) != nil }

func (r *Received) find(name string) *File {
	for i, one := range r.parcel.Files {
		if one.Name == name {
			return &r.parcel.Files[i]
		}
	}
	return nil
}

// Take returns a copy of a file: the one that came is for the way back. What is
// not there is an error.
func (r *Received) Take(name string) (*os.File, error) {
	one := r.find(name)
	if one == nil {
		return nil, fmt.Errorf("%s was not handed over", name)
	}
	fd, err := unix.FcntlInt(uintptr(one.FD), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot take %s: %w", name, os.NewSyscallError("fcntl", err))
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Commit gives up the way back: this program is up.
func (r *Received) Commit() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.settled {
		return
	}
	r.settled = true
	if r.limit != nil {
		r.limit.Stop()
	}
	for _, one := range r.parcel.Files {
		unix.Close(one.FD)
	}
	unix.Close(r.memory)
	if r.old >= 0 {
		unix.Close(r.old)
	}
}

// Because remembers what went wrong, for [Received.Settle].
func (r *Received) Because(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.why = err
}

// Settle is to be called when main is about to end, with what a panic has left
// or nil: if this program was never up, the one before it is back.
func (r *Received) Settle(panicked any) {
	r.mu.Lock()
	why := r.why
	r.mu.Unlock()
	if panicked != nil {
		why = fmt.Errorf("it met a fault: %v", panicked)
	} else if why == nil {
		why = errors.New("it has ended")
	}
	r.GoBack(why)
}

// GoBack becomes the program before this one again, unless this one is up, or
// there is no way back. It returns only then, or if that fails.
func (r *Received) GoBack(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.settled || r.old < 0 || r.parcel.Word != "" {
		return
	}
	fds := []int{r.memory}
	for _, one := range r.parcel.Files {
		fds = append(fds, one.FD)
	}
	err := execute(descriptor(r.old), fds, r.caught, variable+"="+strconv.Itoa(r.memory)+",", reasonVariable+"="+oneLine(why.Error()))
	fmt.Fprintln(os.Stderr, "ota: cannot go back:", err)
}
