package pack

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
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
}

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
	if release.Files, err = describe(ctx, source, found.files); err != nil {
		return nil, err
	}
	if release.Serial == 0 {
		release.Serial = nextSerial(nil, time.Now())
	}
	p := &Project{Release: &release, LeftOut: found.leftOut, source: source}
	if p.Manifest, err = release.Encode(); err != nil {
		return nil, fmt.Errorf("the release can't be packed: %w", err)
	}
	if options.Signing != nil {
		p.Signature, err = options.Signing.sign(ctx, p.Manifest, nil)
	}
	return p, err
}

// Open opens the content of a file of the release.
func (p *Project) Open(path string) (*os.File, error) {
	return os.Open(filepath.Join(p.source, filepath.FromSlash(path)))
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
