package deposit

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Others reports whether deposit/ holds something else than the files of a
// release that failed, and than files that are excepted. Who is just uploading
// counts, and so does .hold.
func (r *Room) Others(excepted func(path string, info fs.FileInfo) bool) (bool, error) {
	upload, err := r.Peek(context.Background())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	seen := upload.tree
	if seen.held() || len(seen.others) > 0 {
		return true, nil
	}
	left := r.options.Packing.Left()
	for i := range seen.items {
		one := &seen.items[i]
		if one.kind == KindFolder || isLeft(one, left) {
			continue
		}
		info, err := os.Lstat(filepath.Join(r.options.Dir, filepath.FromSlash(one.path)))
		if err != nil || !excepted(one.path, info) { // it may just go into main/
			return true, nil
		}
	}
	return false, nil
}
