package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownBinary is what runs, whatever name it has by now.
const ownBinary = "/proc/self/exe"

// Own is the path by which this process was started, as far as its file still
// has that name, or another one has taken its place.
func Own() (string, error) {
	path, err := os.Readlink(ownBinary)
	return strings.TrimSuffix(path, " (deleted)"), err
}

// Become becomes binary, with the same arguments and environment. It returns
// only if it can't; then this program becomes itself again, from the parcel as
// the other would have, so that nothing has to be taken up again in two ways.
// caught, asked last of all, returns the signals that came and on which nobody
// has acted; it may be nil.
func (b *Bag) Become(binary string, parcel Parcel, caught func() []syscall.Signal) error {
	memory, err := b.pack(parcel)
	if err != nil {
		return err
	}
	old, err := unix.Open(ownBinary, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: ownBinary, Err: err}
	}
	fds := []int{int(memory.Fd()), old}
	for _, one := range b.files {
		fds = append(fds, one.FD)
	}
	names := variable + "=" + strconv.Itoa(int(memory.Fd())) + ","
	why := execute(binary, fds, caught, names+strconv.Itoa(old))
	why = fmt.Errorf("cannot become %s: %w", binary, why)
	if err := execute(descriptor(old), fds, caught, names, reasonVariable+"="+oneLine(why.Error())); err != nil {
		return errors.Join(why, err)
	}
	return why
}

// pack is the parcel in memory.
func (b *Bag) pack(parcel Parcel) (*os.File, error) {
	parcel.Format, parcel.Files = format, b.files
	text, err := json.Marshal(parcel)
	if err != nil {
		return nil, err
	}
	return inMemory(text)
}

// execute becomes a program that gets these descriptors, named in the first of
// the variables. Nothing of ours is started meanwhile: it would have them too.
func execute(binary string, fds []int, caught func() []syscall.Signal, variables ...string) error {
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	for _, fd := range fds {
		if err := heirloom(fd, true); err != nil {
			return err
		}
	}
	variables[0] += listed(caught)
	err := syscall.Exec(binary, os.Args, append(os.Environ(), variables...))
	for _, fd := range fds {
		_ = heirloom(fd, false) // as it was
	}
	return &os.PathError{Op: "exec", Path: binary, Err: err}
}

// oneLine is a text as it fits into the environment.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, text)
}
