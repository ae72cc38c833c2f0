//go:build !arm

package transfer

import "github.com/klauspost/compress/zstd"

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
