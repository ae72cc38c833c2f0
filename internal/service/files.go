package service

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"ota/internal/kit/durable"
)

// write makes a file what it should be, with the folders above it.
func (w *work) write(path, text string, mode fs.FileMode) error {
	found, err := os.ReadFile(w.at(path))
	if err == nil && string(found) == text {
		w.options.Say(Already, path)
		return nil
	}
	w.changed = true
	if w.options.Dry {
		w.options.Say(Would, "write "+path)
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(w.at(path)), 0o755); err != nil {
		return fmt.Errorf("cannot make a folder for %s: %w", path, err)
	}
	if err := durable.WriteFile(w.at(path), []byte(text), mode); err != nil {
		return err
	}
	w.options.Say(Made, "write "+path)
	return nil
}

// place makes a file of a service what it should be. Where a package has brought
// the same, that one counts, and none may stand before it.
func (w *work) place(one file) error {
	if one.packaged == "" {
		return w.write(one.path, one.text, one.mode)
	}
	if found, err := os.ReadFile(w.at(one.packaged)); err != nil || string(found) != one.text {
		return w.write(one.path, one.text, one.mode)
	}
	w.options.Say(Already, one.packaged)
	w.changed = w.changed || w.exists(one.path)
	return w.remove(one.path)
}

// sync makes what a manager has written, as links that enable a service, survive
// a power cut: none of them does that by itself.
func (w *work) sync(m manager) error {
	if w.options.Dry {
		return nil
	}
	disk, err := durable.OpenFS(filepath.Dir(w.at(m.files[len(m.files)-1].path)))
	if err != nil {
		return fmt.Errorf("cannot make the service survive a power cut: %w", err)
	}
	defer disk.Close()
	if err := disk.Sync(); err != nil {
		return fmt.Errorf("cannot make the service survive a power cut: %w", err)
	}
	return nil
}

// remove removes a file, and the folder of it that was made for it alone.
func (w *work) remove(path string) error {
	if !w.exists(path) {
		return nil
	}
	if w.options.Dry {
		w.options.Say(Would, "remove "+path)
		return nil
	}
	if err := durable.Remove(w.at(path)); err != nil {
		return err
	}
	if dir := filepath.Dir(path); filepath.Ext(dir) == ".d" || dir == w.records() {
		_ = os.Remove(w.at(dir)) // not while something of somebody else is in it
	}
	w.options.Say(Made, "remove "+path)
	return nil
}

// systemFolders are those in which packages put programs: one there needs no
// copy.
var systemFolders = []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin"}

// binary is where the program is that the service starts.
func (w *work) binary() string {
	if slices.Contains(systemFolders, filepath.Dir(w.host.Executable)) {
		return w.host.Executable
	}
	return w.copied()
}

// copied is where the program is copied to if no package has brought it.
func (w *work) copied() string { return w.home("/usr/local/bin/ota", ".local/bin/ota") }

// putBinary copies this program to where the service starts it.
func (w *work) putBinary(record *Record) error {
	to := w.binary()
	if to == w.host.Executable {
		w.options.Say(Already, to)
		return w.dropCopy(record)
	}
	text, err := os.ReadFile(w.host.Executable)
	if err != nil {
		return fmt.Errorf("cannot copy this program: %w", err)
	}
	there, err := os.ReadFile(w.at(to))
	switch {
	case err == nil && bytes.Equal(there, text):
		w.options.Say(Already, to)
		return nil
	case errors.Is(err, fs.ErrNotExist):
		record.Binary = true
	}
	return w.write(to, string(text), 0o755)
}

// dropCopy removes what was copied before a package brought the program: it
// would be found before it, and stay what it is with each new one.
func (w *work) dropCopy(record *Record) error {
	if w.binary() == w.copied() {
		return nil
	}
	for _, one := range w.all() {
		if !one.Binary {
			continue
		}
		if err := w.remove(w.copied()); err != nil {
			return err
		}
		w.changed, one.Binary = true, false
		if err := w.writeRecord(one); err != nil {
			return err
		}
	}
	record.Binary = false
	return nil
}
