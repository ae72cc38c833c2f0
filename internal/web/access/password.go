package access

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"ota/internal/api"
)

// digest is the SHA-256 of a secret that nobody can guess.
type digest [sha256.Size]byte

func digestOf(secret string) digest { return sha256.Sum256([]byte(secret)) }

// is takes the same time wherever they differ.
func (d digest) is(other digest) bool { return subtle.ConstantTimeCompare(d[:], other[:]) == 1 }

// MarshalText writes it in hexadecimal.
func (d digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads it.
func (d *digest) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(d) || len(text)%2 != 0 {
		return errors.New("a SHA-256 has 64 hexadecimal digits")
	}
	_, err := hex.Decode(d[:], text)
	return err
}

const (
	leastPassword = 8    // characters
	mostPassword  = 1024 // bytes
	saltBytes     = 16
)

// A password's check takes about half a second, in these bounds: less is too
// cheap for who has the file, more too dear for a Pi Zero.
const (
	checkTime       = 500 * time.Millisecond
	leastIterations = 100_000
	mostIterations  = 600_000
)

// password is what is kept of it.
type password struct {
	Salt       []byte `json:"salt"`
	Iterations int    `json:"iterations"`
	Key        []byte `json:"key"` // PBKDF2 with HMAC-SHA-256 (RFC 8018)
}

// fits says what is wrong with a password.
func fits(text string) error {
	switch {
	case !utf8.ValidString(text):
		return &api.Unfit{Reason: "the password is not text in UTF-8"}
	case len(text) > mostPassword:
		return &api.Unfit{Reason: fmt.Sprintf("the password is longer than %d bytes", mostPassword)}
	case utf8.RuneCountInString(text) < leastPassword:
		return &api.Unfit{Reason: fmt.Sprintf("the password has fewer than %d characters", leastPassword), Advice: "a few words that have nothing to do with each other are good, and easy to keep in mind"}
	case strings.TrimSpace(text) == "":
		return &api.Unfit{Reason: "the password has nothing but blanks"}
	case isLink(strings.TrimSpace(text)):
		return &api.Unfit{Reason: "the password looks like the code of a link"}
	}
	return nil
}

func newPassword(text string, iterations int) (*password, error) {
	p := &password{Salt: make([]byte, saltBytes), Iterations: iterations}
	rand.Read(p.Salt) // never fails (crypto/rand)
	var err error
	p.Key, err = p.derive(text)
	return p, err
}

func (p *password) is(text string) bool {
	if len(text) > mostPassword {
		return false
	}
	key, err := p.derive(text)
	return err == nil && subtle.ConstantTimeCompare(key, p.Key) == 1
}

func (p *password) derive(text string) ([]byte, error) {
	return pbkdf2.Key(sha256.New, text, p.Salt, p.Iterations, sha256.Size)
}

// iterations are as many as this machine does in the time for a check.
func iterations() int {
	const sample = 10_000
	began := time.Now()
	if _, err := newPassword("a sample", sample); err != nil {
		return mostIterations
	}
	return iterationsFor(time.Since(began), sample)
}

func iterationsFor(took time.Duration, sample int64) int {
	fit := sample * int64(checkTime) / max(int64(took), 1)
	return int(min(max(fit/1000*1000, leastIterations), mostIterations))
}
