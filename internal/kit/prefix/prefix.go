// Package prefix compares the beginnings of contents, as what looks for stretches
// that come again does all the time.
package prefix

import (
	"encoding/binary"
	"math/bits"
)

// Shared is how many bytes a and b begin with together.
func Shared(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}
