package setup

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"ota/internal/kit/hint"
)

// mode is who starts ota on the device.
type mode string

const (
	ofSystem mode = "system"
	ofUser   mode = "user"
	bare     mode = "bare" // nobody: only the files are put in place
)

// plan is what is to be done.
type plan struct {
	mode      mode
	installed Installed // empty: none
	binary    *Binary   // nil: the one that is there stays
	place     string    // where the binary is copied to, for a start
	result    Result
}

// folderNeeds is for what ota keeps in a folder before the first upload.
const folderNeeds = 4 << 20

// plan finds out whether all is there.
func (w *work) plan() (*plan, error) {
	d := w.device
	p := &plan{mode: ofSystem}
	switch {
	case d.Manager == "":
		p.mode = bare
	case w.o.OfUser || d.Service == "user":
		p.mode = ofUser
	}
	p.result = Result{Host: w.o.Target.Login(), Dir: d.Dir, User: d.User, Did: Made, Binary: w.binaryPath(p.mode)}
	if p.mode != bare {
		service := string(p.mode)
		p.result.Service = &service
	}
	p.find(d)
	var err error
	if w.o.Uninstall {
		if p.installed.Path == "" {
			return nil, fmt.Errorf("there is no ota on it that could be uninstalled (%s)", p.result.Binary)
		}
		p.result.Did, p.result.Service = Removed, nil
		return p, w.mayRoot(p.mode)
	}
	if err := w.canHold(p.mode); err != nil {
		return nil, err
	}
	kinds, err := d.Kinds()
	if err != nil {
		return nil, err
	}
	binary, err := findBinary(kinds, w.o.Binaries, w.o.Own)
	if err != nil {
		return nil, err
	}
	p.result.Kind = binary.Kind
	w.o.Say("%s is %s on %s, Linux %s", p.result.Host, d.User, strings.TrimPrefix(binary.Kind, "linux-"), d.Kernel)
	if p.installed.Sum != binary.Sum {
		p.binary = binary
		if p.place, err = d.placeFor(int64(len(binary.Bytes))); err != nil {
			return nil, err
		}
	} else {
		p.result.Version = p.result.Before
		if d.Answers && (d.Service == string(p.mode) || p.mode == bare) {
			p.result.Did = Nothing
			return p, nil
		}
	}
	if p.result.Before != nil && p.binary != nil {
		p.result.Did = Better
	}
	if d.DirRuns == "no" {
		w.o.Say("programs of your own can't be started in %s: its file system is mounted noexec; Python can", d.Dir)
	}
	return p, w.mayRoot(p.mode)
}

// find takes the ota that is there already for this mode.
func (p *plan) find(d *Device) {
	for _, one := range d.Found {
		isUsers := one.Path == usersBinary(d)
		if isUsers != (p.result.Binary == usersBinary(d)) {
			continue
		}
		p.installed, p.result.Binary = one, one.Path
		if one.Version != "" {
			p.result.Before = &one.Version
		}
		return
	}
}

func usersBinary(d *Device) string { return path.Join(d.Home, ".local/bin/ota") }

// binaryPath is where "ota install" puts ota.
func (w *work) binaryPath(mode mode) string {
	if mode == ofSystem || mode == bare && w.device.Root == "root" {
		return "/usr/local/bin/ota"
	}
	return usersBinary(w.device)
}

// mayRoot says what is missing to become root, if that is needed.
func (w *work) mayRoot(mode mode) error {
	d := w.device
	switch {
	case mode != ofSystem || d.Root == "root" || d.Root == "free":
		return nil
	case d.With == "":
		return hint.With(fmt.Errorf("%s can't become root on it: there is neither sudo nor doas", d.User),
			"log in as root, or take a service of the user: --user")
	case w.o.Batch:
		return hint.With(fmt.Errorf("%s asks for a password there, and nobody can be asked here", d.With),
			"call it from a terminal, or take a service of the user: --user")
	}
	return nil
}

// canHold looks at the folder and at who starts ota in it.
func (w *work) canHold(mode mode) error {
	d := w.device
	switch {
	case d.DirIs == "file":
		return fmt.Errorf("%s is no folder there", d.Dir)
	case d.Dir == "/":
		return errors.New("/ can't be the folder of a program")
	case d.DirIs == "closed" && mode != ofSystem:
		return hint.With(fmt.Errorf("%s may not make the folder %s there", d.User, d.Dir), "take one in the home of the user, or log in as root")
	case mode == ofUser && d.Manager == "openrc":
		return hint.With(errors.New("OpenRC has no services of a user"), "without --user, with sudo or as root")
	case mode == ofUser && d.Own == "":
		return hint.With(fmt.Errorf("no systemd of %s's own is running on it", d.User),
			`"loginctl enable-linger" there starts one, which stays when nobody is logged in`)
	case d.Room.Free >= 0 && d.Room.Free < folderNeeds:
		return hint.With(fmt.Errorf("there is no room in %s on it: %s are free", d.Dir, megabytes(d.Room.Free)),
			"make room there, or take a folder on another disk")
	}
	return nil
}

// placeFor chooses a place from which a file of this size can be started. It is
// there twice until it is in place.
func (d *Device) placeFor(size int64) (string, error) {
	needs := 2*size + 1<<20
	canRun := false
	var free int64
	for _, place := range d.Places {
		if place.Runs && (place.Free < 0 || place.Free >= needs) {
			return place.Path, nil
		}
		canRun = canRun || place.Runs
		free = max(free, place.Free)
	}
	var paths []string
	for _, place := range d.Places {
		paths = append(paths, place.Path)
	}
	where := strings.Join(paths, ", ")
	if !canRun && free >= needs {
		return "", hint.With(fmt.Errorf("no program can be started from %s on it: they are mounted noexec", where),
			"mount -o remount,exec one of them meanwhile")
	}
	return "", hint.With(fmt.Errorf("there is no room for ota in %s on it: %s are needed, %s are free", where, megabytes(needs), megabytes(free)),
		"make room on the device: df -h shows where")
}
