package deposit

import (
	"io/fs"
	"maps"
	"sync"
)

// mostVouched bounds what is remembered. Files that have been forgotten are judged
// by what they look like, as all others are.
const mostVouched = 10_000

// vouched knows the files of which somebody has counted the bytes. Several
// goroutines may use it.
type vouched struct {
	mutex  sync.Mutex
	traces map[string]string // by path
}

// Vouch says that a file that stands in deposit/ is as long as its uploader has
// said it would be: whatever it looks like, it is not cut off. It holds for the
// very file that info, of package beneath, is of, until that is taken or written
// again.
func (r *Room) Vouch(path string, info fs.FileInfo) {
	v := &r.vouched
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.traces == nil || len(v.traces) >= mostVouched {
		v.traces = map[string]string{}
	}
	v.traces[path] = identify(info).trace()
}

// has tells whether somebody has vouched for a file as it is now.
func (v *vouched) has(path string, now identity) bool {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	return v.traces[path] == now.trace()
}

// forget is called when files have been taken.
func (v *vouched) forget(files []File) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	for _, file := range files {
		delete(v.traces, file.Path)
	}
}

// Vouched returns for which files somebody has vouched, for [Room.Revouch].
func (r *Room) Vouched() map[string]string {
	r.vouched.mutex.Lock()
	defer r.vouched.mutex.Unlock()
	return maps.Clone(r.vouched.traces)
}

// Revouch makes known what another room knew; the map is the room's from now on.
func (r *Room) Revouch(traces map[string]string) {
	r.vouched.mutex.Lock()
	defer r.vouched.mutex.Unlock()
	r.vouched.traces = traces
}
