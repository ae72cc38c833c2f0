package sshsig

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"ota/internal/kit/glob"
)

const (
	// LongestSigners is how large a list of keys may be.
	LongestSigners = 64 << 10
	mostSigners    = 256
)

// Signer is one line of an allowed_signers file.
type Signer struct {
	Name          string // the principals, as they stand there
	Key           Key
	namespaces    []glob.Pattern // nil: all
	after, before time.Time      // zero: always
}

// Signers is an allowed_signers file. It does not change, and any number of
// goroutines may use it.
type Signers []Signer

// ParseSigners reads an allowed_signers file (ssh-keygen(1), "ALLOWED SIGNERS").
// A line that is not understood makes all of it wrong: a key that was left out
// by mistake would be a device that takes nothing more. The errors name the
// line.
func ParseSigners(file []byte) (Signers, error) {
	if len(file) > LongestSigners {
		return nil, fmt.Errorf("it is longer than the %d bytes that it may have", LongestSigners)
	}
	var found Signers
	number := 0
	for line := range strings.SplitSeq(string(file), "\n") {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		one, err := parseSigner(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if found = append(found, one); len(found) > mostSigners {
			return nil, fmt.Errorf("it has more than %d keys", mostSigners)
		}
	}
	if len(found) == 0 {
		return nil, errors.New("there is no key in it")
	}
	return found, nil
}

func parseSigner(line string) (Signer, error) {
	var one Signer
	name, rest, err := word(line)
	if err != nil {
		return one, err
	}
	one.Name = strings.Trim(name, `"`)
	if one.Name == "" {
		return one, errors.New("the name of the signer is missing")
	}
	for {
		var next string
		if next, rest, err = word(rest); err != nil {
			return one, err
		}
		if isKind(next) {
			one.Key, err = parseText(next, rest)
			return one, err
		}
		if next == "" {
			return one, errors.New("there is no key in it")
		}
		if err := one.options(next); err != nil {
			return one, err
		}
	}
}

// isKind reports whether a word is the kind of a key and no option.
func isKind(word string) bool {
	return strings.HasPrefix(word, "ssh-") || strings.HasPrefix(word, "sk-") || strings.HasPrefix(word, ecdsaPrefix)
}

// word cuts the first word off; blanks between quotation marks are part of it.
func word(line string) (first, rest string, err error) {
	line = strings.TrimLeft(line, " \t")
	quoted := false
	for i := range len(line) {
		switch {
		case line[i] == '"':
			quoted = !quoted
		case (line[i] == ' ' || line[i] == '\t') && !quoted:
			return line[:i], line[i:], nil
		}
	}
	if quoted {
		return "", "", errors.New("a quotation mark is missing")
	}
	return line, "", nil
}

func parseText(kind, rest string) (Key, error) {
	text, _, _ := strings.Cut(strings.TrimLeft(rest, " \t"), " ")
	blob, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(text))
	if err != nil {
		return Key{}, errors.New("the key is damaged: not base64")
	}
	key, err := parseKey(blob)
	if err == nil && key.algorithm != kind {
		err = fmt.Errorf("the key is of the kind %q, not %q", key.algorithm, kind)
	}
	return key, err
}

// options reads a list such as namespaces="ota-release",valid-before="20270101".
func (s *Signer) options(list string) error {
	for list != "" {
		name, rest, hasValue := strings.Cut(list, "=")
		if first, after, several := strings.Cut(list, ","); several && (!hasValue || len(first) < len(name)) {
			name, rest, hasValue = first, after, false
		}
		value := ""
		if hasValue {
			var closed bool
			if value, rest, closed = strings.Cut(strings.TrimPrefix(rest, `"`), `"`); !closed {
				return fmt.Errorf("the value of %q has to stand between quotation marks", name)
			}
			rest = strings.TrimPrefix(rest, ",")
		} else if name == list {
			rest = ""
		}
		if err := s.option(strings.ToLower(name), value); err != nil {
			return err
		}
		list = rest
	}
	return nil
}

func (s *Signer) option(name, value string) (err error) {
	switch name {
	case "cert-authority":
		return errors.New("certificates are not taken: list the keys themselves, without cert-authority")
	case "namespaces":
		s.namespaces = []glob.Pattern{}
		for text := range strings.SplitSeq(value, ",") {
			if strings.HasPrefix(text, "!") {
				return fmt.Errorf("namespaces: %q: exceptions are not taken", text)
			}
			pattern, err := glob.Parse(text)
			if err != nil {
				return fmt.Errorf("namespaces: %w", err)
			}
			s.namespaces = append(s.namespaces, pattern)
		}
	case "valid-after":
		s.after, err = parseTime(value)
	case "valid-before":
		s.before, err = parseTime(value)
	default:
		return fmt.Errorf("the option %q is not known", name)
	}
	return err
}

// parseTime reads a time as ssh-keygen has it. Without a Z that is one of the
// device's zone; here it is taken for UTC, as a device may have none.
func parseTime(text string) (time.Time, error) {
	bare := strings.TrimSuffix(text, "Z")
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(bare) == len(layout) {
			if at, err := time.Parse(layout, bare); err == nil {
				return at, nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write it as 20270131 or 202701311200", text)
}

// Clock is what is known of the time. The zero one is a clock that nobody
// trusts: then keys are neither too young nor too old.
type Clock struct{ Now time.Time }

// Known reports whether the clock is known to be right.
func (c Clock) Known() bool { return !c.Now.IsZero() }

// allows says why a key may not sign this.
func (s *Signer) allows(namespace string, clock Clock) error {
	if s.namespaces != nil {
		fits := false
		for _, pattern := range s.namespaces {
			fits = fits || pattern.Match(namespace)
		}
		if !fits {
			return fmt.Errorf("the key of %s may not sign for %q", s.Name, namespace)
		}
	}
	switch {
	case !clock.Known():
	case !s.after.IsZero() && clock.Now.Before(s.after):
		return fmt.Errorf("the key of %s is valid only after %s", s.Name, s.after.Format(time.DateTime))
	case !s.before.IsZero() && !clock.Now.Before(s.before):
		return fmt.Errorf("the key of %s was valid only before %s", s.Name, s.before.Format(time.DateTime))
	}
	return nil
}

// Verify checks a file of signatures and returns who has signed: each person
// once, with the fingerprint of the key, and no key twice. Every signature has
// to be right and of a key in the list: one that is not tells that something is
// wrong.
func (s Signers) Verify(namespace string, message, file []byte, clock Clock) ([]Signed, error) {
	signatures, err := Parse(file)
	if err != nil {
		return nil, fmt.Errorf("the signature can't be read: %w", err)
	}
	var found []Signed
	for _, one := range signatures {
		signer, err := s.of(one.Key, namespace, clock)
		if err != nil {
			return nil, err
		}
		if err := one.Check(namespace, message); err != nil {
			return nil, fmt.Errorf("the signature of %s is wrong: %w", signer.Name, err)
		}
		if !counted(found, signer) {
			found = append(found, Signed{Name: signer.Name, Fingerprint: signer.Key.Fingerprint()})
		}
	}
	return found, nil
}

// Signed is somebody who has signed.
type Signed struct {
	Name        string `json:"name"`
	Fingerprint string `json:"key"`
}

func counted(found []Signed, signer Signer) bool {
	for _, one := range found {
		if one.Name == signer.Name || one.Fingerprint == signer.Key.Fingerprint() {
			return true
		}
	}
	return false
}

// of finds the line of a key that may sign this.
func (s Signers) of(key Key, namespace string, clock Clock) (Signer, error) {
	err := fmt.Errorf("the key %s, which has signed, is not in allowed_signers", key.Fingerprint())
	for _, one := range s {
		if !one.Key.Equal(key) {
			continue
		}
		if err = one.allows(namespace, clock); err == nil {
			return one, nil
		}
	}
	return Signer{}, err
}

// People is how many could have signed: each name once, and no key twice.
func (s Signers) People() int {
	var found []Signed
	for _, one := range s {
		if !counted(found, one) {
			found = append(found, Signed{Name: one.Name, Fingerprint: one.Key.Fingerprint()})
		}
	}
	return len(found)
}
