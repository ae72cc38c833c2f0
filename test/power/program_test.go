//go:build linux

package power

import (
	"fmt"
	"maps"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ota/test/harness"
)

// role makes the test binary the program in main/.
const role = "POWER_TEST_PROGRAM"

// settings make it that. A release proves itself by saying that it is ready, and
// a bad one never says it: however slow the machine is, none is taken for the
// other.
func settings() string {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`[program]
command = [%q]
env = { %s = "1" }

[python]
interpreter = "/none" # the files are no Python

[update]
quiet = "1ms"

[trial]
ready = true
period = "1m"
attempts = %d
`, self, role, attempts)
}

// attempts is how often a release may fail: it may go down with the device once.
const attempts = 2

// bad is how the main.py of a program begins that fails.
const bad = "bad "

// proving is how long one that does not fail takes to be ready.
const proving = 50 * time.Millisecond

// endOfStart and its process id end what the program writes at each start.
const endOfStart = "started as "

// runProgram writes down every file that it finds, with its sum, and then fails
// or says that it is ready. It returns its exit code.
func runProgram() int {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	main, err := os.Getwd()
	if err != nil {
		return complain(err)
	}
	found, err := harness.Read(main)
	if err == nil {
		err = noteStart(found)
	}
	if err != nil {
		return complain(err)
	}
	if strings.HasPrefix(found["main.py"].Content, bad) {
		return 1
	}
	ready := time.After(proving)
	for {
		select {
		case <-stop:
			return 0
		case <-ready:
			if err := sayReady(); err != nil {
				return complain(err)
			}
		}
	}
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 2
}

// noteStart writes at once, so that no reader sees half of it.
func noteStart(main harness.Tree) error {
	found := sums(main)
	var note strings.Builder
	for _, path := range slices.Sorted(maps.Keys(found)) {
		fmt.Fprintf(&note, "%s  %s\n", found[path], path)
	}
	fmt.Fprintf(&note, "%s%d\n", endOfStart, os.Getpid())
	file, err := os.OpenFile(filepath.Join(os.Getenv("OTA_DIR"), "starts"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteString(note.String())
	return err
}

func sayReady() error {
	ota, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		return err
	}
	defer ota.Close()
	_, err = fmt.Fprint(ota, "READY=1")
	return err
}
