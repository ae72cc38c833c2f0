//go:build linux

package power

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// inside names the folder that the test binary works in, in a world of its own.
const inside = "OTA_TEST_POWER_WORLD"

// place is that folder, in memory; "" outside.
var place string

// inOwnWorld runs the test binary again with process ids and mounts of its own.
// When that one ends, in whatever way, the kernel ends what it started, unmounts
// what it mounted, detaches the loop devices and forgets the disks. It returns
// false where this is that binary already, or where it can't be started.
func inOwnWorld() (code int, was bool, err error) {
	if place = os.Getenv(inside); place != "" {
		return 0, false, errors.Join(furnish(), os.Setenv("TMPDIR", place))
	}
	if os.Geteuid() != 0 {
		return 0, false, nil
	}
	dir, err := os.MkdirTemp("", "ota-power-")
	if err != nil {
		return 0, false, err
	}
	defer os.Remove(dir)
	runtime.LockOSThread() // Pdeathsig is sent when the thread ends
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"="+dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	err = cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		return 0, false, nil // root of a container: the tests say what is missing
	}
	code = cmd.ProcessState.ExitCode()
	if code < 0 { // a signal
		code = 2
	}
	return code, true, nil
}

// furnish gives the world its own /proc, and memory for the disks.
func furnish() error {
	err := errors.Join(
		unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("proc", "/proc", "proc", 0, ""),
		unix.Mount("ota-power", place, "tmpfs", 0, "mode=700"),
	)
	if err != nil {
		return fmt.Errorf("cannot furnish a world of mounts: %w", err)
	}
	return nil
}
