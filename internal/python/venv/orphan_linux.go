package venv

import (
	"context"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ota/internal/kit/durable"
	"ota/internal/kit/proc"
)

// builder says who builds, and with which installer. An installer whose ota
// was killed goes on, and would write into the next build.
type builder struct {
	Boot      string  `json:"boot"`
	Owner     proc.ID `json:"owner"`     // ota
	Installer proc.ID `json:"installer"` // the first of its process group
}

const builderName = "building.json"

// noteInstaller writes down who is to be ended if we can't do it.
func (r *Room) noteInstaller(pid int) error {
	owner, err := proc.Read(os.Getpid())
	if err != nil {
		return err
	}
	installer, err := proc.Read(pid)
	if err != nil {
		return err
	}
	data, err := durable.Lines(builder{proc.BootID(), owner.ID, installer.ID})
	if err != nil {
		return err
	}
	// Not synced: after a power cut no process is left.
	return durable.Replace(filepath.Join(r.dir, builderName), data, 0o644)
}

func (r *Room) forgetInstaller() error {
	return removeAll(filepath.Join(r.dir, builderName))
}

// endOrphan ends the installer of an ota that is gone.
func (r *Room) endOrphan(ctx context.Context) error {
	var left builder
	err := durable.ReadJSON(filepath.Join(r.dir, builderName), &left)
	if err != nil || left.Boot != proc.BootID() || left.Installer.PID <= 1 {
		return nil // nobody was left
	}
	if owner, err := proc.Read(left.Owner.PID); err == nil && owner.ID == left.Owner && owner.Alive() {
		return nil // it is at work
	}
	now, err := proc.Read(left.Installer.PID)
	if err != nil || now.ID != left.Installer || now.Group != left.Installer.PID {
		return nil
	}
	_ = unix.Kill(-left.Installer.PID, unix.SIGKILL) // it may have ended just now
	return left.Installer.Await(ctx)
}
