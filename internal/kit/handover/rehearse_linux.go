package handover

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"ota/internal/kit/command"
)

// mostSaid is more than a rehearsal has to say.
const mostSaid = 4 << 10

// Rehearse lets binary look at the parcel and at the files, in a child that it
// is with these arguments, and returns the version that it says it is. The error
// of one that is no good is a *[Refused].
func (b *Bag) Rehearse(ctx context.Context, binary string, args []string, parcel Parcel) (version string, err error) {
	if why := unfit(binary); why != "" {
		return "", &Refused{binary, why}
	}
	parcel.Word = rand.Text()
	cmd := exec.Command(binary, args...)
	memory, err := b.lend(cmd, parcel)
	if err != nil {
		return "", err
	}
	defer func() {
		memory.Close()
		for _, one := range cmd.ExtraFiles {
			one.Close()
		}
	}()
	patient, end := context.WithTimeout(ctx, patience())
	defer end()
	said := command.Head{Longest: mostSaid}
	complaint := &command.Tail{Lines: 3, Longest: 300}
	code, err := command.RunApart(patient, cmd, &said, complaint, nil)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case patient.Err() != nil:
		return "", &Refused{binary, fmt.Sprintf("it has not said within %v that it is ready", patience())}
	case errors.Is(err, syscall.ENOEXEC):
		return "", &Refused{binary, "it is no program for this machine"}
	case err != nil:
		return "", &Refused{binary, err.Error()}
	}
	version, ready := strings.CutPrefix(string(said.Kept()), strings.TrimSuffix(word(parcel, ""), "\n"))
	version, whole := strings.CutSuffix(version, "\n")
	if code == 0 && ready && whole && version != "" && !strings.ContainsAny(version, " \n") {
		return version, nil
	}
	return "", &Refused{binary, answered(code, complaint)}
}

// unfit says what is wrong with a file that is to be run.
func unfit(binary string) string {
	info, err := os.Stat(binary)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case err != nil:
		return err.Error()
	case !info.Mode().IsRegular():
		return "it is no file"
	case unix.Access(binary, unix.X_OK) != nil:
		return "it may not be executed"
	}
	return ""
}

// lend gives cmd a parcel and the files, by the numbers that they have there.
func (b *Bag) lend(cmd *exec.Cmd, parcel Parcel) (*os.File, error) {
	const first = 3 // behind stdin, stdout and stderr
	var there Bag
	for i, one := range b.files {
		fd, err := unix.FcntlInt(uintptr(one.FD), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, os.NewSyscallError("fcntl", err)
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, os.NewFile(uintptr(fd), one.Name))
		one.FD = first + 1 + i
		there.files = append(there.files, one)
	}
	memory, err := there.pack(parcel)
	if err != nil {
		return nil, err
	}
	cmd.ExtraFiles = append([]*os.File{memory}, cmd.ExtraFiles...)
	// What a manager has to hear comes from us alone.
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET=", variable+"="+strconv.Itoa(first)+",")
	return memory, nil
}

// answered is what a rehearsal did instead.
func answered(code int, complaint *command.Tail) string {
	text := fmt.Sprintf("it does not say that it is ready (exit code %d)", code)
	if lines := complaint.Kept(); len(lines) > 0 {
		text += ": " + oneLine(strings.Join(lines, "; "))
	}
	return text
}

// Ready is what a rehearsal says, and nothing else.
func (r *Received) Ready(version string) string { return word(r.parcel, version) }
