package doctor

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"ota/internal/kit/amount"
	"ota/internal/kit/escape"
	"ota/internal/kit/mounts"
)

// diskOf asks the kernel. Nothing but the folder itself is opened.
func diskOf(path string) (disk, error) {
	folder, err := openFolder(path)
	if err != nil {
		return disk{}, err
	}
	defer folder.Close()
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(folder.Fd()), &stat); err != nil {
		return disk{}, os.NewSyscallError("statfs", err)
	}
	found := disk{
		readOnly: stat.Flags&unix.ST_RDONLY != 0, noExec: stat.Flags&unix.ST_NOEXEC != 0,
		free: int64(stat.Bavail) * int64(stat.Bsize), inodes: int64(stat.Files), freeInodes: int64(stat.Ffree),
	}
	if found.mount, err = mounts.Of(folder); err != nil {
		return found, err
	}
	all, err := mounts.Read()
	for _, one := range all {
		if one.ID == found.mount {
			found.kind, found.at = one.Type, one.Point
		}
	}
	return found, err
}

// openFolder opens a folder that need not be readable.
func openFolder(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// place is a folder, and how it is called.
type place struct{ path, name string }

// places are those that are there.
func (p *patient) places() []place {
	var there []place
	for _, one := range []place{{p.Dir, "the folder"}, {p.deposit(), "deposit/"}, {p.main(), "main/"}, {p.own(), ".ota"}} {
		if info, err := os.Stat(one.path); err == nil && info.IsDir() {
			there = append(there, one)
		}
	}
	return there
}

// disks are the mounts of the places, each once, and which places are on it. The
// error is that of places that could not be asked for.
func (p *patient) disks() (disks []disk, on [][]place, err error) {
	for _, one := range p.places() {
		d, failed := p.disk(one.path)
		if failed != nil {
			err = cmp.Or(err, fmt.Errorf("it can't be told what %s is on: %w", one.name, failed))
			continue
		}
		known := -1
		for i := range disks {
			if disks[i].mount == d.mount {
				known = i
			}
		}
		if known < 0 {
			disks, on, known = append(disks, d), append(on, nil), len(disks)
		}
		on[known] = append(on[known], one)
	}
	return disks, on, err
}

// simple are file systems without modes and owners: what is uploaded has those
// of the mount.
var simple = []string{"vfat", "msdos", "exfat", "ntfs", "ntfs3", "fuseblk"}

func (p *patient) lookAtMounts(context.Context) []Finding {
	disks, on, err := p.disks()
	var found []Finding
	if err != nil {
		found = append(found, unknown("mount-unknown", escape.Name(err.Error()), p.asRoot()))
	}
	var own, main = -1, -1
	var kinds []string
	for i, d := range disks {
		kind, where := escape.Name(d.kind), names(on[i])
		kinds = append(kinds, kind)
		if d.readOnly {
			found = append(found, problem("mount-read-only", fmt.Sprintf("%s can't be written to: it is mounted read-only (%s)", where, kind),
				"sudo mount -o remount,rw "+shell(d.at)+"  # if it became so by itself, look at the card: dmesg"))
		}
		for _, one := range on[i] {
			switch one.path {
			case p.own():
				own = i
			case p.main():
				main = i
			}
			if one.path == p.deposit() && mounts.Distant(d.kind) {
				found = append(found, notice("mount-distant", fmt.Sprintf("deposit/ is on %s, whose changes the kernel does not tell: it is looked into every 2 s", kind),
					"put the folder on a disk of this machine, and let the uploads come to it"))
			}
		}
		for _, one := range simple {
			if d.kind == one {
				found = append(found, notice("mount-modes", fmt.Sprintf("%s: %s keeps neither modes nor owners, and programs in it may not be executable", where, kind), "put the folder on ext4"))
			}
		}
	}
	if own < 0 && len(disks) > 0 && !exists(p.own()) {
		own = 0 // it will be made in the folder
	}
	if own >= 0 && disks[own].noExec && p.needsPackages() {
		found = append(found, problem("mount-noexec", ".ota is on a mount with noexec: compiled modules of its environments can't be loaded",
			"sudo mount -o remount,exec "+shell(disks[own].at)+"  # and the same in /etc/fstab"))
	}
	if own >= 0 && main >= 0 && own != main {
		found = append(found, notice("mount-split", "main/ and .ota are on different mounts: each new file is written twice, and a part of the state lies in main/.ota", "put both on one"))
	}
	return otherwise(found, "the folders are on "+strings.Join(kinds, " and "))
}

func names(places []place) string {
	if places[0].name == "the folder" {
		return "the folder"
	}
	var all []string
	for _, one := range places {
		all = append(all, one.name)
	}
	return strings.Join(all, ", ")
}

const (
	fewBytes  = 4 << 20 // beside the reserve
	fewInodes = 100
	counted   = 200_000 // files of main/ at most
)

func (p *patient) lookAtSpace(ctx context.Context) []Finding {
	size, files := p.sizeOfMain(ctx)
	disks, on, err := p.disks()
	if err != nil {
		return []Finding{unknown("space-unknown", "the free space is not known: "+escape.Name(err.Error()), p.asRoot())}
	}
	var found []Finding
	least := int64(-1)
	for i, d := range disks {
		where := names(on[i])
		if least < 0 || d.free < least {
			least = d.free
		}
		advice := "make room: sudo du -xhd1 " + shell(on[i][0].path) + " | sort -h  # fewer old releases are kept with [store] keep"
		switch {
		case d.readOnly: // told already
		case d.free < p.Reserve+fewBytes:
			found = append(found, problem("space-full", fmt.Sprintf("where %s is, %s are free", where, amount.Size(d.free)), advice))
		case d.free < p.Reserve+fewBytes+size:
			found = append(found, notice("space-low", fmt.Sprintf("where %s is, %s are free: a new version of all of main/ (%s) would hardly fit", where, amount.Size(d.free), amount.Size(size)), advice))
		}
		if d.inodes == 0 || d.readOnly {
			continue
		}
		advice = "remove small files: sudo du -x --inodes -d1 " + shell(on[i][0].path) + " | sort -n"
		switch {
		case d.freeInodes < fewInodes:
			found = append(found, problem("inodes-full", fmt.Sprintf("where %s is, there is room for %s more", where, amount.Count(int(d.freeInodes), "file", "files")), advice))
		case d.freeInodes < fewInodes+files:
			found = append(found, notice("inodes-low", fmt.Sprintf("where %s is, there is room for %s more: a new version of all of main/ (%d of them) would hardly fit", where, amount.Count(int(d.freeInodes), "file", "files"), files), advice))
		}
	}
	return otherwise(found, fmt.Sprintf("%s are free; main/ has %s", amount.Size(max(least, 0)), amount.Size(size)))
}

// sizeOfMain is what main/ takes on the disk, as far as it can be read.
func (p *patient) sizeOfMain(ctx context.Context) (size, files int64) {
	walk(ctx, p.main(), func(info fs.FileInfo) {
		files++
		size += info.Sys().(*syscall.Stat_t).Blocks * 512
	})
	return size, files
}

// walk calls found for what is below a folder, as far as it can be read.
func walk(ctx context.Context, folder string, found func(fs.FileInfo)) {
	seen := 0
	filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if seen++; seen > counted || ctx.Err() != nil {
			return filepath.SkipAll
		}
		if err != nil {
			return nil // not for our eyes
		}
		if info, err := entry.Info(); err == nil {
			found(info)
		}
		return nil
	})
}
