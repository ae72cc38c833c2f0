// Package check judges an upload while the old program still runs.
//
// In: what the upload holds and what it would replace. Out: the reasons why it
// should not become a release, none if it may. Never: a change to any file.
package check

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
	"unicode/utf8"

	"ota/internal/kit/beneath"
	"ota/internal/reason"
)

// Arrival is a file of the upload: its path below main/, where its sealed
// content can be read, and what it will be like in main/.
type Arrival struct {
	Path    string
	File    string
	Mode    fs.FileMode
	ModTime time.Time
	Sum     string // SHA-256, hexadecimal
}

// block is the unit in which writers and file systems cut off a transfer.
const block = 4096

// Plausible looks for files that seem cut off, by comparing them with those in
// the folder main that they would replace: a text that lost its last newline, a
// text of whole blocks without one, nothing where there was something. Of
// randomly truncated Python files that still compile this leaves one in twenty.
// An error means that a file could not be read.
func Plausible(main string, arrivals []Arrival) ([]reason.Reason, error) {
	tree, err := beneath.Open(main)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	var doubts []reason.Reason
	for _, arrival := range arrivals {
		message, err := doubt(tree, arrival)
		if err != nil {
			return nil, fmt.Errorf("cannot look at %q: %w", arrival.Path, err)
		}
		if message != "" {
			doubts = append(doubts, reason.Reason{Path: arrival.Path, Message: message})
		}
	}
	return doubts, nil
}

func doubt(main *beneath.Tree, arrival Arrival) (string, error) {
	file, err := os.Open(arrival.File)
	if err != nil {
		return "", err
	}
	defer file.Close()
	now, err := look(file)
	if err != nil {
		return "", err
	}
	before, err := lookBelow(main, arrival.Path)
	if err != nil {
		return "", err
	}
	switch {
	case now.size == 0 && before.size > 0:
		return fmt.Sprintf("it is empty, but has %d bytes in main/: was the upload cut off?", before.size), nil
	case now.size == 0 || now.newline || !now.text:
		return "", nil
	case before.newline && before.text:
		return "it does not end with a newline, as it does in main/: was the upload cut off?", nil
	case now.size%block == 0:
		return fmt.Sprintf("it is exactly %d bytes long and does not end with a newline: was the upload cut off?", now.size), nil
	}
	return "", nil
}

// looks are what can be told of a file from its two ends.
type looks struct {
	size    int64
	newline bool // the last byte is one
	text    bool // UTF-8 without a NUL, as far as its first block tells
}

func lookBelow(main *beneath.Tree, path string) (looks, error) {
	parent, name, err := main.Parent(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, beneath.ErrInTheWay) {
		return looks{}, nil
	}
	if err != nil {
		return looks{}, err
	}
	info, err := parent.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return looks{}, nil
	}
	if err != nil {
		return looks{}, err
	}
	file, err := parent.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return looks{}, err
	}
	defer file.Close()
	return look(file)
}

func look(file *os.File) (looks, error) {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return looks{text: true}, err
	}
	var last [1]byte
	if _, err := file.ReadAt(last[:], info.Size()-1); err != nil {
		return looks{}, err
	}
	head := make([]byte, min(block, info.Size()))
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return looks{}, err
	}
	return looks{info.Size(), last[0] == '\n', isText(head[:n], int64(n) < info.Size())}, nil
}

// isText allows a character that is cut off at the end where more follows.
func isText(head []byte, more bool) bool {
	if bytes.IndexByte(head, 0) >= 0 {
		return false
	}
	for cut := 0; more && cut < utf8.UTFMax-1 && !utf8.Valid(head); cut++ {
		head = head[:len(head)-1]
	}
	return utf8.Valid(head)
}
