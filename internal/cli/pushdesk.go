//go:build !arm

package cli

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ota/internal/kit/durable"
	"ota/internal/kit/flock"
	"ota/internal/pack"
)

// desk is where on this machine lies what is on its way from one folder: the
// manifest, so that a push that was cut off goes on as the same release, and for
// each target what is sent.
type desk struct {
	folder string
	lock   *os.File
}

// openDesk opens that of a folder, in the user's folder for such things. A second
// push of the same folder at the same time has one that does not stay.
func openDesk(source string) (*desk, error) {
	top, err := os.UserCacheDir()
	if err != nil {
		top = os.TempDir()
	}
	absolute, err := filepath.Abs(source)
	if err != nil {
		return nil, err
	}
	d := &desk{folder: filepath.Join(top, "ota", "push", nameOf(absolute))}
	if err := os.MkdirAll(d.folder, 0o700); err != nil {
		return nil, err
	}
	if d.lock, err = os.OpenFile(filepath.Join(d.folder, "lock"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	if err = flock.Try(d.lock, flock.Exclusive); errors.Is(err, flock.ErrHeld) {
		d.lock.Close()
		d.lock = nil
		d.folder, err = os.MkdirTemp("", "ota-push-")
	}
	return d, err
}

func nameOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("%x", sum[:8])
}

func (d *desk) manifest() string             { return filepath.Join(d.folder, "manifest.json") }
func (d *desk) signature() string            { return filepath.Join(d.folder, "signature") }
func (d *desk) sent() string                 { return filepath.Join(d.folder, "sent") }
func (d *desk) streams(target string) string { return filepath.Join(d.sent(), nameOf(target)) }

func (d *desk) last() string { return filepath.Join(d.folder, "serial") }

// serial is the second that it is, and more than that of the release before.
func (d *desk) serial(now time.Time) int64 {
	text, _ := os.ReadFile(d.last())
	before, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return max(now.Unix(), before+1)
}

// begin goes on with the release that was begun before, or begins another one.
func (d *desk) begin(project *pack.Project) error {
	if d.goesOn(project) {
		return nil
	}
	return errors.Join(d.clear(), d.keep(project))
}

// goesOn makes the project the release that was begun before, and reports whether
// it is.
func (d *desk) goesOn(project *pack.Project) bool {
	manifest, err := os.ReadFile(d.manifest())
	signature, unsigned := os.ReadFile(d.signature())
	if errors.Is(unsigned, fs.ErrNotExist) {
		signature = nil
	}
	return err == nil && project.GoOn(manifest, signature)
}

// keep notes which release is begun. What is sent of another one stays.
func (d *desk) keep(project *pack.Project) (err error) {
	if project.Signature != nil {
		err = errors.Join(err, durable.Replace(d.signature(), project.Signature, 0o600))
	}
	err = errors.Join(err, durable.Replace(d.last(), fmt.Appendln(nil, project.Release.Serial), 0o600))
	return errors.Join(err, durable.Replace(d.manifest(), project.Manifest, 0o600))
}

func (d *desk) clear() error {
	return errors.Join(os.RemoveAll(d.manifest()), os.RemoveAll(d.signature()), os.RemoveAll(d.sent()))
}

// close ends the use of it. Nothing of it stays when all targets have the release.
func (d *desk) close(all bool) {
	if all || d.lock == nil {
		_ = d.clear()
	}
	if d.lock == nil {
		_ = os.RemoveAll(d.folder)
		return
	}
	d.lock.Close()
}
