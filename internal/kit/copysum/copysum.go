// Package copysum copies a file and knows the SHA-256 of the copy.
//
// In: a file. Out: its content in another one, size and sum of what that holds;
// a reader that ends with a context. Never: a sync.
package copysum

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
)

// BufferSize is a good size for the buffers of Copy.
const BufferSize = 64 << 10

// Copy fills target, which is empty, with source, and returns size and SHA-256
// of what target holds. Where the file system can share blocks (FICLONE)
// nothing is written. It ends early, with ctx's error, when ctx does.
func Copy(ctx context.Context, target, source *os.File, buffer []byte) (size int64, sum [sha256.Size]byte, err error) {
	hash := sha256.New()
	var from io.Reader = source
	var to io.Writer = io.MultiWriter(hash, target)
	if clone(target, source) == nil {
		from, to = target, hash
	}
	// The struct hides the ways around the buffer, which would hash nothing.
	size, err = io.CopyBuffer(struct{ io.Writer }{to}, UntilDone(ctx, from), buffer)
	return size, [sha256.Size]byte(hash.Sum(nil)), err
}

// CopyFile copies one file to another, which must not be there, for our own eyes.
func CopyFile(ctx context.Context, to, from string, buffer []byte) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, _, err = Copy(ctx, target, source, buffer)
	return errors.Join(err, target.Close())
}

// Of returns the SHA-256 of what is left to read of source.
func Of(ctx context.Context, source io.Reader) (sum [sha256.Size]byte, err error) {
	hash := sha256.New()
	_, err = io.Copy(hash, UntilDone(ctx, source))
	return [sha256.Size]byte(hash.Sum(nil)), err
}

// UntilDone reads from a reader until ctx is done, and fails with its error then.
func UntilDone(ctx context.Context, from io.Reader) io.Reader { return untilDone{ctx, from} }

type untilDone struct {
	ctx  context.Context
	from io.Reader
}

func (r untilDone) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}
