package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ota/internal/kit/durable"
	"ota/internal/kit/flock"
	"ota/internal/kit/hint"
)

// folder is the place that an ota looks after, and the names in it.
type folder struct {
	dir string // absolute
}

func folderAt(dir string) (folder, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return folder{}, fmt.Errorf("cannot find the folder %s: %w", dir, err)
	}
	info, err := os.Stat(absolute)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", absolute)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = hint.With(fmt.Errorf("there is no folder %s", absolute), "make it first: mkdir "+strconv.Quote(dir))
	}
	return folder{absolute}, err
}

func (f folder) deposit() string   { return filepath.Join(f.dir, "deposit") }
func (f folder) main() string      { return filepath.Join(f.dir, "main") }
func (f folder) logs() string      { return filepath.Join(f.dir, "logs") }
func (f folder) own() string       { return filepath.Join(f.dir, ".ota") }
func (f folder) config() string    { return filepath.Join(f.dir, "ota.toml") }
func (f folder) incoming() string  { return filepath.Join(f.own(), "incoming") }
func (f folder) uploads() string   { return filepath.Join(f.own(), "uploads") }
func (f folder) discarded() string { return filepath.Join(f.own(), "discarded") }
func (f folder) socket() string    { return filepath.Join(f.own(), "control.sock") }
func (f folder) child() string     { return filepath.Join(f.own(), "child.json") }
func (f folder) notify() string    { return filepath.Join(f.own(), "notify.sock") }
func (f folder) messages() string  { return filepath.Join(f.own(), "notify.json") }
func (f folder) signers() string   { return filepath.Join(f.dir, "allowed_signers") }
func (f folder) trust() string     { return filepath.Join(f.own(), "trust.json") }
func (f folder) fetched() string   { return filepath.Join(f.own(), "source.json") }
func (f folder) fetching() string  { return filepath.Join(f.own(), "source") }
func (f folder) access() string    { return filepath.Join(f.own(), "access.json") }
func (f folder) reserve() string   { return filepath.Join(f.own(), "reserve") }
func (f folder) clean() string     { return filepath.Join(f.own(), "clean") }
func (f folder) venvs() string     { return filepath.Join(f.own(), "venvs") }
func (f folder) warm() string      { return filepath.Join(f.own(), "warm") }
func (f folder) checking() string  { return filepath.Join(f.own(), "check") }
func (f folder) bytecode() string  { return filepath.Join(f.checking(), "bytecode") }
func (f folder) lockFile() string  { return filepath.Join(f.own(), "lock") }
func (f folder) announced() string { return filepath.Join(f.own(), "mqtt.json") }
func (f folder) busy() string      { return filepath.Join(f.own(), "busy") }

// BusyFile is the file below the folder dir that is locked, shared, by whoever
// must not be interrupted.
func BusyFile(dir string) string { return folder{dir}.busy() }

// BusyVariable tells the program which file that is.
const BusyVariable = "OTA_BUSY"

// make makes the folders that are missing and returns their names. What ota
// keeps for itself is for its user alone: it holds copies of every secret in
// main/.
func (f folder) make() (made []string, err error) {
	for _, one := range []struct {
		path string
		mode fs.FileMode
	}{{f.deposit(), 0o755}, {f.main(), 0o755}, {f.logs(), 0o755}, {f.own(), 0o700}} {
		if info, err := os.Stat(one.path); err == nil && info.IsDir() {
			continue
		}
		if mkdirErr := os.Mkdir(one.path, one.mode); mkdirErr != nil {
			err = errors.Join(err, fmt.Errorf("cannot make a folder: %w", mkdirErr))
			continue
		}
		made = append(made, filepath.Base(one.path))
	}
	return made, err
}

// makeBusy makes the file that whoever must not be interrupted locks. Only the
// lock on it means something.
func (f folder) makeBusy() error {
	file, err := os.OpenFile(f.busy(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("cannot make the file for busy programs: %w", err)
	}
	return file.Close()
}

// letIn lets a program that runs as another user reach what it is given in .ota:
// its environment, and the file that it locks when it is busy. What else is
// there keeps its own modes.
func (f folder) letIn(log *slog.Logger) {
	for path, mode := range map[string]fs.FileMode{f.own(): 0o711, f.checking(): 0o711, f.venvs(): 0o755, f.busy(): 0o666} {
		if err := os.Chmod(path, mode); err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Warn("the program's user may not reach what it is given", "error", err)
		}
	}
}

// Locked is the error when another process looks after the folder.
type Locked struct {
	Dir string
	PID int // 0: not known
}

// Error says which.
func (l *Locked) Error() string {
	if l.PID == 0 {
		return "already running in " + l.Dir
	}
	return fmt.Sprintf("already running in %s (pid %d)", l.Dir, l.PID)
}

// lock takes the kernel's lock on a file, which ends with the process, however
// it ends; the file itself means nothing. The pid in it is for people.
func (f folder) lock() (*os.File, error) {
	file, err := f.openLock()
	if err != nil {
		err = fmt.Errorf("cannot take the lock: %w", err)
		if errors.Is(err, fs.ErrPermission) {
			err = hint.With(err, "ota ran here before as another user, such as root: start it as that user, or give .ota to yours")
		}
		return nil, err
	}
	if file == nil {
		return nil, nil
	}
	if err := flock.Try(file, flock.Exclusive); err != nil {
		defer file.Close()
		if errors.Is(err, flock.ErrHeld) {
			return nil, &Locked{f.dir, readPID(file)}
		}
		return nil, fmt.Errorf("cannot take the lock: %w", err)
	}
	// A full card must not keep ota from running.
	if file.Truncate(0) == nil {
		file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return file, nil
}

// openLock opens the file of the lock. A disk that is full, read-only or failing
// does not keep ota from running: what is there can be locked all the same, the
// file or else the folder. It returns nil where there is no .ota and can't be
// one: then nobody else keeps anything there either.
func (f folder) openLock() (*os.File, error) {
	file, err := os.OpenFile(f.lockFile(), os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil || errors.Is(err, fs.ErrPermission) {
		return file, err
	}
	for _, path := range []string{f.lockFile(), f.own()} {
		if file, err := os.Open(path); err == nil {
			return file, nil
		}
	}
	if _, statErr := os.Stat(f.own()); errors.Is(statErr, fs.ErrNotExist) {
		return nil, nil
	}
	return nil, err
}

const (
	lockLimit = 2 * time.Second
	lockAgain = 10 * time.Millisecond
)

// lockSoon is lock, but waits a moment for who has ended: a child that a killed
// ota was about to start has its lock until it becomes another program.
func (f folder) lockSoon(ctx context.Context) (*os.File, error) {
	limit := time.NewTimer(lockLimit)
	defer limit.Stop()
	again := time.NewTicker(lockAgain)
	defer again.Stop()
	for {
		file, err := f.lock()
		locked, isLocked := errors.AsType[*Locked](err)
		if !isLocked || !hasEnded(locked.PID) {
			return file, err
		}
		select {
		case <-again.C:
		case <-limit.C:
			return nil, err
		case <-ctx.Done():
			return nil, err
		}
	}
}

func readPID(file *os.File) int {
	text := make([]byte, 32)
	n, _ := file.ReadAt(text, 0)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	return pid
}

// takeClean reports whether the last ota here did not end by itself, and takes
// away the file that says it did, for good: this one may not.
func (f folder) takeClean() (unclean bool, err error) {
	if _, err := os.Lstat(f.clean()); err != nil {
		return true, nil
	}
	return false, durable.Remove(f.clean())
}

func (f folder) markClean() error { return durable.WriteFile(f.clean(), nil, 0o600) }
