package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"ota/internal/admission"
	"ota/internal/deposit"
	"ota/internal/kit/copysum"
	"ota/internal/kit/durable"
	"ota/internal/parcel"
	"ota/internal/release"
	"ota/internal/stick"
)

// watchSticks puts releases from USB sticks into deposit/, until ctx ends.
func (a *agent) watchSticks(ctx context.Context) error {
	return stick.New().Run(ctx, a.takeFromStick)
}

// takeFromStick copies the newest release of a stick into deposit/, where it is
// an upload like any other. One that this device has had is none: the stick may
// stay where it is.
func (a *agent) takeFromStick(ctx context.Context, point string) {
	found, err := a.newestOn(point)
	if err != nil {
		a.log.Warn("a USB stick can't be read", "folder", point, "error", err)
		return
	}
	if found == nil {
		a.log.Info("there is no new release on the USB stick", "folder", point)
		return
	}
	if err := a.copyToDeposit(ctx, filepath.Join(point, found.name), found.name); err != nil {
		a.log.Warn("the release on a USB stick can't be copied", "file", found.name, "error", err)
		return
	}
	a.log.Info("a release was copied from a USB stick", "file", found.name, "version", found.admitted.Manifest.Name())
}

// carried is a release on a stick.
type carried struct {
	name     string
	admitted admission.Admitted
}

// newestOn finds the release with the highest serial among those that would be
// taken; nil: there is none.
func (a *agent) newestOn(point string) (*carried, error) {
	names, err := stick.Releases(point)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	records, err := a.releases.History()
	if err != nil && len(records) == 0 {
		return nil, err
	}
	var newest *carried
	for _, name := range names {
		admitted, err := a.admit(filepath.Join(point, name))
		switch {
		case err != nil:
			a.log.Warn("a release on a USB stick is not taken", "file", name, "reason", err.Error())
		case isOlder(records, admitted):
		case newest == nil || admitted.Manifest.Serial > newest.admitted.Manifest.Serial:
			newest = &carried{name, admitted}
		}
	}
	return newest, nil
}

// isOlder reports whether a release is one that was here, or comes before it.
func isOlder(records []release.Record, admitted admission.Admitted) bool {
	for _, record := range records {
		if packed := record.Packed; packed != nil && packed.App == admitted.Manifest.App &&
			(packed.Manifest == admitted.Sum || packed.Serial >= admitted.Manifest.Serial) {
			return true
		}
	}
	return false
}

// admit looks at the head of an archive.
func (a *agent) admit(path string) (admission.Admitted, error) {
	file, err := openRegular(path)
	if err != nil {
		return admission.Admitted{}, err
	}
	defer file.Close()
	archive, err := parcel.OpenArchive(file)
	if err != nil {
		return admission.Admitted{}, err
	}
	defer archive.Close()
	return a.admitted(archive.Manifest, archive.Signature)
}

// openRegular opens a file, and nothing that a link leads to.
func openRegular(path string) (*os.File, error) {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	name := filepath.Base(path)
	if info, err := root.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s is a link, or no file any more", name))
	}
	return root.Open(name)
}

// copyToDeposit copies a file under the name of an unfinished one first.
func (a *agent) copyToDeposit(ctx context.Context, path, name string) error {
	source, err := openRegular(path)
	if err != nil {
		return err
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return err
	}
	if err := a.roomFor(info.Size(), 1); err != nil {
		return err
	}
	folder := a.folder.deposit()
	if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	temporary := filepath.Join(folder, deposit.TemporaryName(name))
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	target, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, io.LimitReader(copysum.UntilDone(ctx, source), info.Size()))
	if err == nil {
		err = deposit.OwnerOf(folder).Give(target, 0o644)
	}
	if err = errors.Join(err, target.Sync(), target.Close()); err == nil {
		err = os.Rename(temporary, filepath.Join(folder, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return durable.SyncDir(folder)
}
