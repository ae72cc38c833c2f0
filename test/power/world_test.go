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

// place is that folder, in memory. Where there is none, missing says why.
var (
	place   string
	missing error
)

// inOwnWorld calls tests in a second process of this binary that has process
// ids and mounts of its own. When that one ends, in whatever way, the kernel
// ends what it started, unmounts what it mounted, detaches the loop devices and
// forgets the disks. Where there can be no such process, tests is called here.
func inOwnWorld(tests func()) (code int) {
	if dir := os.Getenv(inside); dir != "" {
		if missing = furnish(dir); missing == nil {
			place = dir
			os.Setenv("TMPDIR", dir)
		}
		tests()
		return 0
	}
	dir, err := os.MkdirTemp("", "ota-power-")
	if err != nil {
		missing = err
		tests()
		return 0
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
	if err := cmd.Start(); err != nil {
		missing = fmt.Errorf("cannot make mounts of our own: %w", err)
		os.Remove(dir)
		tests()
		return 0
	}
	cmd.Wait()
	if cmd.ProcessState.Exited() {
		return cmd.ProcessState.ExitCode()
	}
	fmt.Fprintln(os.Stderr, "the tests ended by a signal:", cmd.ProcessState)
	return 1
}

// furnish gives the world its own /proc, and memory for the disks.
func furnish(dir string) error {
	err := errors.Join(
		unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("proc", "/proc", "proc", 0, ""),
		unix.Mount("ota-power", dir, "tmpfs", 0, "mode=700"),
	)
	if err != nil {
		return fmt.Errorf("cannot make mounts of our own: %w", err)
	}
	return nil
}
