package priority

import (
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLow(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	}()
	pid := cmd.Process.Pid
	if err := Low(pid); err != nil {
		t.Fatal(err)
	}
	// The system call gives 20 minus the nice value.
	if got, err := unix.Getpriority(unix.PRIO_PROCESS, pid); err != nil || got != 1 {
		t.Errorf("priority %d, %v", got, err)
	}
	const ioprioGet = unix.SYS_IOPRIO_GET
	if got, _, errno := unix.Syscall(ioprioGet, ioprioWhoProcess, uintptr(pid), 0); errno != 0 || got>>ioprioClassShift != ioprioClassIdle {
		t.Errorf("class of the disk %d, %v", got>>ioprioClassShift, errno)
	}
	if err := Low(1 << 30); err == nil {
		t.Error("nobody has a low priority now")
	}
}
