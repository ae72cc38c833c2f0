package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"ota/internal/kit/escape"
	"ota/internal/kit/hint"
	"ota/internal/logs"
)

// tone is a colour by what it is for (ECMA-48, select graphic rendition).
type tone string

const (
	plain  tone = ""
	good   tone = "\x1b[32m"
	notice tone = "\x1b[33m"
	bad    tone = "\x1b[31m"
	normal tone = "\x1b[0m"
)

// speaker says results and messages. That nobody listens any more is no error:
// what was asked for has been done.
type speaker struct {
	stdout, stderr io.Writer
	color          bool // on stdout
	errColor       bool
}

func newSpeaker(stdout, stderr io.Writer) *speaker {
	return &speaker{stdout, stderr, logs.Colorful(stdout), logs.Colorful(stderr)}
}

// say prints a result; each argument is made harmless.
func (s *speaker) say(format string, args ...any) {
	fmt.Fprintln(s.stdout, harmless(fmt.Sprintf(format, args...)))
}

// json prints a result for programs.
func (s *speaker) json(v any) exitCode {
	encoder := json.NewEncoder(s.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return s.fail(fmt.Errorf("cannot print the answer: %w", err))
	}
	return done
}

// tell prints a message that is no failure.
func (s *speaker) tell(format string, args ...any) {
	fmt.Fprintln(s.stderr, "ota: "+harmless(fmt.Sprintf(format, args...)))
}

// fail prints what went wrong, a line for each error that is joined in it, and
// the hint that err holds.
func (s *speaker) fail(err error) exitCode {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(s.stderr, s.toned(s.errColor, bad, "ota: ")+harmless(strings.TrimSuffix(line, "\n")))
	}
	if advice := hint.Of(err); advice != "" {
		s.advise(advice)
	}
	return failed
}

// advise prints what a person can do.
func (s *speaker) advise(advice string) {
	fmt.Fprintln(s.stderr, s.toned(s.errColor, notice, "hint: ")+harmless(advice))
}

// in colours a part of a result.
func (s *speaker) in(t tone, text string) string { return s.toned(s.color, t, text) }

func (*speaker) toned(color bool, t tone, text string) string {
	if !color || t == plain {
		return text
	}
	return string(t) + text + string(normal)
}

func harmless(line string) string { return string(escape.Line(nil, []byte(line))) }
