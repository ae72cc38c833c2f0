package agent

import (
	"ota/internal/check"
	"ota/internal/deposit"
	"ota/internal/release"
)

// packing is how deposit/ takes packed releases.
func (a *agent) packing() deposit.Packing {
	return deposit.Packing{Left: a.left, Space: a.roomFor}
}

// left are the files of a release that failed, in deposit/ again. Where that
// can't be read there are none: then they hold the upload, as anybody's would.
func (a *agent) left() map[string]deposit.Left {
	returned, err := a.releases.Returned()
	if err != nil || returned.Step != release.Done {
		return nil
	}
	found := map[string]deposit.Left{}
	for _, file := range returned.Files {
		found[string(file.Path)] = deposit.Left{Trace: file.Trace, Sum: file.Entry.Sum}
	}
	return found
}

// roomFor asks for room for what is unpacked: as for an upload, and for the
// private copies as well, which are no copies of files that are there.
func (a *agent) roomFor(bytes int64, paths int) error {
	return check.Space(
		check.Need{Dir: a.folder.own(), Bytes: 2 * bytes, Files: 3 * int64(paths)},
		check.Need{Dir: a.folder.main(), Bytes: bytes, Files: int64(paths)},
	)
}
