package activate

import (
	"context"
	"crypto/sha256"
	"io"
	"os"

	"ota/internal/release"
)

// copySum fills target with source and returns the SHA-256 of what target
// holds. Where the file system can share blocks nothing is written (FICLONE).
func copySum(ctx context.Context, target, source *os.File) (release.Sum, error) {
	hash := sha256.New()
	var from io.Reader = source
	var to io.Writer = io.MultiWriter(hash, target)
	if clone(target, source) == nil {
		from, to = target, hash
	}
	_, err := io.CopyBuffer(struct{ io.Writer }{to}, untilDone{ctx, from}, make([]byte, 64<<10))
	return release.Sum(hash.Sum(nil)), err
}

// untilDone reads until ctx is done.
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
