//go:build linux

// Command sudo stands in for sudo on a test's device, where it belongs to root
// and is setuid: it asks nobody and runs what it is given as root.
//
// In: a command, after an option. Out: its output. Never: outside of a test's
// device.
package main

import (
	"os"
	"os/exec"
	"syscall"
)

func main() {
	argv := os.Args[1:]
	if len(argv) > 0 && argv[0] == "-n" {
		argv = argv[1:]
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
