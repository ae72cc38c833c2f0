//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// floorCommand is the argument with which the bench starts itself as the floor.
const floorCommand = "floor"

// keepOnFloor is the least that any updater must do: keep a program running,
// and for every byte that arrives end it and start it again. Somebody else put
// the files in place, and it need not find out when; so it is no updater, but
// what every one of them is measured against. It returns when orders ends.
func keepOnFloor(argv []string, orders io.Reader) error {
	if len(argv) == 0 {
		return errors.New("cannot keep a program running: none is named")
	}
	program, err := startOnFloor(argv)
	if err != nil {
		return err
	}
	reader := bufio.NewReader(orders)
	for {
		_, err := reader.ReadByte()
		if stopErr := stopOnFloor(program); stopErr != nil {
			return stopErr
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read the next order: %w", err)
		}
		if program, err = startOnFloor(argv); err != nil {
			return err
		}
	}
}

func startOnFloor(argv []string) (*exec.Cmd, error) {
	program := exec.Command(argv[0], argv[1:]...)
	program.Stdout, program.Stderr = os.Stdout, os.Stderr
	if err := program.Start(); err != nil {
		return nil, fmt.Errorf("cannot start program: %w", err)
	}
	return program, nil
}

// stopOnFloor uses the signal that ota uses first. How the program ended
// matters to nobody here.
func stopOnFloor(program *exec.Cmd) error {
	if err := program.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot stop program: %w", err)
	}
	var ended *exec.ExitError
	if err := program.Wait(); err != nil && !errors.As(err, &ended) {
		return fmt.Errorf("cannot wait for program: %w", err)
	}
	return nil
}
