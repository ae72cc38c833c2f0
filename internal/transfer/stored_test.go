package transfer

import (
	"bytes"
	"testing"
)

// TestStored: what a device that can't compress says is read like any frame, also
// behind a dictionary.
func TestStored(t *testing.T) {
	content := bytes.Repeat([]byte("water "), 100_000)
	unpacker := &unpacker{}
	for _, size := range []int{0, 1, largestBlock - 1, largestBlock, largestBlock + 1, len(content)} {
		frame := store(content[:size])
		got, err := unpacker.unpack(frame, []byte("a dictionary of something else"), make([]byte, 0, maxPiece))
		if err != nil || !bytes.Equal(got, content[:size]) {
			t.Errorf("%d bytes behind a dictionary: %d came out (%v)", size, len(got), err)
		}
	}
}
