package pack

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"ota/internal/parcel"
	"ota/internal/sshsig"
)

// Inspected is what a packed release is found to be.
type Inspected struct {
	Release *parcel.Manifest
	// Signed is who has signed; nil: nobody, or nobody has asked.
	Signed []sshsig.Signed
	// Signatures is how many there are.
	Signatures int
}

// Inspect reads all of a packed release, a folder, its manifest or an archive,
// as a device does. signers is the path of an allowed_signers file; empty: the
// signatures are counted only. The error says what is wrong with the release.
func Inspect(at, signers string, clock sshsig.Clock) (Inspected, error) {
	manifest, err := manifestAt(at)
	if err != nil {
		return Inspected{}, err
	}
	if manifest == "" {
		return inspectArchive(at, signers, clock)
	}
	text, err := os.ReadFile(manifest)
	if err != nil {
		return Inspected{}, err
	}
	signature, err := os.ReadFile(manifest + ".sig")
	if ignoreMissing(err) != nil {
		return Inspected{}, err
	}
	found, err := inspectHead(text, signature, signers, clock)
	if err != nil {
		return found, err
	}
	return found, inspectFolder(filepath.Dir(manifest), found.Release)
}

func inspectArchive(at, signers string, clock sshsig.Clock) (Inspected, error) {
	file, err := os.Open(at)
	if err != nil {
		return Inspected{}, err
	}
	defer file.Close()
	archive, err := parcel.OpenArchive(file)
	if err != nil {
		return Inspected{}, fmt.Errorf("%s: %w", at, err)
	}
	defer archive.Close()
	found, err := inspectHead(archive.Manifest, archive.Signature, signers, clock)
	if err != nil {
		return found, err
	}
	return found, archive.Unpack(found.Release, func(_ parcel.Entry, content io.Reader) error {
		_, err := io.Copy(io.Discard, content)
		return err
	})
}

// inspectHead looks at the signature before it reads the manifest.
func inspectHead(manifest, signature []byte, signers string, clock sshsig.Clock) (found Inspected, err error) {
	if signature != nil {
		parsed, err := sshsig.Parse(signature)
		if err != nil {
			return found, fmt.Errorf("%s: %w", parcel.SignatureName, err)
		}
		found.Signatures = len(parsed)
	}
	if signers != "" {
		list, err := os.ReadFile(signers)
		if err != nil {
			return found, err
		}
		known, err := sshsig.ParseSigners(list)
		if err != nil {
			return found, fmt.Errorf("%s: %w", signers, err)
		}
		if signature == nil {
			return found, errors.New("it is not signed")
		}
		if found.Signed, err = known.Verify(parcel.Namespace, manifest, signature, clock); err != nil {
			return found, err
		}
	}
	if found.Release, err = parcel.Decode(manifest); err != nil {
		return found, fmt.Errorf("%s: %w", parcel.ManifestName, err)
	}
	return found, nil
}

// inspectFolder compares the files of a folder with its manifest.
func inspectFolder(dir string, release *parcel.Manifest) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, entry := range release.Files {
		if err := inspectEntry(root, entry); err != nil {
			return err
		}
	}
	return nil
}

func inspectEntry(root *os.Root, entry parcel.Entry) error {
	info, err := root.Lstat(filepath.FromSlash(entry.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%q is not there", entry.Path)
	}
	if err != nil {
		return err
	}
	kind := map[parcel.EntryKind]fs.FileMode{parcel.File: 0, parcel.Link: fs.ModeSymlink, parcel.Folder: fs.ModeDir}[entry.Kind]
	if info.Mode().Type() != kind {
		return fmt.Errorf("%q is something else than %s lists", entry.Path, parcel.ManifestName)
	}
	switch entry.Kind {
	case parcel.Link:
		if target, err := root.Readlink(filepath.FromSlash(entry.Path)); err != nil || filepath.ToSlash(target) != entry.Target {
			return errors.Join(err, fmt.Errorf("%q leads elsewhere than %s lists", entry.Path, parcel.ManifestName))
		}
	case parcel.File:
		file, err := root.Open(filepath.FromSlash(entry.Path))
		if err != nil {
			return err
		}
		defer file.Close()
		return parcel.CopyExactly(io.Discard, file, entry)
	}
	return nil
}
