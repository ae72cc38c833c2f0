//go:build linux

// Command machine is the first process of a machine that has nothing but ota on
// it, and the program that ota looks after there.
//
// In: /mnt, the folder of the test, with releases in it. Out: /mnt/console, what
// ota prints, and /mnt/N, what became of release N. Never: a second start.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) > 1 {
		fmt.Println("growing")
		for {
			time.Sleep(time.Hour)
		}
	}
	if err := live(); err != nil {
		fmt.Println("the machine has failed:", err)
	}
	unix.Sync()
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// live is the machine's life: one that does not know what time it is gets releases
// 1 and 2, and after somebody has set its clock 3 and 4.
func live() error {
	err := errors.Join(
		unix.Mount("proc", "/proc", "proc", 0, ""),
		unix.Mount("none", "/mnt", "hostfs", 0, os.Getenv("SHARED")),
		unix.Settimeofday(&unix.Timeval{Sec: 100}),
	)
	if err != nil {
		return err
	}
	console, err := os.Create("/mnt/console")
	if err != nil {
		return err
	}
	ota := exec.Command("/ota", "run", "/garden")
	ota.Stdout, ota.Stderr = console, console
	if err := ota.Start(); err != nil {
		return err
	}
	for exec.Command("/ota", "-C", "/garden", "status").Run() != nil {
		time.Sleep(time.Millisecond)
	}
	for release := 1; release <= 4; release++ {
		if release == 3 {
			if err := setClock(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)); err != nil {
				return err
			}
		}
		if err := bring(release); err != nil {
			return err
		}
	}
	return errors.Join(ota.Process.Signal(os.Interrupt), ota.Wait())
}

// setClock does what ntpd(8) does: it tells the kernel, too, that the clock is
// right now (adjtimex(2)).
func setClock(now time.Time) error {
	moment := unix.NsecToTimeval(now.UnixNano())
	if err := unix.Settimeofday(&moment); err != nil {
		return err
	}
	_, err := unix.Adjtimex(&unix.Timex{Modes: unix.ADJ_STATUS | unix.ADJ_MAXERROR | unix.ADJ_ESTERROR})
	return err
}

// bring uploads a release, and waits for what becomes of it.
func bring(release int) error {
	name := strconv.Itoa(release)
	from, err := os.Open("/mnt/" + name + ".ota")
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create("/garden/deposit/" + name + ".ota")
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		return err
	}
	// While ota begins it has no time for that, and says so with 1.
	for {
		said, err := exec.Command("/ota", "-C", "/garden", "apply").CombinedOutput()
		exit, failed := errors.AsType[*exec.ExitError](err)
		if failed && exit.ExitCode() == 1 {
			time.Sleep(time.Millisecond)
			continue
		}
		if err != nil && !failed {
			return err
		}
		var why []byte
		for !failed && !bytes.Contains(why, []byte("v"+name)) { // a machine that is busy answers later
			why, _ = exec.Command("/ota", "-C", "/garden", "status").CombinedOutput()
		}
		if failed {
			if _, err := exec.Command("/ota", "-C", "/garden", "discard").CombinedOutput(); err != nil {
				return err
			}
		}
		return os.WriteFile("/mnt/"+name, fmt.Appendf(nil, "%v\n%s%s", err, said, why), 0o644)
	}
}
