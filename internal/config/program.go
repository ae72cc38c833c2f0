package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// Restart says when a program that has ended is started again.
type Restart string

// What [program] restart may be. A program that a person, an update or ota
// itself has stopped is none that has ended.
const (
	OnFailure Restart = "on-failure"
	Always    Restart = "always"
	Never     Restart = "never"
)

func restart(c *Config, value any) error {
	const looks = `must be "on-failure", "always" or "never"`
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("%s, not %s", looks, kind(value))
	}
	switch word := Restart(text); word {
	case OnFailure, Always, Never:
		c.Program.Restart = word
		return nil
	}
	return fmt.Errorf("%s, not %s", looks, quote(text))
}

// StopStep is one signal of a stop.
type StopStep struct {
	Signal syscall.Signal
	After  time.Duration // since the stop began
}

// stopTimeout is between two signals of a stop where nothing else is set.
const stopTimeout = 5 * time.Second

// StopSteps says when which signal is sent. Each of StopTimeouts follows the
// signal at the same place.
func (p Program) StopSteps() []StopStep {
	var after time.Duration
	steps := make([]StopStep, len(p.StopSignals))
	for i, signal := range p.StopSignals {
		steps[i] = StopStep{signal, after}
		if i < len(p.StopTimeouts) {
			after += p.StopTimeouts[i]
		} else {
			after += stopTimeout
		}
	}
	return steps
}

func signals(c *Config, value any) error {
	names, err := stringArray(value)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return errors.New(`names no signal; it reads like ["INT", "TERM", "KILL"]`)
	}
	var list []syscall.Signal
	for _, name := range names {
		signal, ok := signalCalled(name)
		if !ok {
			return fmt.Errorf("holds the unknown signal %s", quote(name))
		}
		list = append(list, signal)
	}
	switch i := slices.Index(list, syscall.SIGKILL); {
	case i < 0:
		list = append(list, syscall.SIGKILL)
	case i < len(list)-1:
		return errors.New("holds signals after KILL, when nothing is left that could get them")
	}
	c.Program.StopSignals = list
	return nil
}

func signalCalled(name string) (syscall.Signal, bool) {
	return signalByName("SIG" + strings.TrimPrefix(strings.ToUpper(name), "SIG"))
}

// longestStop is how long a stop may take at most: nobody waits longer, and the
// times stay far from those that can't be added up.
const longestStop = 24 * time.Hour

func timeouts(c *Config, value any) error {
	texts, err := stringArray(value)
	if err != nil {
		return err
	}
	list, sum := make([]time.Duration, len(texts)), time.Duration(0)
	for i, text := range texts {
		if list[i], err = durationOf(text); err != nil {
			return fmt.Errorf("holds %s, which %w", quote(text), err)
		}
		if sum += min(list[i], 2*longestStop); sum > longestStop {
			return errors.New("can't be more than a day together")
		}
	}
	c.Program.StopTimeouts = list
	return nil
}

func reloadSignal(c *Config, value any) error {
	name, ok := value.(string)
	if !ok {
		return fmt.Errorf(`must be the name of a signal such as "HUP", not %s`, kind(value))
	}
	if name == "" {
		c.Update.ReloadSignal = 0
		return nil
	}
	signal, ok := signalCalled(name)
	switch {
	case !ok:
		return fmt.Errorf("is the unknown signal %s", quote(name))
	case signal == syscall.SIGKILL:
		return errors.New("can't be KILL, which no program survives")
	}
	c.Update.ReloadSignal = signal
	return nil
}

// account takes a user or a group. Whether there is one of that name only the
// device knows.
func account(field func(*Config) *string) setter {
	return func(c *Config, value any) error {
		const looks = `must be a name or a number such as "pi" or 1000`
		switch value := value.(type) {
		case int64:
			if value < 0 || value >= math.MaxUint32 { // the last means "leave it" to chown(2)
				return fmt.Errorf("%s, not %d", looks, value)
			}
			*field(c) = strconv.FormatInt(value, 10)
		case string:
			if !isAccount(value) {
				return fmt.Errorf("%s, not %s", looks, quote(value))
			}
			*field(c) = value
		default:
			return fmt.Errorf("%s, not %s", looks, kind(value))
		}
		return nil
	}
}

// isAccount takes what passwd(5) can hold, but for names that look like options
// or like numbers that are none.
func isAccount(text string) bool {
	if text == "" || len(text) > 255 || text[0] == '-' || strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsPrint(r) || unicode.IsSpace(r) || strings.ContainsRune(`:/,`, r)
	}) {
		return false
	}
	if text[0] < '0' || text[0] > '9' {
		return true
	}
	number, err := strconv.ParseUint(text, 10, 32)
	return err == nil && number < math.MaxUint32
}

// interpreter takes the name or the path of a Python.
func interpreter(c *Config, value any) error {
	const looks = `must be a name or a path such as "python3.11" or "/usr/bin/python3"`
	text, ok := value.(string)
	switch isPath := strings.ContainsRune(text, '/'); {
	case !ok:
		return fmt.Errorf("%s, not %s", looks, kind(value))
	case text == "" || strings.ContainsRune(text, 0) || !isPath && strings.ContainsFunc(text, unicode.IsSpace):
		return fmt.Errorf("%s, not %s", looks, quote(text))
	}
	c.Python.Interpreter = text
	return nil
}

// modules takes names of Python modules.
func modules(c *Config, value any) error {
	names, err := stringArray(value)
	if err != nil {
		return err
	}
	for _, name := range names {
		for part := range strings.SplitSeq(name, ".") {
			if !isIdentifier(part) {
				return fmt.Errorf("holds %s, which can't be the name of a module", quote(name))
			}
		}
	}
	c.Python.Preload = names
	return nil
}

// isIdentifier is what a name in Python may be, and a little more.
func isIdentifier(text string) bool {
	for i, r := range text {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r) && !unicode.IsMark(r)) {
			return false
		}
	}
	return text != ""
}
