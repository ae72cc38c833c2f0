// Package stick tells of USB sticks that are plugged in.
//
// In: the kernel's table of mounts. Out: where a stick is mounted, once, and the
// packed releases at its top. Never: a mount of our own, a look below the top of
// a stick, a link followed there, or anything run or read because of its name.
package stick

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"ota/internal/kit/mounts"
	"ota/internal/parcel"
)

// Sticks tells of the sticks of this machine.
type Sticks struct {
	sys   string // where sysfs is
	table func() ([]mounts.Mount, error)
	known map[string]bool // the mounts that were told of, by their number and place
}

// look tells of the sticks that were not there at the last look.
func (s *Sticks) look(ctx context.Context, found func(ctx context.Context, point string)) error {
	table, err := s.table()
	if err != nil {
		return err
	}
	now := map[string]bool{}
	for _, mount := range table {
		if !s.isStick(mount) {
			continue
		}
		id := mount.Device + " " + mount.Point
		now[id] = true
		if !s.known[id] {
			found(ctx, mount.Point)
		}
	}
	s.known = now
	return nil
}

// isStick reports whether a mount is that of a disk on USB. What this machine
// runs from may be one: there its own root is no stick.
func (s *Sticks) isStick(mount mounts.Mount) bool {
	if mount.Point == "/" || strings.HasPrefix(mount.Point, "/boot") {
		return false
	}
	at, err := os.Readlink(filepath.Join(s.sys, "dev", "block", mount.Device))
	return err == nil && strings.Contains(at, "/usb")
}

// mostReleases is how many are looked at.
const mostReleases = 100

// Releases lists the archives at the top of a stick.
func Releases(point string) ([]string, error) {
	entries, err := os.ReadDir(point)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, entry := range entries {
		if entry.Type().IsRegular() && strings.HasSuffix(entry.Name(), parcel.Suffix) && len(found) < mostReleases &&
			!strings.HasPrefix(entry.Name(), ".") {
			found = append(found, entry.Name())
		}
	}
	return found, nil
}
