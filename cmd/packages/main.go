// Command packages makes what ota is handed out as, from binaries that are
// built already: a .deb for each of Debian's architectures, a .tar.gz for each
// target, and their sums.
//
//	go run ./cmd/packages -from dist -to dist/packages -version 0.1.0
//
// In: binaries, and what this tree says of itself: its manual, completions,
// template, changelog and licences. Out: files that are the same, byte for byte,
// whenever and wherever they are made from the same commit: all times in them
// are SOURCE_DATE_EPOCH, or else that of the commit. Never: a compilation.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func main() {
	var j job
	var only string
	flag.StringVar(&j.from, "from", "dist", "`folder` of the binaries, each named ota-OS-ARCH")
	flag.StringVar(&j.to, "to", "dist/packages", "`folder` for the packages")
	flag.StringVar(&j.version, "version", "", "the version that they have")
	flag.StringVar(&only, "only", "", "only these `targets`, as in linux-armv6,linux-arm64")
	flag.Parse()
	if err := run(context.Background(), j, only); err != nil {
		fmt.Fprintln(os.Stderr, "packages:", err)
		os.Exit(1)
	}
}

// job is what is to be made.
type job struct {
	from, to, version string
	at                time.Time // of all that is in the packages
}

// versionForm is what makes a version for Debian, too, once its hyphens are
// tildes (deb-version(7)).
var versionForm = regexp.MustCompile(`^[0-9][0-9A-Za-z.+~-]*$`)

func run(ctx context.Context, j job, only string) error {
	if !versionForm.MatchString(j.version) {
		return fmt.Errorf("%q is no version: it begins with a digit, as in -version 0.1.0", j.version)
	}
	chosen, err := chosenTargets(only)
	if err != nil {
		return err
	}
	if j.at, err = timeOfSource(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(j.to, 0o755); err != nil {
		return err
	}
	common, err := j.common()
	if err != nil {
		return err
	}
	var made []string
	for _, one := range chosen {
		paths, err := j.pack(ctx, one, common)
		if err != nil {
			return fmt.Errorf("cannot pack %s: %w", one, err)
		}
		made = append(made, paths...)
	}
	return writeSums(filepath.Join(j.to, "SHA256SUMS"), made)
}

// pack makes all packages of a target, and returns their paths.
func (j job) pack(ctx context.Context, t target, common common) ([]string, error) {
	name := "ota-" + t.String()
	if t.os == "windows" {
		name += ".exe"
	}
	binary, err := os.ReadFile(filepath.Join(j.from, name))
	if err != nil {
		return nil, fmt.Errorf("%w: \"make packages\" builds all of them first", err)
	}
	linked, err := linkedInto(ctx, t)
	if err != nil {
		return nil, err
	}
	tarball := filepath.Join(j.to, fmt.Sprintf("ota-%s-%s.tar.gz", j.version, t))
	if err := j.writeTarball(tarball, t, common, linked, binary); err != nil {
		return nil, err
	}
	if t.debian == "" {
		return []string{tarball}, nil
	}
	deb, err := j.writeDeb(ctx, t, common, linked, binary)
	return []string{deb, tarball}, err
}

// timeOfSource is what all files say when they were made: the packages are the
// same whoever makes them.
func timeOfSource(ctx context.Context) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		output, err := exec.CommandContext(ctx, "git", "log", "-1", "--format=%ct").Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("cannot ask git for the time of the commit: %w; or set SOURCE_DATE_EPOCH", err)
		}
		text = string(bytes.TrimSpace(output))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is no number of seconds: %q", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// target is a kind of machine.
type target struct {
	os, arch string // as in the name of the binary
	goarch   string
	debian   string // what Debian calls it; empty: there is no .deb
}

func (t target) String() string { return t.os + "-" + t.arch }

// targets are those of "make cross". Raspberry Pi OS calls its ARMv6 armhf, so
// that armhf has what runs there, and on ARMv7 as well. armel has no floating
// point unit.
var targets = []target{
	{"linux", "amd64", "amd64", "amd64"},
	{"linux", "arm64", "arm64", "arm64"},
	{"linux", "armv7", "arm", ""},
	{"linux", "armv6", "arm", "armhf"},
	{"linux", "armv5", "arm", "armel"},
	{"linux", "riscv64", "riscv64", "riscv64"},
	{"darwin", "arm64", "arm64", ""},
	{"windows", "amd64", "amd64", ""},
}

func chosenTargets(only string) ([]target, error) {
	if only == "" {
		return targets, nil
	}
	var chosen []target
	for name := range strings.SplitSeq(only, ",") {
		before := len(chosen)
		for _, one := range targets {
			if one.String() == name {
				chosen = append(chosen, one)
			}
		}
		if len(chosen) == before {
			return nil, errors.New("there is no target " + name)
		}
	}
	return chosen, nil
}
