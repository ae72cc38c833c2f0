package parcel

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// An archive is a tar file, compressed by zstd: the manifest, its signature if
// there is one, and then what the manifest lists, in that order. "tar --zstd -xf"
// unpacks it into what can be uploaded as well.

// window is how far back the compression looks. A device needs that much memory
// to unpack; an archive that asks for more is refused.
const window = 1 << 20

// WriteArchive writes an archive. open returns the content of a file; if that is
// not what the manifest says, the archive is not whole and the error says so.
func WriteArchive(to io.Writer, manifest, signature []byte, open func(path string) (io.ReadCloser, error)) error {
	m, err := Decode(manifest)
	if err != nil {
		return err
	}
	return writeArchive(to, manifest, signature, func(out *tar.Writer) error {
		for _, entry := range m.Files {
			if err := writeEntry(out, entry, open); err != nil {
				return err
			}
		}
		return nil
	})
}

// SignArchive writes an archive that is the one that it reads, with another
// signature, which sign makes.
func SignArchive(to io.Writer, from io.Reader, sign func(manifest, signature []byte) ([]byte, error)) error {
	a, err := OpenArchive(from)
	if err != nil {
		return err
	}
	defer a.Close()
	m, err := Decode(a.Manifest)
	if err != nil {
		return err
	}
	signature, err := sign(a.Manifest, a.Signature)
	if err != nil {
		return err
	}
	return writeArchive(to, a.Manifest, signature, func(out *tar.Writer) error {
		return a.each(m, func(entry Entry) error {
			return writeEntry(out, entry, func(string) (io.ReadCloser, error) { return io.NopCloser(a.tar), nil })
		})
	})
}

// writeArchive writes the beginning and the end of an archive.
func writeArchive(to io.Writer, manifest, signature []byte, files func(*tar.Writer) error) error {
	compressed, err := compressor(to)
	if err != nil {
		return err
	}
	out := tar.NewWriter(compressed)
	err = writeHead(out, ManifestName, manifest)
	if err == nil && signature != nil {
		err = writeHead(out, SignatureName, signature)
	}
	if err == nil {
		err = files(out)
	}
	if err != nil {
		return err
	}
	return errors.Join(out.Close(), compressed.Close())
}

// epoch is the time of all that is in an archive, so that the same release is
// the same archive.
var epoch = time.Unix(0, 0)

func writeHead(out *tar.Writer, name string, content []byte) error {
	err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: 0o644, ModTime: epoch})
	if err == nil {
		_, err = out.Write(content)
	}
	return err
}

func headerOf(entry Entry) *tar.Header {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: entry.Path, Size: entry.Size, Mode: int64(entry.Permissions()), ModTime: epoch}
	switch entry.Kind {
	case Link:
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, entry.Target, 0o777
	case Folder:
		header.Typeflag, header.Mode = tar.TypeDir, 0o755
		header.Name += "/"
	}
	return header
}

func writeEntry(out *tar.Writer, entry Entry, open func(path string) (io.ReadCloser, error)) error {
	if err := out.WriteHeader(headerOf(entry)); err != nil {
		return fmt.Errorf("%q: %w", entry.Path, err)
	}
	if entry.Kind != File {
		return nil
	}
	source, err := open(entry.Path)
	if err != nil {
		return err
	}
	err = CopyExactly(out, source, entry)
	return errors.Join(err, source.Close())
}

// CopyExactly copies what the entry says, no byte more and none less.
func CopyExactly(to io.Writer, from io.Reader, entry Entry) error {
	hash := sha256.New()
	copied, err := io.Copy(io.MultiWriter(to, hash), io.LimitReader(from, entry.Size))
	if err != nil {
		return fmt.Errorf("%q: %w", entry.Path, err)
	}
	more, _ := io.CopyN(io.Discard, from, 1)
	if found := hex.EncodeToString(hash.Sum(nil)); copied != entry.Size || more != 0 || found != entry.SHA256 {
		return fmt.Errorf("%q: its content is not the one that %s lists", entry.Path, ManifestName)
	}
	return nil
}

// Archive is one that is being read.
type Archive struct {
	// Manifest and Signature are as they stand in it: nobody has looked at them
	// yet. Signature is nil if there is none.
	Manifest, Signature []byte

	unpacked *zstd.Decoder
	tar      *tar.Reader
	next     *tar.Header // read already; nil: the end
}

// OpenArchive reads the manifest and the signature, and nothing behind them. It
// must be closed.
func OpenArchive(from io.Reader) (*Archive, error) {
	unpacked, err := zstd.NewReader(from, zstd.WithDecoderMaxWindow(window), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, notAnArchive(err)
	}
	a := &Archive{unpacked: unpacked, tar: tar.NewReader(unpacked)}
	if err := a.readHead(); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// Close gives back what reading it takes.
func (a *Archive) Close() { a.unpacked.Close() }

func (a *Archive) readHead() (err error) {
	if err = a.forward(); err != nil {
		return err
	}
	if a.next == nil || a.next.Name != ManifestName {
		return fmt.Errorf("it is no packed release: the first file in it is not %s", ManifestName)
	}
	if a.Manifest, err = a.readSmall(LongestManifest); err != nil {
		return err
	}
	if a.next != nil && a.next.Name == SignatureName {
		a.Signature, err = a.readSmall(LongestSignature)
	}
	return err
}

// readSmall returns the content of the file that comes next.
func (a *Archive) readSmall(most int64) ([]byte, error) {
	if a.next.Typeflag != tar.TypeReg || a.next.Size > most {
		return nil, fmt.Errorf("%s in it is no file, or longer than %d bytes", a.next.Name, most)
	}
	var content bytes.Buffer
	if _, err := io.Copy(&content, a.tar); err != nil {
		return nil, notAnArchive(err)
	}
	return content.Bytes(), a.forward()
}

// forward reads the next header.
func (a *Archive) forward() error {
	header, err := a.tar.Next()
	if errors.Is(err, io.EOF) {
		a.next = nil
		return nil
	}
	if err != nil {
		return notAnArchive(err)
	}
	a.next = header
	return nil
}

// Unpack reads the rest, which must be what the manifest lists, in its order,
// and nothing else. put takes the content of a file; it is not called for links
// and folders, which the manifest knows all of.
func (a *Archive) Unpack(m *Manifest, put func(entry Entry, content io.Reader) error) error {
	return a.each(m, func(entry Entry) error {
		if entry.Kind != File {
			return nil
		}
		return a.unpack(entry, put)
	})
}

// each calls visit where the content of an entry comes next.
func (a *Archive) each(m *Manifest, visit func(entry Entry) error) error {
	for _, entry := range m.Files {
		err := a.fits(entry)
		if err == nil {
			err = visit(entry)
		}
		if err == nil {
			err = a.forward()
		}
		if err != nil {
			return err
		}
	}
	if a.next != nil {
		return fmt.Errorf("%q is in it, and %s does not list it", a.next.Name, ManifestName)
	}
	return a.ends()
}

// fits says how the next header is not the one of an entry.
func (a *Archive) fits(entry Entry) error {
	want := headerOf(entry)
	if a.next == nil {
		return fmt.Errorf("it is cut off: %q is not in it", entry.Path)
	}
	if a.next.Name != want.Name || a.next.Typeflag != want.Typeflag || a.next.Linkname != want.Linkname || a.next.Size != want.Size {
		return fmt.Errorf("%q is in it where %s lists %q", a.next.Name, ManifestName, entry.Path)
	}
	return nil
}

// unpack gives out the content of a file, and compares it.
func (a *Archive) unpack(entry Entry, put func(entry Entry, content io.Reader) error) error {
	hash := sha256.New()
	if err := put(entry, io.TeeReader(a.tar, hash)); err != nil {
		if isDamage(err) {
			return notAnArchive(err)
		}
		return fmt.Errorf("%q: %w", entry.Path, err)
	}
	if hex.EncodeToString(hash.Sum(nil)) != entry.SHA256 {
		return fmt.Errorf("%q: its content is not the one that %s lists", entry.Path, ManifestName)
	}
	return nil
}

// mostPadding is what tar programs put behind the end of an archive.
const mostPadding = 64 << 10

// ends makes sure that nothing comes after the end.
func (a *Archive) ends() error {
	rest, err := io.ReadAll(io.LimitReader(a.unpacked, mostPadding+1))
	if err != nil {
		return notAnArchive(err)
	}
	if len(rest) > mostPadding || strings.Trim(string(rest), "\x00") != "" {
		return errors.New("something comes after its end")
	}
	return nil
}

// Damage is the error for an archive that can't be read as one.
type Damage struct{ message string }

// Error says what is wrong.
func (d *Damage) Error() string { return d.message }

// isDamage tells a fault of the archive from one of the disk that it lies on.
func isDamage(err error) bool {
	var onDisk *fs.PathError
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrHeader) || errors.Is(err, zstd.ErrMagicMismatch) ||
		!errors.As(err, &onDisk) && strings.Contains(err.Error(), "zstd")
}

func notAnArchive(err error) error {
	var onDisk *fs.PathError
	switch {
	case errors.As(err, &onDisk):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &Damage{"it is cut off"}
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return &Damage{fmt.Sprintf("it takes more memory to unpack than the %d kB that \"ota pack\" asks for", window>>10)}
	default:
		return &Damage{"it is damaged, or no archive of \"ota pack\": " + strings.TrimPrefix(err.Error(), "archive/tar: ")}
	}
}
