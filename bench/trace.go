//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// calls made to the file system by a process, and what it gave it to write.
type callsAndBytes struct {
	calls int64
	bytes int64
}

// canTrace says why no system calls can be counted; "" if they can.
func canTrace() string {
	if _, err := exec.LookPath("strace"); err != nil {
		return "strace is not installed"
	}
	return ""
}

// traced counts the calls that name files or file descriptors, of all threads
// of a process and of none of the programs that it starts, while act runs.
func traced(ctx context.Context, under string, pid int, act func() error) (sum callsAndBytes, err error) {
	dir, err := os.MkdirTemp(under, "trace-")
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	strace := exec.CommandContext(ctx, "strace", "-ff", "-o", filepath.Join(dir, "of"), "-s", "0",
		"-e", "signal=none", "-e", "trace=%file,%desc", "-p", strconv.Itoa(pid))
	complaints, err := strace.StderrPipe()
	if err != nil {
		return sum, err
	}
	if err := strace.Start(); err != nil {
		return sum, fmt.Errorf("cannot start strace: %w", err)
	}
	words := bufio.NewScanner(complaints)
	attached := words.Scan() && strings.Contains(words.Text(), "attached")
	if attached {
		err = act()
	} else {
		err = fmt.Errorf("strace cannot attach: %s", words.Text())
	}
	err = errors.Join(err, strace.Process.Signal(syscall.SIGINT))
	for words.Scan() { // one line for each thread that it lets go
	}
	strace.Wait() // by the signal
	if err != nil {
		return sum, err
	}
	return sumTraces(dir)
}

func sumTraces(dir string) (sum callsAndBytes, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "of.*"))
	if err != nil {
		return sum, err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return sum, err
		}
		one := parseTrace(string(text))
		sum.calls += one.calls
		sum.bytes += one.bytes
	}
	return sum, nil
}

// parseTrace reads what strace writes of one thread; nothing counts of one that
// became another program.
func parseTrace(text string) (sum callsAndBytes) {
	for line := range strings.Lines(text) {
		name, rest, isCall := strings.Cut(line, "(")
		if !isCall || strings.HasPrefix(name, "epoll") || strings.HasPrefix(name, "mmap") {
			continue
		}
		if name == "execve" {
			return callsAndBytes{}
		}
		sum.calls++
		switch name {
		case "write", "pwrite64", "writev", "copy_file_range", "sendfile":
			_, result, _ := strings.Cut(rest[strings.LastIndex(rest, ")")+1:], "= ")
			if n, err := strconv.ParseInt(strings.Fields(result + " 0")[0], 10, 64); err == nil && n > 0 {
				sum.bytes += n
			}
		}
	}
	return sum
}
