package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ota/internal/kit/amount"
	"ota/internal/kit/beneath"
	"ota/internal/kit/escape"
)

func (p *patient) number(path string) (int64, error) {
	text, err := os.ReadFile(p.below(path))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

const fewWatchers = 16 // on a machine of one program

// lookAtWatches is about inotify(7): a watch for each folder of deposit/, and a
// few in all that watch.
func (p *patient) lookAtWatches(ctx context.Context) []Finding {
	watches, err := p.number("proc/sys/fs/inotify/max_user_watches")
	watchers, err2 := p.number("proc/sys/fs/inotify/max_user_instances")
	if err := errors.Join(err, err2); err != nil {
		return []Finding{unknown("watches-unknown", "it can't be told how many folders may be watched: "+escape.Name(err.Error()), "")}
	}
	var folders int64
	for _, folder := range []string{p.deposit(), p.main()} {
		walk(ctx, folder, func(info fs.FileInfo) {
			if info.IsDir() {
				folders++
			}
		})
	}
	const more = "echo fs.inotify.%s=%d | sudo tee /etc/sysctl.d/90-ota-%s.conf && sudo sysctl --system"
	have := amount.Count(int(folders), "folder", "folders")
	var found []Finding
	switch {
	case folders >= watches:
		found = append(found, problem("watches-few", fmt.Sprintf("deposit/ and main/ have %s, and a user may watch %d: deposit/ is looked into every 2 s instead", have, watches), fmt.Sprintf(more, "max_user_watches", 524288, "watches")))
	case folders >= watches/2:
		found = append(found, notice("watches-low", fmt.Sprintf("deposit/ and main/ have %s, and a user may watch %d, with all his programs", have, watches), fmt.Sprintf(more, "max_user_watches", 524288, "watches")))
	}
	if watchers < fewWatchers {
		found = append(found, notice("watchers-few", fmt.Sprintf("all programs of a user may have %d watchers (inotify) together", watchers), fmt.Sprintf(more, "max_user_instances", 512, "watchers")))
	}
	return otherwise(found, fmt.Sprintf("%s of the %d that may be watched", have, watches))
}

// kernelVersion returns the first two numbers of what "uname -r" prints, as in
// 6.6.20+rpt-rpi-v6.
func kernelVersion(release string) (major, minor int, ok bool) {
	first, rest, _ := strings.Cut(release, ".")
	second := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	major, noMajor := strconv.Atoi(first)
	minor, noMinor := strconv.Atoi(second)
	return major, minor, noMajor == nil && noMinor == nil
}

func (p *patient) lookAtKernel(context.Context) []Finding {
	var found []Finding
	text, err := os.ReadFile(p.below("proc/sys/kernel/osrelease"))
	version := escape.Name(strings.TrimSpace(string(text)))
	major, minor, ok := kernelVersion(version)
	switch {
	case err != nil || !ok:
		found = append(found, unknown("kernel-unknown", "the version of the kernel can't be told", ""))
	case major < 4 || major == 4 && minor < 19:
		found = append(found, problem("kernel-old", "the kernel is "+version+"; ota is made for 4.19 and up", "update the system: sudo apt full-upgrade"))
	}
	found = append(found, p.lookAtExchange()...)
	if p.settings.Program.MemoryMax > 0 {
		found = append(found, p.lookAtMemory()...)
	}
	return otherwise(found, "the kernel is "+version)
}

func (p *patient) lookAtExchange() []Finding {
	if info, err := os.Stat(p.main()); err != nil || !info.IsDir() {
		return nil
	}
	// Where main/ is a mount of its own its names are exchanged in main/.ota.
	folder := p.own()
	main, err := p.disk(p.main())
	own, err2 := p.disk(p.own())
	if err != nil || err2 != nil {
		return nil // nothing was started here yet, or it was told already
	}
	if own.mount != main.mount {
		folder = filepath.Join(p.main(), ".ota")
	}
	if own.readOnly || main.readOnly || !exists(folder) {
		return nil
	}
	switch err := p.exchange(folder); {
	case err == nil:
		return nil
	case errors.Is(err, errors.ErrUnsupported):
		return []Finding{notice("kernel-exchange", "two names can't change places on "+escape.Name(main.kind)+": files are replaced one after the other, without the way back at once", "put main/ on ext4")}
	default:
		return []Finding{unknown("kernel-unknown", "it can't be told whether names can change places there: "+escape.Name(err.Error()), p.asRoot())}
	}
}

// tryExchange makes two empty files in a folder, and removes them. The folder
// may belong to somebody else, who could put a link in the way: nothing is
// opened that was there before, or by a path.
func tryExchange(folder string) (err error) {
	tree, err := beneath.Open(folder)
	if err != nil {
		return err
	}
	defer tree.Close()
	name := "doctor-" + strconv.Itoa(os.Getpid()) + "-"
	for _, one := range []string{name + "1", name + "2"} {
		file, err := tree.Top().OpenFile(one, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		file.Close()
		defer func() {
			if removeErr := tree.Top().Remove(one); err == nil {
				err = removeErr
			}
		}()
	}
	return beneath.Exchange(tree.Top(), name+"1", tree.Top(), name+"2")
}

func (p *patient) lookAtMemory() []Finding {
	text, err := os.ReadFile(p.below("sys/fs/cgroup/cgroup.controllers"))
	for _, word := range strings.Fields(string(text)) {
		if word == "memory" {
			return nil
		}
	}
	what := "[program] memory_max counts for each process and not for the whole program: the kernel's control group for memory is off"
	if errors.Is(err, fs.ErrNotExist) {
		what = "[program] memory_max counts for each process and not for the whole program: there are no control groups of version 2"
	}
	return []Finding{notice("kernel-memory", what, "on a Raspberry Pi add cgroup_enable=memory to the line in /boot/firmware/cmdline.txt (older systems: /boot/cmdline.txt), then restart it")}
}
