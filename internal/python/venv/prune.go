package venv

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ota/internal/kit/flock"
)

// Names of folders that are no environments.
const (
	gonePrefix = ".gone-"
	workPrefix = ".work-"
)

// Prune removes the environments that are not to be kept, and what interrupted
// builds left, and returns the ids of those environments. While one is being
// built nothing is removed.
func (r *Room) Prune(keep []string) (removed []string, err error) {
	if !isThere(r.dir) {
		return nil, nil
	}
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	default:
		return nil, nil
	}
	lock, err := r.tryLock()
	if errors.Is(err, flock.ErrHeld) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, fmt.Errorf("cannot remove old environments: %w", err)
	}
	var failed []error
	for _, entry := range entries {
		name := entry.Name()
		isEnvironment := idPattern.MatchString(name)
		isRemains := strings.HasPrefix(name, gonePrefix) || strings.HasPrefix(name, workPrefix)
		if !isRemains && (!isEnvironment || slices.Contains(keep, name)) {
			continue
		}
		if err := r.remove(name); err != nil {
			failed = append(failed, err)
		} else if isEnvironment {
			removed = append(removed, name)
		}
	}
	return removed, errors.Join(failed...)
}

// Discard removes one environment, as one that [Room.Verify] found torn, for it
// to be built again. Nothing may run in it.
func (r *Room) Discard(id string) error {
	if !idPattern.MatchString(id) {
		return &Missing{id}
	}
	return r.remove(id)
}

// remove takes a folder away: its name first, so that half of one is never
// taken for an environment.
func (r *Room) remove(name string) error {
	path := filepath.Join(r.dir, name)
	if !strings.HasPrefix(name, gonePrefix) {
		gone := filepath.Join(r.dir, gonePrefix+strings.TrimPrefix(name, "."))
		if err := removeAll(gone); err != nil {
			return err
		}
		err := os.Rename(path, gone)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot remove environment: %w", err)
		}
		path = gone
	}
	return removeAll(path)
}

// removeAll removes what may hold folders that nobody may write into.
func removeAll(path string) error {
	err := os.RemoveAll(path)
	if errors.Is(err, fs.ErrPermission) {
		_ = filepath.WalkDir(path, func(below string, entry fs.DirEntry, err error) error {
			if entry != nil && entry.IsDir() {
				_ = os.Chmod(below, 0o700) // or the second try says why not
			}
			return nil
		})
		err = os.RemoveAll(path)
	}
	if err != nil {
		return fmt.Errorf("cannot remove environment: %w", err)
	}
	return nil
}
