package release

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Sum is a SHA-256; as text "sha256:" and 64 hexadecimal digits.
type Sum [sha256.Size]byte

const sumPrefix = "sha256:"

// Hex is the sum as sha256sum prints it.
func (s Sum) Hex() string { return hex.EncodeToString(s[:]) }

// String is the sum as it stands in records and status.
func (s Sum) String() string { return sumPrefix + s.Hex() }

// MarshalText is String.
func (s Sum) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Sum) UnmarshalText(text []byte) error {
	digits, ok := strings.CutPrefix(string(text), sumPrefix)
	decoded, err := hex.DecodeString(digits)
	if !ok || err != nil || len(decoded) != len(s) {
		return fmt.Errorf("%q is not a SHA-256 sum", text)
	}
	copy(s[:], decoded)
	return nil
}

// Name is a file name or path of any bytes that survives JSON, which knows
// text only: what is not UTF-8, and what begins with a quotation mark, is
// written as a Go string with its quotation marks.
type Name string

// MarshalText writes the name.
func (n Name) MarshalText() ([]byte, error) {
	if utf8.ValidString(string(n)) && !strings.HasPrefix(string(n), `"`) {
		return []byte(n), nil
	}
	return []byte(strconv.QuoteToASCII(string(n))), nil
}

// UnmarshalText reads what MarshalText wrote.
func (n *Name) UnmarshalText(text []byte) error {
	if len(text) == 0 || text[0] != '"' {
		*n = Name(text)
		return nil
	}
	unquoted, err := strconv.Unquote(string(text))
	if err != nil {
		return fmt.Errorf("%s is not a quoted name", text)
	}
	*n = Name(unquoted)
	return nil
}

// Mode is the permission bits of a file, in JSON octal text: "0644".
type Mode fs.FileMode

// MarshalText writes the mode in octal.
func (m Mode) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%04o", uint32(m)&0o777), nil }

// UnmarshalText reads what MarshalText wrote.
func (m *Mode) UnmarshalText(text []byte) error {
	bits, err := strconv.ParseUint(string(text), 8, 32)
	if err != nil || bits > 0o777 {
		return fmt.Errorf("%q is not a file mode", text)
	}
	*m = Mode(bits)
	return nil
}

// Kind is what stands at a path of a release.
type Kind string

// The kinds.
const (
	File   Kind = "file"
	Folder Kind = "folder"
	Link   Kind = "link" // symbolic
)

// Entry is one path of a release. A file has mode, size and the SHA-256 of its
// content; a folder the SHA-256 of its listing; a link its target.
type Entry struct {
	Kind   Kind  `json:"kind"`
	Mode   Mode  `json:"mode,omitzero"`
	Size   int64 `json:"size,omitzero"`
	Sum    Sum   `json:"sha256,omitzero"`
	Target Name  `json:"target,omitempty"`
}

// named is a line of a listing.
type named struct {
	Name Name `json:"name"`
	Entry
}

// encodeListing writes a folder's listing: a JSON object a line, ordered by the
// bytes of the names, so that the same folder always gives the same bytes.
func encodeListing(lines []named) ([]byte, error) {
	var listing []byte
	for _, line := range lines {
		data, err := json.Marshal(line)
		if err != nil {
			return nil, err
		}
		listing = append(append(listing, data...), '\n')
	}
	return listing, nil
}

func decodeListing(data []byte) (map[string]Entry, error) {
	entries := map[string]Entry{}
	for line := range strings.Lines(string(data)) {
		var one named
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			return nil, err
		}
		if _, twice := entries[string(one.Name)]; twice || !validName(string(one.Name)) {
			return nil, fmt.Errorf("the name %q is wrong here", one.Name)
		}
		entries[string(one.Name)] = one.Entry
	}
	return entries, nil
}

func validName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}
