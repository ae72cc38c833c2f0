// Package packed reads what lies in the binary compressed, where it takes a third
// of the room: scripts, pages and lists that are seldom asked for.
//
// In: NAME.gz, as go:embed brings it. Out: what is in NAME. Never: an error: both
// are part of the program, and a test of the package that they belong to sees to
// it that they say the same (see packedtest).
package packed

import (
	"bytes"
	"compress/gzip"
	"io"
)

// Open returns what was compressed by gzip (RFC 1952). It panics if that is damaged.
func Open(file []byte) []byte {
	from, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		panic(err)
	}
	content, err := io.ReadAll(from)
	if err != nil {
		panic(err)
	}
	return content
}
