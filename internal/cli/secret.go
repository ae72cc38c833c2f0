package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// newPassword asks for a password twice, or reads the first line of a stdin that
// is no terminal.
func (a *app) newPassword() (string, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		line, err := firstLine(os.Stdin)
		if err != nil {
			err = fmt.Errorf("cannot read it from stdin: %w", err)
		}
		return line, err
	}
	first, err := a.askSecretly("new password: ")
	if err != nil || first == "" {
		return "", err
	}
	second, err := a.askSecretly("once more: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two are not the same")
	}
	return first, nil
}

// mostLine is more than any password may have.
const mostLine = 64 << 10

func firstLine(from io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(from, mostLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}

// askSecretly reads a line from the terminal, which does not show it. A signal
// leaves the terminal as it was: a shell that shows nothing looks broken.
func (a *app) askSecretly(prompt string) (string, error) {
	fd := int(os.Stdin.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("cannot ask for it on the terminal: %w", err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	fmt.Fprint(a.stderr, prompt)
	defer fmt.Fprintln(a.stderr)
	type answer struct {
		text []byte
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		answered <- answer{text, err}
	}()
	select {
	case got := <-answered:
		if errors.Is(got.err, io.EOF) {
			return "", errors.New("nothing was typed")
		}
		return string(got.text), got.err
	case <-signals:
		// What reads still waits; it ends with the process.
		return "", errors.Join(errors.New("interrupted"), term.Restore(fd, before))
	}
}
