package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ota/internal/check"
	"ota/internal/kit/beneath"
	"ota/internal/kit/copysum"
	"ota/internal/python/venv"
)

// wheelID tells a wheel from what it was before, without reading it.
type wheelID struct {
	path    string
	size    int64
	modTime int64
}

// wheelsOf lists the wheels that a version brings.
func (o *outfit) wheelsOf(v version) ([]venv.Wheel, error) {
	var wheels []venv.Wheel
	arrived := map[string]bool{}
	for _, arrival := range v.arrivals {
		if path.Dir(arrival.Path) != venv.WheelFolder || path.Ext(arrival.Path) != ".whl" {
			continue
		}
		arrived[arrival.Path] = true
		wheels = append(wheels, venv.Wheel{Path: arrival.Path, File: arrival.File, Sum: arrival.Sum})
	}
	tree, err := beneath.Open(o.main)
	if err != nil {
		return wheels, ignoreMissing(err)
	}
	defer tree.Close()
	dir, err := tree.Dir(venv.WheelFolder)
	if err != nil {
		return wheels, ignoreMissing(err)
	}
	names, err := dir.Names()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		at := path.Join(venv.WheelFolder, name)
		info, err := dir.Lstat(name)
		if err != nil || arrived[at] || slices.Contains(v.gone, at) || path.Ext(name) != ".whl" || !info.Mode().IsRegular() {
			continue
		}
		sum, err := o.wheelSum(dir, name, info, v.walk)
		if err != nil {
			return nil, err
		}
		wheels = append(wheels, venv.Wheel{Path: at, File: filepath.Join(o.main, filepath.FromSlash(at)), Sum: sum})
	}
	o.rememberWheels(v)
	return wheels, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, beneath.ErrInTheWay) {
		return nil
	}
	return err
}

// rememberWheels keeps the sums of those that will be in main/.
func (o *outfit) rememberWheels(v version) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, arrival := range v.arrivals {
		if path.Ext(arrival.Path) == ".whl" {
			if info, err := os.Stat(arrival.File); err == nil {
				o.wheels[wheelID{arrival.Path, info.Size(), arrival.ModTime.UnixNano()}] = arrival.Sum
			}
		}
	}
}

// wheelSum is the sum of a wheel in main/: the one that was seen with this size
// and time, else that of the release, else what is read.
func (o *outfit) wheelSum(dir *beneath.Dir, name string, info fs.FileInfo, walk check.Walk) (string, error) {
	at := path.Join(venv.WheelFolder, name)
	id := wheelID{at, info.Size(), info.ModTime().UnixNano()}
	o.mu.Lock()
	sum := o.wheels[id]
	o.mu.Unlock()
	if sum == "" {
		sum = sumInRelease(walk, at, info.Size())
	}
	if sum != "" {
		return sum, nil
	}
	file, err := dir.OpenFile(name, 0, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	read, err := copysum.Of(context.Background(), file)
	if err != nil {
		return "", fmt.Errorf("cannot read %s: %w", at, err)
	}
	sum = hex.EncodeToString(read[:])
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wheels[id] = sum
	return sum, nil
}

// sumInRelease is what a release knows of a file of this size; empty: nothing.
func sumInRelease(walk check.Walk, at string, size int64) (sum string) {
	if walk == nil {
		return ""
	}
	// A listing that can't be read leaves it to the file itself.
	_ = walk(func(name string, of check.Entry) error {
		if name == at && of.Mode.IsRegular() && of.Size == size {
			sum = of.Sum
			return fs.SkipAll
		}
		return nil
	})
	return sum
}

// digest is that of what a version has at a path: a file, or all files of a
// folder that are of the release.
func digest(v version, at string) (string, error) {
	found := map[string]check.Entry{}
	below := func(name string) bool { return at == "." || name == at || strings.HasPrefix(name, at+"/") }
	if v.walk != nil {
		err := v.walk(func(name string, of check.Entry) error {
			if below(name) && !of.Mode.IsDir() {
				found[name] = of
			}
			return nil
		})
		if err != nil {
			return "", err
		}
	}
	for _, arrival := range v.arrivals {
		if below(arrival.Path) {
			found[arrival.Path] = check.Entry{Mode: arrival.Mode, Sum: arrival.Sum}
		}
	}
	if len(found) == 0 {
		return "", fs.ErrNotExist
	}
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(found)) {
		fmt.Fprintf(sum, "%q %v %s\n", name, found[name].Mode, found[name].Sum)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
