package transfer

import "encoding/binary"

const (
	largestBlock = 128 << 10 // the largest that the format allows
	lastBlock    = 1         // the other bits of the lowest byte, 0: a block that is stored
)

// store makes a frame of zstd that holds data as it is (RFC 8878, 3.1.1).
func store(data []byte) []byte {
	// The magic number, no options, and a window of 1<<(10+7) bytes.
	frame := append(make([]byte, 0, len(data)+len(data)/largestBlock*3+16), 0x28, 0xb5, 0x2f, 0xfd, 0x00, 7<<3)
	for {
		n := min(len(data), largestBlock)
		header := uint32(n) << 3
		if n == len(data) {
			header |= lastBlock
		}
		var bytes [4]byte
		binary.LittleEndian.PutUint32(bytes[:], header)
		frame = append(append(frame, bytes[:3]...), data[:n]...)
		if data = data[n:]; header&lastBlock != 0 {
			return frame
		}
	}
}
