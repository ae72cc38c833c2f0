package pack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ota/internal/parcel"
)

// Project is a packed release whose files lie where they are developed: nothing
// was copied. Several goroutines may use it.
type Project struct {
	Release *parcel.Manifest
	// Manifest and Signature are as devices read them; Signature is nil if it is
	// not signed.
	Manifest, Signature []byte
	LeftOut             []string // what a device never takes

	source string
	seen   map[string]seen
}

// seen is by what a file is known to be as it was described.
type seen struct {
	size    int64
	changed time.Time
}

// ErrChanged is in the error of Open if the file is not the one that was described
// any more.
var ErrChanged = errors.New("it was changed meanwhile")

// Describe makes a release of a folder without writing anything. Out and Archive
// mean nothing to it.
func Describe(ctx context.Context, options Options) (*Project, error) {
	source, err := filepath.Abs(options.Source)
	if err != nil {
		return nil, err
	}
	found, err := list(source, "")
	if err != nil {
		return nil, err
	}
	if len(found.files) == 0 {
		return nil, fmt.Errorf("there is nothing to pack in %s", source)
	}
	release := options.Release
	release.Format = 1
	p := &Project{Release: &release, LeftOut: found.leftOut, source: source, seen: map[string]seen{}}
	if release.Files, err = describe(ctx, source, found.files, p.see); err != nil {
		return nil, err
	}
	if release.Serial == 0 {
		release.Serial = nextSerial(nil, time.Now())
	}
	if p.Manifest, err = release.Encode(); err != nil {
		return nil, fmt.Errorf("the release can't be packed: %w", err)
	}
	if options.Signing != nil {
		err = p.Sign(ctx, *options.Signing)
	}
	return p, err
}

func (p *Project) see(path string, info fs.FileInfo) {
	p.seen[path] = seen{info.Size(), info.ModTime()}
}

// Sign signs a project that was described without Signing.
func (p *Project) Sign(ctx context.Context, signing Signing) (err error) {
	p.Signature, err = signing.sign(ctx, p.Manifest, nil)
	return err
}

// Open opens the content of a file of the release. The error is [ErrChanged] if its
// size or time say that it has another one by now.
func (p *Project) Open(path string) (*os.File, error) {
	file, err := os.Open(filepath.Join(p.source, filepath.FromSlash(path)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, errors.Join(ErrChanged, err))
	}
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && (info.Size() != p.seen[path].size || !info.ModTime().Equal(p.seen[path].changed)) {
		err = fmt.Errorf("%s: %w", path, ErrChanged)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// SameAs reports whether two projects have the same files.
func (p *Project) SameAs(other *Project) bool {
	return slices.Equal(p.Release.Files, other.Release.Files)
}

// Become makes the project the very release that another one with the same files
// is.
func (p *Project) Become(other *Project) {
	p.Release, p.Manifest, p.Signature = other.Release, other.Manifest, other.Signature
}

// GoOn makes the project the very release that was begun before, if they differ
// in their serial only, and reports whether it is.
func (p *Project) GoOn(manifest, signature []byte) bool {
	before, err := parcel.Decode(manifest)
	if err != nil || (signature == nil) != (p.Signature == nil) {
		return false
	}
	same := *p.Release
	same.Serial = before.Serial
	if again, err := same.Encode(); err != nil || !bytes.Equal(again, manifest) {
		return false
	}
	p.Release, p.Manifest, p.Signature = &same, manifest, signature
	return true
}
