//go:build !arm

package transfer

import (
	"github.com/klauspost/compress/zstd"

	"ota/internal/kit/squeeze"
)

// worth is how many bytes of text without anything older may be in what
// [squeeze.Encode] makes for each byte by which it is shorter than a frame of zstd.
// Each of them takes a server's processor some 2 µs, and that of the smallest Pi,
// which is some thirty times slower, 60. A link of 64 kbit/s takes 125 for a byte: so
// over that, and any slower one, a release is not later for it on any device.
const worth = 2

// mostOwn is the longest frame of zstd that is tried in the other way too: in longer
// ones there is so much without anything older that it is not worth it, and it would
// take the sender minutes.
const mostOwn = 128 << 10

// shortest makes data small in the way that is best for a device: a frame of zstd,
// or what package squeeze makes.
func shortest(data, dictionary []byte) []byte {
	frame := compress(data, dictionary)
	if len(frame) > mostOwn || len(frame) > len(data)-len(data)/8 {
		return frame // of pictures and archives, say, nobody makes anything smaller
	}
	own, literals := squeeze.Encode(data, dictionary)
	if len(own) < len(frame) && (len(frame)-len(own))*worth >= literals {
		return own
	}
	return frame
}

// compress makes a frame of data, which the dictionary and data before it help to
// describe. The same in gives the same out. It needs data with its dictionary to
// fit into the window.
func compress(data, dictionary []byte) []byte {
	window := zstd.MinWindowSize
	for window < len(data)+len(dictionary) && window < maxWindow {
		window *= 2
	}
	options := []zstd.EOption{
		zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithWindowSize(window),
	}
	if len(dictionary) > 0 {
		options = append(options, zstd.WithEncoderDictRaw(0, dictionary))
	}
	encoder, err := zstd.NewWriter(nil, options...)
	if err != nil {
		panic("the options of zstd contradict each other: " + err.Error())
	}
	return encoder.EncodeAll(data, nil)
}
