// Package parcel knows what a packed release looks like: its manifest, and the
// archive that carries it.
//
// In: bytes from anywhere. Out: a [Manifest] of which every field is within its
// bounds, and, from an archive, exactly the files that it lists. Never: a path
// that leads out of a folder or that two file systems would take for different
// things, a byte more than the manifest has announced, or trust: whether
// somebody has signed is asked between the manifest and the files, by who opens
// the archive.
//
// A manifest is JSON, and there is one way to write each: what [Manifest.Encode]
// would not write is refused. So two programs never read different things in
// one file, and nothing can hide in it.
package parcel

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"ota/internal/kit/links"
)

// Names of the two files that make an upload a packed release. They lie at the
// top of it and never become a part of main/.
const (
	ManifestName  = "ota-release.json"
	SignatureName = ManifestName + ".sig"
	// Suffix ends the names of archives.
	Suffix = ".ota"
	// Namespace is for what a signature is made (ssh-keygen -n).
	Namespace = "ota-release"
)

// Bounds of a manifest.
const (
	LongestManifest  = 4 << 20
	LongestSignature = 64 << 10
	mostFiles        = 30_000
	longestText      = 64      // app, version
	longestMessage   = 4 << 10 // for people
	longestSigners   = 64 << 10
	largestFile      = 1 << 40
	largestNumber    = 1<<53 - 1 // JSON's numbers are floats to many
	mostPeople       = 16
	format           = 1
)

// Kind is what a release says of the files that it does not list.
type Kind string

// The kinds.
const (
	Whole   Kind = "whole"   // what earlier releases brought and it does not list goes
	Overlay Kind = "overlay" // they stay
)

// Manifest is what a release consists of. One goroutine may change it, and then
// any number may read it.
type Manifest struct {
	Format  int    `json:"format"`
	Kind    Kind   `json:"kind"`
	App     string `json:"app,omitempty"`     // the program's name; empty: any
	Version string `json:"version,omitempty"` // for people
	Serial  int64  `json:"serial"`            // orders the releases of a program
	// RollbackTo permits releases with this serial and later ones, once this one
	// has been confirmed; 0: none.
	RollbackTo int64      `json:"allow_rollback_to,omitempty"`
	Expires    *time.Time `json:"expires,omitempty"` // in whole seconds, UTC; nil: never
	Message    string     `json:"message,omitempty"` // what is new
	Needs      *Needs     `json:"needs,omitempty"`
	// Signers is the allowed_signers file that the device has from then on, and
	// Threshold how many people have to sign; nothing: both stay.
	Signers   string   `json:"allowed_signers,omitempty"`
	Threshold int      `json:"threshold,omitempty"`
	Removed   []string `json:"removed,omitempty"` // in the order of bytes
	Files     []Entry  `json:"files"`             // in the order of their paths' bytes
}

// Needs says where a release can run.
type Needs struct {
	Arch []string `json:"arch"` // as Go names them: "arm", "arm64", "amd64", "riscv64"
}

// EntryKind is what a path of a release is.
type EntryKind string

// The kinds.
const (
	File   EntryKind = ""
	Link   EntryKind = "link"
	Folder EntryKind = "folder" // with nothing in it
)

// Entry is one path of a release.
type Entry struct {
	Path   string    `json:"path"`
	Kind   EntryKind `json:"kind,omitempty"`
	Mode   string    `json:"mode,omitempty"` // of a file, see [ModeOf]
	Size   int64     `json:"size,omitempty"`
	SHA256 string    `json:"sha256,omitempty"` // of a file, in hexadecimal
	Target string    `json:"target,omitempty"` // of a link
}

// modes are those that a file can have: whether it can be run, and whether it is
// its owner's alone. What else a laptop's modes say is of that laptop.
var modes = []string{"0600", "0644", "0700", "0755"}

// ModeOf is the mode, one of the four, of a file that has these permissions.
func ModeOf(permissions fs.FileMode) string {
	switch isRun, isShared := permissions&0o100 != 0, permissions&0o044 != 0; {
	case isRun && isShared:
		return "0755"
	case isRun:
		return "0700"
	case isShared:
		return "0644"
	default:
		return "0600"
	}
}

// Permissions is the mode of a file.
func (e Entry) Permissions() fs.FileMode {
	mode, _ := strconv.ParseUint(e.Mode, 8, 32) // it was checked
	return fs.FileMode(mode)
}

// Sum is the SHA-256 of a file.
func (e Entry) Sum() (sum [32]byte) {
	hex.Decode(sum[:], []byte(e.SHA256)) // it was checked
	return sum
}

// Bytes is the size of all files together.
func (m *Manifest) Bytes() (sum int64) {
	for _, file := range m.Files {
		sum += file.Size
	}
	return sum
}

// Name is how people call the release: its version, or its serial.
func (m *Manifest) Name() string {
	if m.Version != "" {
		return m.Version
	}
	return fmt.Sprintf("serial %d", m.Serial)
}

// Encode writes the manifest: a line for each field, and one for each file. The
// error says which field is out of bounds.
func (m *Manifest) Encode() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	short := *m
	short.Files = []Entry{}
	head, err := compact(short)
	if err != nil {
		return nil, err
	}
	// Of the fields, files is the last: [] and } are what its end looks like.
	out.Write(bytes.TrimSuffix(head, []byte("]}")))
	for i, file := range m.Files {
		line, err := compact(file)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString("\n ")
		out.Write(line)
	}
	out.WriteString("\n]}\n")
	return out.Bytes(), nil
}

func compact(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSpace(out.Bytes()), err
}

// Decode reads what Encode wrote, and nothing else.
func Decode(data []byte) (*Manifest, error) {
	if len(data) > LongestManifest {
		return nil, fmt.Errorf("it is longer than the %d bytes that it may have", LongestManifest)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("it is no text in UTF-8")
	}
	m := &Manifest{}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(m); err != nil {
		return nil, notJSON(err)
	}
	if m.Format != format {
		return nil, fmt.Errorf("it has format %d; this ota knows format %d", m.Format, format)
	}
	again, err := m.Encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, data) {
		return nil, fmt.Errorf("it is not as \"ota pack\" writes it: line %d was changed, or a key is there twice", firstDifference(again, data))
	}
	return m, nil
}

func notJSON(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is cut off")
	}
	return fmt.Errorf("it is no manifest: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// firstDifference is the number of the first line that differs.
func firstDifference(a, b []byte) int {
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	return bytes.Count(a[:at], []byte("\n")) + 1
}

// check says which field is out of bounds.
func (m *Manifest) check() error {
	switch {
	case m.Format != format:
		return fmt.Errorf("format: %d is not %d", m.Format, format)
	case m.Kind != Whole && m.Kind != Overlay:
		return fmt.Errorf(`kind: %q is neither "whole" nor "overlay"`, m.Kind)
	case !isWord(m.App):
		return fmt.Errorf("app: %q is no name of letters, digits and . _ + - with %d characters at most", m.App, longestText)
	case !isWord(m.Version):
		return fmt.Errorf("version: %q is no name of letters, digits and . _ + - with %d characters at most", m.Version, longestText)
	case m.Serial < 1 || m.Serial > largestNumber:
		return fmt.Errorf("serial: %d is not between 1 and %d", m.Serial, int64(largestNumber))
	case m.RollbackTo < 0 || m.RollbackTo > m.Serial:
		return fmt.Errorf("allow_rollback_to: %d is not between 1 and the serial, %d", m.RollbackTo, m.Serial)
	case m.Expires != nil && (m.Expires.Location() != time.UTC || m.Expires.Nanosecond() != 0 || m.Expires.Year() > 9999):
		return errors.New("expires: it is no time in whole seconds, UTC")
	case len(m.Message) > longestMessage || !isPlain(m.Message, "\n"):
		return fmt.Errorf("message: it has control characters, or more than %d bytes", longestMessage)
	case len(m.Signers) > longestSigners || !isPlain(m.Signers, "\n\t"):
		return fmt.Errorf("allowed_signers: it has control characters, or more than %d bytes", longestSigners)
	case m.Threshold < 0 || m.Threshold > mostPeople:
		return fmt.Errorf("threshold: %d is not between 1 and %d", m.Threshold, mostPeople)
	case m.Needs != nil && (len(m.Needs.Arch) == 0 || slices.ContainsFunc(m.Needs.Arch, func(one string) bool { return one == "" || !isWord(one) })):
		return errors.New("needs: arch is no list of names")
	case len(m.Files) > mostFiles || len(m.Removed) > mostFiles:
		return fmt.Errorf("files: there are more than %d", mostFiles)
	}
	return m.checkPaths()
}

func (m *Manifest) checkPaths() error {
	targets := map[string]string{}
	for i, file := range m.Files {
		if err := file.check(); err != nil {
			return fmt.Errorf("%q: %w", file.Path, err)
		}
		if i > 0 && m.Files[i-1].Path >= file.Path {
			return fmt.Errorf("%q: it is listed twice, or out of order", file.Path)
		}
		if file.Kind == Link {
			targets[file.Path] = file.Target
		}
	}
	target := func(at string) (string, bool) {
		to, isLink := targets[at]
		return to, isLink
	}
	for at, to := range targets {
		if links.Follow(at, target) == links.Leaves {
			return fmt.Errorf("%q: the link to %q leads out of the release", at, to)
		}
	}
	seen := names{}
	for _, file := range m.Files {
		if err := seen.add(file); err != nil {
			return err
		}
	}
	for i, path := range m.Removed {
		switch err := CheckPath(path); {
		case err != nil:
			return fmt.Errorf("removed: %q: %w", path, err)
		case i > 0 && m.Removed[i-1] >= path:
			return fmt.Errorf("removed: %q: it is listed twice, or out of order", path)
		case seen.has(path):
			return fmt.Errorf("removed: %q: it is one of the files, too", path)
		}
	}
	return nil
}

func (e Entry) check() error {
	if err := CheckPath(e.Path); err != nil {
		return err
	}
	switch e.Kind {
	case File:
		sum, err := hex.DecodeString(e.SHA256)
		switch {
		case !slices.Contains(modes, e.Mode):
			return fmt.Errorf("the mode %q is none of %s", e.Mode, strings.Join(modes, ", "))
		case e.Size < 0 || e.Size > largestFile:
			return fmt.Errorf("the size %d is not between 0 and %d", e.Size, int64(largestFile))
		case err != nil || len(sum) != 32 || hex.EncodeToString(sum) != e.SHA256:
			return fmt.Errorf("the SHA-256 %q is not 64 small hexadecimal digits", e.SHA256)
		case e.Target != "":
			return errors.New("a file has no target")
		}
		return nil
	case Link, Folder:
		if e.Mode != "" || e.Size != 0 || e.SHA256 != "" || (e.Kind == Link) != (e.Target != "") {
			return fmt.Errorf("a %s has fields that it can't have, or lacks its target", e.Kind)
		}
		if len(e.Target) > longestPath || !isPlain(e.Target, "") {
			return errors.New("the target has control characters, or is too long")
		}
		return nil
	default:
		return fmt.Errorf("there is no kind %q", e.Kind)
	}
}

// isWord reports whether a text is a short name, or empty.
func isWord(text string) bool {
	for _, c := range []byte(text) {
		isLetter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !isLetter && !strings.ContainsRune("._+-", rune(c)) {
			return false
		}
	}
	return len(text) <= longestText
}

// isPlain reports whether a text can be shown: UTF-8 without control characters
// but for some.
func isPlain(text, but string) bool {
	for _, c := range text {
		if c == utf8.RuneError || (c < ' ' || c == 0x7f) && !strings.ContainsRune(but, c) {
			return false
		}
	}
	return utf8.ValidString(text)
}
