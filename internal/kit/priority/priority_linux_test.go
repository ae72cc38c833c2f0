package priority

import (
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLow(t *testing.T) {
	cmd := exec.Command("/bin/sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	if err := Low(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	// The system call returns 20 less the priority.
	if got, err := unix.Getpriority(unix.PRIO_PROCESS, cmd.Process.Pid); err != nil || got != 20-lowestNice {
		t.Errorf("processor: %d, %v", got, err)
	}
	got, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, ofProcess, uintptr(cmd.Process.Pid), 0)
	if errno != 0 || got>>13<<13 != classIdle {
		t.Errorf("disk: %#x, %v", got, errno)
	}
	for _, pid := range []int{-1, 0, 1 << 30} {
		if Low(pid) == nil {
			t.Errorf("process %d: no error", pid)
		}
	}
}
