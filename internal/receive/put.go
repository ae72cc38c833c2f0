package receive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"ota/internal/check"
	"ota/internal/kit/copysum"
	"ota/internal/kit/durable"
	"ota/internal/parcel"
	"ota/internal/transfer"
)

// fileOf is the entry of a file in memory.
func fileOf(path string, content []byte) transfer.Entry {
	return transfer.Entry{Path: path, Kind: transfer.KindFile, Mode: 0o644, Size: int64(len(content)), Sum: sha256.Sum256(content)}
}

// FileOf is the entry of a manifest or a signature, for the sender.
func FileOf(path string, content []byte) transfer.Entry { return fileOf(path, content) }

// holdName keeps deposit/ from being taken while it is filled.
const holdName = ".hold"

// putting is one release on its way into deposit/.
type putting struct {
	*receiving
	ctx      context.Context
	base     *tree
	received transfer.Received
	deposit  *os.Root
	buffer   []byte
}

// put puts what has arrived into deposit/: the manifest last, so that the release
// is complete then and not before, whenever this is cut off.
func (r *receiving) put(ctx context.Context, base *tree, received transfer.Received) error {
	p := &putting{receiving: r, ctx: ctx, base: base, received: received, buffer: make([]byte, copysum.BufferSize)}
	manifest, m, err := p.manifest()
	if err != nil {
		return err
	}
	need := check.Need{Dir: r.place.deposit(), Bytes: m.Bytes(), Files: int64(len(m.Files))}
	if err := check.Space(need); err != nil {
		return err
	}
	disk, err := durable.OpenFS(r.place.deposit())
	if err != nil {
		return err
	}
	defer disk.Close()
	if p.deposit, err = os.OpenRoot(r.place.deposit()); err != nil {
		return err
	}
	defer p.deposit.Close()
	release, err := p.hold()
	if err != nil {
		return fmt.Errorf("cannot put the release into deposit/: %w", err)
	}
	if err := p.fill(m); err != nil {
		return fmt.Errorf("cannot put the release into deposit/: %w", err)
	}
	if err := disk.Sync(); err != nil {
		return fmt.Errorf("cannot sync deposit/: %w", err)
	}
	if err := durable.Replace(r.last(), manifest, 0o600); err != nil {
		return err
	}
	return release()
}

// manifest is the one that has arrived, and it must be the announced one.
func (p *putting) manifest() ([]byte, *parcel.Manifest, error) {
	file, err := p.open(parcel.ManifestName)
	if err != nil {
		return nil, nil, fmt.Errorf("no manifest has arrived: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, parcel.LongestManifest+1))
	if err != nil {
		return nil, nil, err
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != p.head.Sum {
		return nil, nil, errors.New("the manifest that has arrived is not the one that was announced")
	}
	m, err := parcel.Decode(content)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", parcel.ManifestName, err)
	}
	return content, m, listed(m, p.received.Listing)
}

// open opens a content that has arrived, or that the device had.
func (p *putting) open(at string) (*os.File, error) {
	i := slices.IndexFunc(p.received.Listing, func(entry transfer.Entry) bool { return entry.Path == at })
	if i < 0 {
		return nil, fs.ErrNotExist
	}
	return p.content(p.received.Listing[i])
}

func (p *putting) content(entry transfer.Entry) (*os.File, error) {
	name := hex.EncodeToString(entry.Sum[:])
	file, err := os.Open(filepath.Join(p.received.Contents, name))
	if !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if sum := sha256.Sum256(p.base.manifest); p.base.manifest != nil && transfer.Digest(sum) == entry.Sum {
		return os.Open(p.last())
	}
	return os.Open(p.base.store.Path([32]byte(entry.Sum)))
}

// hold keeps the upload from being taken before all of it is there, as any client
// can. What somebody else holds stays held.
func (p *putting) hold() (release func() error, err error) {
	if _, err := os.Lstat(p.holding()); err != nil {
		file, err := p.deposit.OpenFile(holdName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			return func() error { return nil }, nil
		}
		if err != nil {
			return nil, err
		}
		if err := errors.Join(file.Close(), os.WriteFile(p.holding(), nil, 0o600)); err != nil {
			return nil, err
		}
	}
	return func() error {
		if err := p.deposit.Remove(holdName); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return os.Remove(p.holding())
	}, nil
}

// fill writes all files.
func (p *putting) fill(m *parcel.Manifest) error {
	if err := p.clear(m); err != nil {
		return err
	}
	var last []transfer.Entry
	for _, entry := range p.received.Listing {
		if entry.Path == parcel.ManifestName || entry.Path == parcel.SignatureName {
			last = append(last, entry)
			continue
		}
		if err := p.write(entry); err != nil {
			return err
		}
	}
	slices.Reverse(last) // the manifest comes last
	for _, entry := range last {
		if err := p.write(entry); err != nil {
			return err
		}
	}
	return nil
}

// clear takes away what is left of an earlier push: exactly the contents that its
// manifest lists. Anything else is somebody's, and stays.
func (p *putting) clear(next *parcel.Manifest) error {
	content, err := p.deposit.ReadFile(parcel.ManifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	before, err := parcel.Decode(content)
	if err != nil {
		return nil // it is written over
	}
	kept := map[string]bool{}
	for _, file := range next.Files {
		kept[file.Path] = true
	}
	for _, file := range slices.Backward(before.Files) {
		if kept[file.Path] || !p.isListed(file) {
			continue
		}
		for at := file.Path; at != "."; at = path.Dir(at) {
			if p.deposit.Remove(at) != nil {
				break // a folder with something in it
			}
		}
	}
	for _, name := range []string{parcel.ManifestName, parcel.SignatureName} {
		if err := p.deposit.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// isListed reports whether a path of deposit/ is what a manifest lists.
func (p *putting) isListed(entry parcel.Entry) bool {
	info, err := p.deposit.Lstat(entry.Path)
	if err != nil {
		return false
	}
	if entry.Kind != parcel.File {
		return !info.Mode().IsRegular()
	}
	if !info.Mode().IsRegular() || info.Size() != entry.Size {
		return false
	}
	file, err := p.deposit.Open(entry.Path)
	if err != nil {
		return false
	}
	defer file.Close()
	sum, err := copysum.Of(p.ctx, file)
	return err == nil && sum == entry.Sum()
}

func (p *putting) write(entry transfer.Entry) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if parent := path.Dir(entry.Path); parent != "." {
		if err := p.deposit.MkdirAll(parent, 0o755); err != nil {
			return err
		}
	}
	if entry.Kind == transfer.KindFolder {
		return p.deposit.MkdirAll(entry.Path, 0o755)
	}
	if err := p.deposit.Remove(entry.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if entry.Kind == transfer.KindLink {
		return p.deposit.Symlink(entry.Target, entry.Path)
	}
	source, err := p.content(entry)
	if err != nil {
		return err
	}
	defer source.Close()
	file, err := p.deposit.OpenFile(entry.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, entry.Mode)
	if err != nil {
		return err
	}
	_, sum, err := copysum.Copy(p.ctx, file, source, p.buffer)
	if err = errors.Join(err, file.Close()); err == nil && transfer.Digest(sum) != entry.Sum {
		err = fmt.Errorf("%q: what is on the disk is not what was written to it", entry.Path)
	}
	return err
}
