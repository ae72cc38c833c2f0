package prefix

import "testing"

func TestShared(t *testing.T) {
	text := []byte("a stretch of twenty-seven bytes")
	for length := range len(text) + 1 {
		other := append([]byte(nil), text...)
		if length < len(text) {
			other[length] ^= 0x80
		}
		if got := Shared(text, other); got != length {
			t.Errorf("they share %d bytes, found %d", length, got)
		}
		if got := Shared(text[:length], text); got != length {
			t.Errorf("one is the first %d bytes of the other, found %d", length, got)
		}
	}
}
