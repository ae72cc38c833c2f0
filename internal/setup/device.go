package setup

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"ota/internal/kit/hint"
)

// look is run by the device's sh, whichever that is.
//
//go:embed look.sh
var look string

// Device is what was found out about the other machine.
type Device struct {
	System  string // as uname -s has it
	Machine string // as uname -m has it: the kernel's
	Kernel  string
	Package string // architecture of Debian's packages; empty: no Debian
	Bits    string // of its programs: 32 or 64; empty: can't be told
	Float   string // yes: the processor has it; no; empty: can't be told

	User  string
	UID   string
	Group string // its number
	Home  string
	// Root is how one becomes root: root (it is already), free, asks, none.
	Root string
	With string // sudo or doas

	Manager string // systemd, openrc; empty: neither
	Own     string // yes: a systemd of the user's own runs
	Dir     string // absolute
	DirIs   string // folder, file, none, or closed: none, and the user can't make it
	DirRuns string // no: the file system runs no programs
	Room    Place  // where the folder is
	Service string // the scope of the service that is there for it; empty: none
	Answers bool   // ota runs there, and says so

	Found  []Installed
	Places []Place // where a file can be put
}

// Installed is an ota on the device.
type Installed struct {
	Path, Version, Sum string
}

// Place is a folder on the device.
type Place struct {
	Path  string
	Runs  bool   // programs can be started there
	Free  int64  // bytes; -1: can't be told
	Mount string // the file system
}

const (
	begins = "ota-looks-from-here"
	ends   = "ota-has-looked"
)

// errNoAnswer is for a shell that has said nothing, or only something else.
var errNoAnswer = errors.New("its shell has not told what it was asked")

// parseDevice reads what the script has printed. What comes before, a greeting
// for one, is no part of it.
func parseDevice(text string) (*Device, error) {
	_, text, hasBegun := strings.Cut(text, begins+"\n")
	text, _, hasEnded := strings.Cut(text, "\n"+ends)
	if !hasBegun || !hasEnded {
		return nil, hint.With(errNoAnswer, `look whether "ssh HOST uname" prints its system: the account may be one for files only`)
	}
	d := &Device{}
	words := map[string]*string{
		"system": &d.System, "machine": &d.Machine, "kernel": &d.Kernel, "package": &d.Package, "bits": &d.Bits, "float": &d.Float,
		"user": &d.User, "uid": &d.UID, "group": &d.Group, "home": &d.Home, "root": &d.Root, "with": &d.With, "manager": &d.Manager, "own": &d.Own,
		"dir": &d.Dir, "dir_is": &d.DirIs, "dir_runs": &d.DirRuns, "service": &d.Service,
	}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), "=")
		if to, known := words[key]; known {
			*to = value
			continue
		}
		d.take(key, value)
	}
	d.Dir = path.Clean(d.Dir)
	if !path.IsAbs(d.Dir) || d.System == "" {
		return nil, errNoAnswer
	}
	return d, lines.Err()
}

// take takes what there is several of, or what is no text.
func (d *Device) take(key, value string) {
	switch key {
	case "answers":
		d.Answers = value == "yes"
	case "room":
		d.Room.Free, d.Room.Mount = parseFree(value)
	case "ota":
		d.Found = append(d.Found, Installed{Path: value})
	case "place":
		d.Places = append(d.Places, Place{Path: value, Free: -1})
	}
	if last := len(d.Found) - 1; last >= 0 {
		switch words := strings.Fields(value); {
		case key == "version" && len(words) > 1 && words[0] == "ota":
			d.Found[last].Version = words[1]
		case key == "sum" && len(words) > 0:
			d.Found[last].Sum = words[0]
		}
	}
	if last := len(d.Places) - 1; last >= 0 {
		switch key {
		case "runs":
			d.Places[last].Runs = value == "yes"
		case "free":
			d.Places[last].Free, d.Places[last].Mount = parseFree(value)
		}
	}
}

// parseFree reads the last line of df -Pk: the field before the percentage is
// what is free, those after it are where it is mounted.
func parseFree(line string) (free int64, mount string) {
	fields := strings.Fields(line)
	for i := 1; i < len(fields); i++ {
		if !strings.HasSuffix(fields[i], "%") && fields[i] != "-" {
			continue
		}
		if blocks, err := strconv.ParseInt(fields[i-1], 10, 48); err == nil && blocks >= 0 {
			return blocks << 10, strings.Join(fields[i+1:], " ")
		}
	}
	return -1, ""
}

// Kinds are those that the device can run, the best first, as the names of the
// binaries have them: linux-armv6.
func (d *Device) Kinds() ([]string, error) {
	if d.System != "Linux" {
		return nil, hint.With(fmt.Errorf("it runs %s", d.System), "devices run Linux; another system can be the one that you sit at")
	}
	machine := d.Machine
	if (machine == "aarch64" || machine == "arm64") && (d.Bits == "32" || d.Package == "armhf" || d.Package == "armel") {
		machine = "armv7l" // a kernel of 64 bits below a system of 32
	}
	arms := []string{"linux-armv7", "linux-armv6", "linux-armv5"}
	switch {
	case machine == "x86_64" || machine == "amd64":
		// It also runs where only the kernel has 64 bits: nothing is linked to it.
		return []string{"linux-amd64"}, nil
	case machine == "aarch64" || machine == "arm64":
		return []string{"linux-arm64"}, nil
	case machine == "riscv64":
		return []string{"linux-riscv64"}, nil
	case strings.HasPrefix(machine, "armv5"), strings.HasPrefix(machine, "arm") && (d.Float == "no" || d.Package == "armel"):
		return arms[2:], nil
	case strings.HasPrefix(machine, "armv6"):
		return arms[1:], nil
	case strings.HasPrefix(machine, "armv7"), strings.HasPrefix(machine, "armv8"):
		return arms, nil
	}
	return nil, hint.With(fmt.Errorf("there is no ota for its processor (%s)", d.Machine), "there is one for amd64, arm64, armv7, armv6, armv5 and riscv64")
}
