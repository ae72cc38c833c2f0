//go:build !arm

package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"

	"golang.org/x/term"

	"ota/internal/kit/hint"
	"ota/internal/push"
)

// Variables of the environment, for who can't or does not want to be asked.
const (
	tokenVariable       = "OTA_TOKEN"
	fingerprintVariable = "OTA_FINGERPRINT"
)

// meet makes sure that each place lets us in, one after the other, as a person may
// be asked. The first result is why one does not, for each place.
func (a *app) meet(ctx context.Context, flags pushFlags, places []push.Place) (unmet []error, err error) {
	unmet = make([]error, len(places))
	devices := 0
	for _, place := range places {
		if place.IsDevice() {
			devices++
		}
	}
	switch isAbout := flags.pair || flags.fingerprint != "" || flags.tokenFile != ""; {
	case devices == 0 && isAbout:
		return nil, hint.With(errors.New("no target is an https:// address, which --pair, --fingerprint and --token-file are for"), "leave them out: over ssh there are no such things")
	case devices == 0:
		return unmet, nil
	}
	meeting, err := a.meeting(ctx, flags)
	if err != nil {
		return nil, err
	}
	if devices > 1 && (meeting.Token != "" || meeting.Fingerprint != "") {
		return nil, hint.With(errors.New("one token or fingerprint is not for several devices"), "push to one after the other, or from a terminal once, which keeps what it learns of each")
	}
	for i, place := range places {
		unmet[i] = place.Meet(ctx, meeting)
	}
	if ctx.Err() != nil {
		return nil, errors.New("interrupted")
	}
	return unmet, nil
}

func (a *app) meeting(ctx context.Context, flags pushFlags) (m push.Meeting, err error) {
	m = push.Meeting{Known: push.OpenKnown(), Token: strings.TrimSpace(os.Getenv(tokenVariable)), Name: nameOfComputer(), Tell: func(text string) { a.tell("%s", text) }}
	if flags.tokenFile != "" {
		if m.Token, err = tokenIn(a.at(flags.tokenFile)); err != nil {
			return m, err
		}
	}
	if flags.pair {
		m.Pairing, m.Token = push.Anew, ""
	}
	shown := flags.fingerprint
	if shown == "" {
		shown = os.Getenv(fingerprintVariable)
	}
	if shown != "" {
		if m.Fingerprint, err = push.ParseFingerprint(shown); err != nil {
			return m, hint.With(err, `take it from "ota status" on the device`)
		}
	}
	if term.IsTerminal(int(os.Stdin.Fd())) && !flags.asJSON {
		m.Ask = asker{a, ctx}
	}
	return m, nil
}

func tokenIn(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("cannot read the token: %w", err)
	}
	defer file.Close()
	line, err := firstLine(file)
	if err != nil {
		return "", fmt.Errorf("cannot read the token: %w", err)
	}
	if line = strings.TrimSpace(line); line == "" {
		err = fmt.Errorf("there is no token in %s", path)
	}
	return line, err
}

// nameOfComputer is who pushes, and from where.
func nameOfComputer() string {
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	if account, err := user.Current(); err == nil {
		// On Windows the domain is before the name.
		return account.Username[strings.LastIndexByte(account.Username, '\\')+1:] + "@" + host
	}
	return host
}

// asker asks on the terminal.
type asker struct {
	*app
	ctx context.Context
}

// Trusts asks until it is yes or no.
func (k asker) Trusts(host string, shown push.Fingerprint) (bool, error) {
	k.tell("the certificate of %s is not known here; its SHA-256 is", host)
	k.tell("  %s", shown)
	for {
		answer, err := k.line("Does \"ota status\" on the device show the same? (yes/no) ")
		switch strings.ToLower(answer) {
		case "yes":
			return true, nil
		case "no", "n":
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// Code asks for the pairing code.
func (k asker) Code(host string) (string, error) {
	return k.line(fmt.Sprintf("Code that \"ota web pair\" shows on %s: ", host))
}

// line reads one. What reads still waits when ctx ends; it ends with the process.
func (k asker) line(prompt string) (string, error) {
	fmt.Fprint(k.stderr, harmless(prompt))
	type answer struct {
		text string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		text, err := bufio.NewReader(io.LimitReader(os.Stdin, mostLine)).ReadString('\n')
		answered <- answer{strings.TrimSpace(text), err}
	}()
	select {
	case got := <-answered:
		if errors.Is(got.err, io.EOF) {
			return "", errors.New("nothing was typed")
		}
		return got.text, got.err
	case <-k.ctx.Done():
		fmt.Fprintln(k.stderr)
		return "", k.ctx.Err()
	}
}
