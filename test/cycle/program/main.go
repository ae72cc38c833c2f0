//go:build linux

// Program is the program of the cycle: it writes down what it finds in main/,
// says READY=1 and lives until it is ended. In a bad release it ends at once.
package main

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"ota/test/cycle/sight"
)

func main() {
	words, err := look()
	if err == nil {
		err = note(strings.Join(words, " ") + "\n")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if main, err := os.ReadFile("main.py"); err == nil && strings.HasPrefix(string(main), "bad") {
		fmt.Fprintln(os.Stderr, "this release is bad")
		os.Exit(1)
	}
	if err := sayReady(os.Getenv("NOTIFY_SOCKET")); err != nil {
		fmt.Fprintln(os.Stderr, "cannot say READY=1:", err)
	}
	time.Sleep(math.MaxInt64)
}

// look has a word for each path in main/.
func look() (words []string, err error) {
	err = filepath.WalkDir(".", func(path string, found fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		info, err := found.Info()
		if err != nil {
			return err
		}
		var content string
		switch {
		case info.Mode().IsRegular():
			var data []byte
			data, err = os.ReadFile(path)
			content = string(data)
		case info.Mode().Type() == fs.ModeSymlink:
			content, err = os.Readlink(path)
		}
		words = append(words, sight.Word(path, info.Mode(), content))
		return err
	})
	slices.Sort(words)
	return words, err
}

// note adds a line to $OTA_DIR/starts, in one call.
func note(line string) error {
	path := filepath.Join(os.Getenv("OTA_DIR"), "starts")
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteString(line)
	return err
}

// sayReady does without package net, so that the program starts in no time.
func sayReady(address string) error {
	if address == "" {
		return nil
	}
	socket, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(socket)
	return syscall.Sendto(socket, []byte("READY=1"), 0, &syscall.SockaddrUnix{Name: address})
}
