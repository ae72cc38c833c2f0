//go:build linux

// Command sudo stands in for sudo on a test's device, where it belongs to root
// and is setuid: it runs what it is given as root, and asks for the password "secret"
// if there is a file /etc/sudo-asks.
//
// In: a command, after an option. Out: its output. Never: outside of a test's
// device.
package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	argv := os.Args[1:]
	_, err := os.Stat("/etc/sudo-asks")
	asks := err == nil
	if len(argv) > 0 && argv[0] == "-n" {
		argv = argv[1:]
		if asks {
			os.Exit(1)
		}
	}
	if asks && !knows() {
		os.Exit(1)
	}
	if err := syscall.Setgid(0); err != nil {
		panic(err)
	}
	if err := syscall.Setuid(0); err != nil {
		panic(err)
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		panic(err)
	}
	panic(syscall.Exec(path, argv, os.Environ()))
}

// knows asks for the password, on the terminal.
func knows() bool {
	terminal, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer terminal.Close()
	if _, err := io.WriteString(terminal, "[sudo] password for pi: "); err != nil {
		return false
	}
	said, err := bufio.NewReader(terminal).ReadString('\n')
	return err == nil && said == "secret\n"
}
