package deposit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"ota/internal/kit/beneath"
	"ota/internal/parcel"
	"ota/internal/reason"
)

// Packed is what a packed release says of itself.
type Packed struct {
	Manifest *parcel.Manifest
	Sum      [32]byte // SHA-256 of the manifest
	Signers  []string // the people whose signatures were found right
	Replaces string   // the SHA-256 of the keys that those of the manifest take the place of
}

// Packing is what a room must be told to take packed releases. The zero one
// takes them as they are.
type Packing struct {
	// Admit looks at a manifest and its signature (nil: there is none) before
	// anything else of the release is read. The error is a *reason.Refused, or
	// that of the system. It is called by several goroutines.
	Admit func(manifest, signature []byte) (Packed, error)
	// Bare says why an upload that is no packed release isn't taken.
	Bare func() error
	// Left are the files of a release that failed, in deposit/ again: a packed
	// release has all that it wants, and takes their place.
	Left func() map[string]Left
	// Space says why this much has no room.
	Space func(bytes int64, paths int) error
}

// Left is a file that lies in deposit/ and is known.
type Left struct {
	Trace string
	Sum   [32]byte
}

func (p *Packing) complete() {
	if p.Admit == nil {
		p.Admit = func(manifest, _ []byte) (Packed, error) {
			m, err := parcel.Decode(manifest)
			if err != nil {
				return Packed{}, refuseManifest(err)
			}
			return Packed{Manifest: m, Sum: sha256.Sum256(manifest)}, nil
		}
	}
	if p.Bare == nil {
		p.Bare = func() error { return nil }
	}
	if p.Left == nil {
		p.Left = func() map[string]Left { return nil }
	}
	if p.Space == nil {
		p.Space = func(int64, int) error { return nil }
	}
}

func refuseManifest(err error) error {
	return &reason.Refused{Reasons: []reason.Reason{{Path: parcel.ManifestName, Message: err.Error()}}}
}

// form is how a release came.
type form string

const (
	bare     form = "bare"     // files without a manifest
	unfolded form = "unfolded" // files with one
	archived form = "archived" // one file
)

// left is what is known to lie in deposit/ beside a packed release. Nobody asks
// where there is none.
func (r *Room) left(upload *tree) map[string]Left {
	for i := range upload.items {
		if path := upload.items[i].path; path == parcel.ManifestName || isArchive(path) {
			return r.options.Packing.Left()
		}
	}
	return nil
}

func isArchive(path string) bool {
	return strings.HasSuffix(path, parcel.Suffix) && !strings.Contains(path, "/")
}

// formOf tells whether an upload is a packed release. An archive is one that
// lies in deposit/ alone, but for what is left of a release that failed.
func formOf(upload *tree, left map[string]Left) (form, *item) {
	var archive *item
	others := 0
	for i := range upload.items {
		one := &upload.items[i]
		switch {
		case one.path == parcel.ManifestName && one.kind == KindFile:
			return unfolded, one
		case isLeft(one, left) || one.kind == KindFolder:
		case isArchive(one.path) && one.kind == KindFile:
			archive = one
			others++
		default:
			others++
		}
	}
	if archive != nil && others == 1 {
		return archived, archive
	}
	return bare, nil
}

func isLeft(one *item, left map[string]Left) bool {
	known, there := left[one.path]
	return there && known.Trace == one.id.trace()
}

// difference lists how an upload is not what its manifest lists. wrong tells of
// files whose content was compared before, and was another.
func difference(m *parcel.Manifest, upload *tree, left map[string]Left, wrong func(*item) bool) []reason.Reason {
	listed := make(map[string]*parcel.Entry, len(m.Files))
	ways := map[string]bool{}
	for i := range m.Files {
		listed[m.Files[i].Path] = &m.Files[i]
		addWays(ways, m.Files[i].Path)
	}
	for path := range left {
		addWays(ways, path)
	}
	var found []reason.Reason
	add := func(path, message string) { found = append(found, reason.Reason{Path: path, Message: message}) }
	here := map[string]bool{}
	for i := range upload.items {
		one := &upload.items[i]
		entry := listed[one.path]
		here[one.path] = true
		switch {
		case entry != nil:
			if message := unlike(one, entry, wrong); message != "" {
				add(one.path, message)
			}
		case one.path == parcel.ManifestName || one.path == parcel.SignatureName || isLeft(one, left):
		case one.kind == KindFolder && ways[one.path]:
		default:
			add(one.path, "ota-release.json does not list it")
		}
	}
	for _, entry := range m.Files {
		if !here[entry.Path] {
			add(entry.Path, "ota-release.json lists it, and it is not here yet")
		}
	}
	return atMost(found)
}

func addWays(to map[string]bool, path string) {
	for at := parentOf(path); at != "" && !to[at]; at = parentOf(at) {
		to[at] = true
	}
}

func atMost(reasons []reason.Reason) []reason.Reason {
	if len(reasons) <= mostNamed {
		return reasons
	}
	more := reason.Reason{Message: fmt.Sprintf("and %d more", len(reasons)-mostNamed)}
	return append(reasons[:mostNamed:mostNamed], more)
}

// kindsOf are the kinds of a manifest's entries here.
var kindsOf = map[parcel.EntryKind]Kind{parcel.File: KindFile, parcel.Link: KindLink, parcel.Folder: KindFolder}

func unlike(one *item, entry *parcel.Entry, wrong func(*item) bool) string {
	switch {
	case one.kind != kindsOf[entry.Kind]:
		return fmt.Sprintf("ota-release.json lists a %s of this name, and it is %s", kindsOf[entry.Kind], one.what())
	case one.kind == KindFile && one.id.size != entry.Size:
		return fmt.Sprintf("it has %d bytes where ota-release.json lists %d", one.id.size, entry.Size)
	case one.kind == KindFile && wrong(one):
		return otherContent
	}
	return ""
}

// what says what stands at a path.
func (i *item) what() string {
	if i.kind == kindOther {
		return i.id.describe()
	}
	return "a " + string(i.kind)
}

const otherContent = "its content is not the one that ota-release.json lists"

// Peek looks at deposit/ as it is now, whether it is complete or not.
func (r *Room) Peek(ctx context.Context) (*Snapshot, error) {
	dir, err := beneath.Open(r.options.Dir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	walker := walker{dir: dir, ignore: r.options.Ignore}
	seen, err := walker.walk(ctx)
	return &Snapshot{tree: seen, basis: byOrder}, err
}

// IsPacked reports whether an upload is a packed release.
func (r *Room) IsPacked(upload *Snapshot) bool {
	how, _ := formOf(upload.tree, r.left(upload.tree))
	return how != bare
}

// shelf keeps the manifest that was read last, while nobody writes it.
type shelf struct {
	manifest, signature identity
	found               *parcel.Manifest // nil: it is not taken
}

// isListed reports whether an upload is a packed release and all there, as far
// as that can be told without reading more of it than its manifest. The contents
// are compared when they are copied, so that each is read once.
func (a *attention) isListed(seen *tree) bool {
	left := a.room.left(seen)
	how, manifest := formOf(seen, left)
	if how != unfolded {
		a.shelf = shelf{}
		return false
	}
	next := shelf{manifest: manifest.id}
	for i := range seen.items {
		if seen.items[i].path == parcel.SignatureName {
			next.signature = seen.items[i].id
		}
	}
	if a.shelf.manifest != next.manifest || a.shelf.signature != next.signature {
		if packed, err := a.room.readManifest(seen); err == nil {
			next.found = packed.Manifest
		}
		a.shelf = next
	}
	return a.shelf.found != nil && len(difference(a.shelf.found, seen, left, a.room.isWrong)) == 0
}

// readManifest reads the manifest of an unfolded release, and asks whether it is
// admitted.
func (r *Room) readManifest(upload *tree) (Packed, error) {
	dir, err := beneath.Open(r.options.Dir)
	if err != nil {
		return Packed{}, err
	}
	defer dir.Close()
	s := &sealing{room: r, upload: &Snapshot{tree: upload}, dir: dir, result: &Sealed{}}
	return s.admit()
}

// admit reads manifest and signature of an unfolded release, which are to be
// taken out of deposit/ with it.
func (s *sealing) admit() (Packed, error) {
	var manifest, signature []byte
	var err error
	for i := range s.upload.tree.items {
		one := &s.upload.tree.items[i]
		switch one.path {
		case parcel.ManifestName:
			manifest, err = s.readSmall(one, parcel.LongestManifest)
		case parcel.SignatureName:
			signature, err = s.readSmall(one, parcel.LongestSignature)
		}
		if err != nil {
			return Packed{}, err
		}
	}
	return s.room.options.Packing.Admit(manifest, signature)
}

// readSmall reads a file that is to be taken out with the upload.
func (s *sealing) readSmall(one *item, most int64) ([]byte, error) {
	refused := func(message string) error {
		return &reason.Refused{Reasons: []reason.Reason{{Path: one.path, Message: message}}}
	}
	switch {
	case one.kind != KindFile:
		return nil, refused("it has to be a file")
	case one.id.size > most:
		return nil, refused(fmt.Sprintf("it is longer than the %d bytes that it may have", most))
	}
	source, err := s.open(one)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	content, err := io.ReadAll(io.LimitReader(source, most))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) != one.id.size {
		return nil, ErrChanged
	}
	s.leave(one, sha256.Sum256(content))
	return content, nil
}

// open opens a file that still is the one that the walk has seen.
func (s *sealing) open(one *item) (*os.File, error) {
	parent, name, err := s.dir.Parent(one.path)
	if err != nil {
		return nil, changedIfGone(err)
	}
	source, err := openToRead(parent, name)
	if errors.Is(err, fs.ErrPermission) {
		return nil, &reason.Refused{Reasons: []reason.Reason{{Path: one.path, Message: unreadable}}}
	}
	if err != nil {
		return nil, changedIfGone(err)
	}
	if now, err := identifyOpen(source); err != nil || now != one.id {
		return nil, errors.Join(err, ErrChanged, source.Close())
	}
	return source, nil
}

// leave notes something that goes out of deposit/ and not into main/.
func (s *sealing) leave(one *item, sum [32]byte) {
	s.result.beside = append(s.result.beside, File{Path: one.path, Kind: one.kind, Sum: sum, original: one.id})
}

// unfold makes ready to seal a release whose manifest lies beside it.
func (s *sealing) unfold(left map[string]Left) error {
	packed, err := s.admit()
	if err != nil {
		return err
	}
	wrong := difference(packed.Manifest, s.upload.tree, left, s.room.isWrong)
	if len(wrong) > 0 {
		wrong[0].Hint = "upload what is missing or wrong; \"ota discard\" moves away what lies there"
		return &reason.Refused{Reasons: wrong}
	}
	s.result.Packed = &packed
	s.ways = map[string]bool{}
	s.listed = make(map[string]*parcel.Entry, len(packed.Manifest.Files))
	for i := range packed.Manifest.Files {
		s.listed[packed.Manifest.Files[i].Path] = &packed.Manifest.Files[i]
		addWays(s.ways, packed.Manifest.Files[i].Path)
	}
	return nil
}

// ofList is what a path is to the manifest: part of the release, or not.
func (s *sealing) ofList(one *item, left map[string]Left) bool {
	if s.listed == nil || s.listed[one.path] != nil || one.kind == KindFolder && s.ways[one.path] {
		return true
	}
	if one.path != parcel.ManifestName && one.path != parcel.SignatureName { // those are noted
		s.leave(one, left[one.path].Sum)
	}
	return false
}

// agree compares what was copied with the manifest, and takes the modes from
// there: many clients know none.
func (s *sealing) agree() {
	for i := range s.result.Files {
		file := &s.result.Files[i]
		entry := s.listed[file.Path]
		switch {
		case entry == nil:
		case file.Kind == KindLink && file.Target != entry.Target:
			s.refused = append(s.refused, reason.Reason{Path: file.Path, Message: fmt.Sprintf("it leads to %q where ota-release.json lists %q", file.Target, entry.Target)})
		case file.Kind == KindFile && file.Sum != entry.Sum():
			s.room.noteWrong(file.Path, file.original)
			s.refused = append(s.refused, reason.Reason{Path: file.Path, Message: otherContent})
		case file.Kind == KindFile:
			file.Mode, file.Whole = entry.Permissions(), true
		}
	}
	s.refused = atMost(s.refused)
}

// isWrong reports whether this very file was compared, and was another.
func (r *Room) isWrong(one *item) bool {
	r.wrong.mutex.Lock()
	defer r.wrong.mutex.Unlock()
	return r.wrong.traces[one.path] == one.id.trace()
}

func (r *Room) noteWrong(path string, now identity) {
	r.wrong.mutex.Lock()
	defer r.wrong.mutex.Unlock()
	if r.wrong.traces == nil || len(r.wrong.traces) >= mostVouched {
		r.wrong.traces = map[string]string{}
	}
	r.wrong.traces[path] = now.trace()
}
