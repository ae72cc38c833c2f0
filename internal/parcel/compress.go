//go:build !arm

package parcel

import (
	"io"

	"github.com/klauspost/compress/zstd"
)

// compressor compresses what is written to it.
func compressor(to io.Writer) (io.WriteCloser, error) {
	return zstd.NewWriter(to, zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
}
