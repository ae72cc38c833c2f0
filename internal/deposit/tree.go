package deposit

import (
	"io/fs"
	"slices"
	"strings"
	"time"
)

// identity is what tells whether a path still is what it was. Its fields are
// all that a change of content can't leave alone.
type identity struct {
	dev, ino uint64
	size     int64
	mtime    int64 // nanoseconds since 1970
	ctime    int64
	mode     uint32 // type and permissions, as the system has them
	nlink    uint64
}

// sameInode reports whether the two are one thing, whatever happened to it.
func (i identity) sameInode(other identity) bool { return i.dev == other.dev && i.ino == other.ino }

func (i identity) modified() time.Time { return time.Unix(0, i.mtime) }

// item is one path of deposit/.
type item struct {
	path  string
	kind  Kind
	class class
	id    identity
	fault error // a folder that can't be listed
}

// leaf reports whether the item is more than a way to others.
func (i *item) leaf() bool { return i.kind != KindFolder || i.fault != nil }

// tree is what a walk found. It does not change once it is made.
type tree struct {
	items  []item // in the order of the walk: a folder, then what is in it
	others []item // unfinished files; what is in an unfinished folder is not listed
	hold   identity
	files  int
	bytes  int64
	// content tells whether the items make an upload: placeholders alone don't.
	content content
	cover   cover
}

// content is whether there is something to take.
type content string

const (
	nothing content = "nothing"
	some    content = "some"
)

// cover is how far the system tells of changes in what was walked.
type cover string

const (
	watched   cover = "watched"   // of every one
	unwatched cover = "unwatched" // of some not: it has to be walked again and again
)

// held reports whether the uploader has put up .hold.
func (t *tree) held() bool { return t.hold != identity{} }

// equal reports whether two walks saw the same.
func (t *tree) equal(other *tree) bool {
	return slices.EqualFunc(t.items, other.items, sameItem) &&
		slices.EqualFunc(t.others, other.others, sameItem)
}

func sameItem(a, b item) bool {
	return a.path == b.path && a.kind == b.kind && a.id == b.id && (a.fault == nil) == (b.fault == nil)
}

// sameUpload reports whether two walks saw the same upload. A folder's own size
// and times tell of names that came and went, and don't matter for that.
func (t *tree) sameUpload(other *tree) bool {
	return slices.EqualFunc(t.items, other.items, sameInUpload)
}

func sameInUpload(a, b item) bool {
	a.id, b.id = withoutListing(a), withoutListing(b)
	return sameItem(a, b)
}

func withoutListing(i item) identity {
	if i.kind != KindFolder {
		return i.id
	}
	return identity{dev: i.id.dev, ino: i.id.ino, mode: i.id.mode}
}

// names returns the set of paths of items.
func (t *tree) names() map[string]*item {
	names := make(map[string]*item, len(t.items))
	for i := range t.items {
		names[t.items[i].path] = &t.items[i]
	}
	return names
}

// holds reports whether everything of an earlier walk's upload is still there
// as it was; there may be more.
func (t *tree) holds(upload *tree) bool {
	names := t.names()
	for _, old := range upload.items {
		now, there := names[old.path]
		if !there || !sameInUpload(*now, old) {
			return false
		}
	}
	return true
}

// add puts an item into the upload. Whether a folder does by itself, the
// walker knows.
func (t *tree) add(found item) {
	t.items = append(t.items, found)
	if !found.leaf() {
		return
	}
	t.content = some
	t.files++
	t.bytes += found.bytes()
}

func (i *item) bytes() int64 {
	if i.kind != KindFile {
		return 0
	}
	return i.id.size
}

// kindOf is the kind of what has this mode.
func kindOf(mode fs.FileMode) Kind {
	switch mode.Type() {
	case 0:
		return KindFile
	case fs.ModeDir:
		return KindFolder
	case fs.ModeSymlink:
		return KindLink
	default:
		return kindOther
	}
}

// parentOf is the folder of a path, "" being the top.
func parentOf(at string) string { return at[:max(0, strings.LastIndexByte(at, '/'))] }
