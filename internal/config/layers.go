package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"ota/internal/kit/escape"
)

// maxFile is more than anybody writes by hand. The parser needs some hundred
// bytes of stack for each bracket that is opened.
const maxFile = 64 << 10

// Layers are the settings of the device, over which those that travel with the
// program can be asked for. They never change: any number of goroutines may use
// them.
type Layers struct {
	name string // of the device's file
	data []byte
	own  Config
}

// LoadLayers reads the device's file; one that is not there sets nothing. What
// is wrong with its content comes as an [*Error].
func LoadLayers(path string) (Layers, error) {
	layers := Layers{name: path, own: Default()}
	data, err := readFile(os.Stat, os.Open, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return layers, nil
	case err != nil:
		return layers, fmt.Errorf("cannot read the configuration: %w", err)
	}
	return ParseLayers(path, data)
}

// ParseLayers is LoadLayers for content already read. The name is used in
// errors only. With an error the Layers have the defaults in the places
// concerned.
func ParseLayers(name string, data []byte) (Layers, error) {
	reading := newReading(name, Device, Default())
	reading.all(data)
	return Layers{name, data, settle(reading.config)}, reading.err()
}

// Device is what is in force where nothing travels with the program.
func (l Layers) Device() Config { return l.own }

// With is what is in force with a main/ota.toml that holds data; the name is
// used in errors and warnings only. The warnings are about what stands in it and
// does not count there. What is wrong with it comes as an [*Error], and then the
// Config is that of the device alone.
func (l Layers) With(name string, data []byte) (Config, []Problem, error) {
	travelling := newReading(name, Travelling, Default())
	travelling.all(data)
	if err := travelling.err(); err != nil {
		return l.own, travelling.warnings, err
	}
	// It has been read before, and had no faults.
	device := newReading(l.name, Device, travelling.config)
	device.document(l.data)
	return settle(device.config), travelling.warnings, nil
}

// Load is With for the file that lies in the folder main now. One that is not
// there sets nothing; one that leads out of the folder by a link is an error.
func (l Layers) Load(main string) (Config, []Problem, error) {
	data, err := readInside(main, fileName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return l.own, nil, nil
	case err != nil:
		return l.own, nil, fmt.Errorf("cannot read the configuration of the program: %w", err)
	}
	return l.With(filepath.Join(main, fileName), data)
}

// fileName is that of both files.
const fileName = "ota.toml"

// readInside reads a file of a folder to which others may write: nothing outside
// of it.
func readInside(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return readFile(root.Stat, root.Open, name)
}

// readFile reads a file, to one byte more than it may have. A pipe would be
// waited for.
func readFile(stat func(string) (fs.FileInfo, error), open func(string) (*os.File, error), name string) ([]byte, error) {
	switch info, err := stat(name); {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", escape.Name(name))
	}
	file, err := open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxFile+1))
}

// settle decides what more than one key says together.
func settle(c Config) Config {
	c.Program.EnvFile.Origin = c.Origin("program", "env_file")
	// Modules are loaded by an interpreter that waits; who writes only them
	// wants it to.
	preload := c.Origin("python", "preload")
	if len(c.Python.Preload) > 0 && rank(preload) > rank(c.Origin("python", "warm")) {
		c.Python.Warm = true
		c.put(place{"python", "warm", ""}, value{preload, true})
	}
	return c
}

// NoLayers are the settings of no device at all.
func NoLayers() Layers { return Layers{own: Default()} }
