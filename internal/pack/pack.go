// Package pack makes packed releases, on the machine of who develops the
// program.
//
// In: a folder with a program. Out: the same files with a manifest that lists
// them, or one archive; signed by the developer's ssh key, if that is wanted.
// Never: a file that .gitignore or .otaignore leaves out, a change in the folder
// that is packed, a private key (ssh-keygen signs, with its agent and hardware
// keys), or a device.
package pack

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"ota/internal/kit/copysum"
	"ota/internal/kit/hint"
	"ota/internal/parcel"
	"ota/internal/sshsig"
)

// Options say what to pack, and how.
type Options struct {
	Source  string // the folder
	Out     string // the folder or the archive to be made; empty: an archive named after app and version
	Archive bool
	// Release is the manifest without its files. A serial of 0 is chosen.
	Release parcel.Manifest
	// Signers is the path of an allowed_signers file that the release brings;
	// empty: none.
	Signers string
	Signing *Signing // nil: not signed
}

// Packed says what was made.
type Packed struct {
	Release *parcel.Manifest
	Path    string
	Bytes   int64    // of an archive
	LeftOut []string // what a device never takes
}

// Pack makes a packed release.
func Pack(ctx context.Context, options Options) (Packed, error) {
	source, err := filepath.Abs(options.Source)
	if err != nil {
		return Packed{}, err
	}
	release := options.Release
	release.Format = 1
	if options.Signers != "" {
		if release.Signers, err = readSigners(options.Signers); err != nil {
			return Packed{}, err
		}
	}
	out := options.Out
	if out == "" {
		out = archiveName(release)
	}
	if out, err = filepath.Abs(out); err != nil {
		return Packed{}, err
	}
	before, err := earlier(out, options.Archive)
	if err != nil {
		return Packed{}, err
	}
	found, err := list(source, out)
	if err != nil {
		return Packed{}, err
	}
	if len(found.files) == 0 {
		return Packed{}, fmt.Errorf("there is nothing to pack in %s", source)
	}
	if release.Files, err = describe(ctx, source, found.files, nil); err != nil {
		return Packed{}, err
	}
	if release.Serial == 0 {
		release.Serial = nextSerial(before, time.Now())
	}
	p := &packing{ctx: ctx, source: source, out: out, before: before, release: &release}
	if p.manifest, err = release.Encode(); err != nil {
		return Packed{}, fmt.Errorf("the release can't be packed: %w", err)
	}
	if options.Signing != nil {
		if p.signature, err = options.Signing.sign(ctx, p.manifest, nil); err != nil {
			return Packed{}, err
		}
	}
	packed := Packed{Release: &release, Path: out, LeftOut: found.leftOut}
	if options.Archive {
		packed.Bytes, err = p.archive()
		return packed, err
	}
	return packed, p.folder()
}

func readSigners(path string) (string, error) {
	list, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if _, err := sshsig.ParseSigners(list); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return string(list), nil
}

// archiveName is where an archive goes if nobody says.
func archiveName(release parcel.Manifest) string {
	name := release.App
	if name == "" {
		name = "release"
	}
	if release.Version != "" {
		name += "-" + release.Version
	}
	return name + parcel.Suffix
}

// earlier returns the release that was packed to the same place before; nil:
// none.
func earlier(out string, isArchive bool) (*parcel.Manifest, error) {
	if !isArchive {
		manifest, err := os.ReadFile(filepath.Join(out, parcel.ManifestName))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return decode(filepath.Join(out, parcel.ManifestName), manifest)
	}
	file, err := os.Open(out)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	archive, err := parcel.OpenArchive(file)
	if err != nil {
		return nil, hint.With(fmt.Errorf("%s is there and no packed release: %w", out, err), "give another name with -o")
	}
	defer archive.Close()
	return decode(out, archive.Manifest)
}

func decode(path string, manifest []byte) (*parcel.Manifest, error) {
	m, err := parcel.Decode(manifest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// nextSerial is the second that it is, as machines that develop know it, and in
// any case more than that of the release that was packed to the same place.
func nextSerial(before *parcel.Manifest, now time.Time) int64 {
	serial := now.Unix()
	if before != nil && before.Serial >= serial {
		serial = before.Serial + 1
	}
	return serial
}

// describe makes the entries of a manifest. See hears of each file that was read,
// if it is not nil.
func describe(ctx context.Context, source string, files []found, see func(path string, info fs.FileInfo)) ([]parcel.Entry, error) {
	entries := make([]parcel.Entry, len(files))
	for i, file := range files {
		entries[i] = parcel.Entry{Path: file.path, Kind: file.kind, Target: file.target}
		if file.kind != parcel.File {
			continue
		}
		open, err := os.Open(filepath.Join(source, filepath.FromSlash(file.path)))
		if err != nil {
			return nil, err
		}
		info, err := open.Stat()
		if err == nil {
			entries[i].Mode, entries[i].Size = parcel.ModeOf(modeOn(info)), info.Size()
			var sum [32]byte
			sum, err = copysum.Of(ctx, open)
			entries[i].SHA256 = hex.EncodeToString(sum[:])
			if see != nil {
				see(file.path, info)
			}
		}
		if err := errors.Join(err, open.Close()); err != nil {
			return nil, err
		}
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Path < entries[j].Path })
	return entries, nil
}

// packing is one call of Pack that has come to writing.
type packing struct {
	ctx                 context.Context
	source, out         string
	before, release     *parcel.Manifest
	manifest, signature []byte
}

func (p *packing) open(path string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(p.source, filepath.FromSlash(path)))
}

// archive writes the archive under another name first.
func (p *packing) archive() (bytes int64, err error) {
	err = replace(p.out, func(to io.Writer) error {
		return parcel.WriteArchive(to, p.manifest, p.signature, p.open)
	})
	if err != nil {
		return 0, fmt.Errorf("cannot write %s: %w", p.out, err)
	}
	info, err := os.Stat(p.out)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// replace writes a file that is there wholly, or as it was before.
func replace(path string, write func(to io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".ota-pack-*")
	if err != nil {
		return err
	}
	err = write(file)
	if err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// folder writes the files, and the manifest last: where it is, all is.
func (p *packing) folder() error {
	if err := p.clear(); err != nil {
		return err
	}
	for _, entry := range p.release.Files {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		if err := p.put(entry); err != nil {
			return fmt.Errorf("cannot write %q: %w", entry.Path, err)
		}
	}
	if p.signature != nil {
		if err := os.WriteFile(filepath.Join(p.out, parcel.SignatureName), p.signature, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(p.out, parcel.ManifestName), p.manifest, 0o644)
}

// clear removes what an earlier Pack has written to the same folder. Anything
// else that lies there is somebody's.
func (p *packing) clear() error {
	if p.before != nil {
		for _, name := range []string{parcel.ManifestName, parcel.SignatureName} {
			if err := ignoreMissing(os.Remove(filepath.Join(p.out, name))); err != nil {
				return err
			}
		}
		for _, entry := range slices.Backward(p.before.Files) {
			for at := entry.Path; at != "."; at = filepath.ToSlash(filepath.Dir(at)) {
				if os.Remove(filepath.Join(p.out, filepath.FromSlash(at))) != nil {
					break // a folder with something in it; what is left is told below
				}
			}
		}
	}
	if err := os.MkdirAll(p.out, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(p.out)
	if err == nil && len(entries) > 0 {
		err = hint.With(fmt.Errorf("%s is not empty: %s lies there", p.out, entries[0].Name()), "name a new folder with -o")
	}
	return err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (p *packing) put(entry parcel.Entry) error {
	at := filepath.Join(p.out, filepath.FromSlash(entry.Path))
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	switch entry.Kind {
	case parcel.Folder:
		return os.Mkdir(at, 0o755)
	case parcel.Link:
		return os.Symlink(filepath.FromSlash(entry.Target), at)
	}
	source, err := p.open(entry.Path)
	if err != nil {
		return err
	}
	defer source.Close()
	file, err := os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, entry.Permissions())
	if err != nil {
		return err
	}
	err = parcel.CopyExactly(file, source, entry)
	return errors.Join(err, file.Close())
}
