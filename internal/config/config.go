// Package config reads ota.toml, the settings of one device.
//
// In: the file beside deposit/, written by hand, or none. Out: a Config in
// which everything is set and checked, or all that is wrong with the file, each
// with its line. Never: a setting guessed from a misspelt one, or a default
// taken silently because a value could not be read.
//
// What may stand in the file is one table of keys, [Keys]; the documentation is
// made from it too.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"ota/internal/kit/glob"
)

// Config is what ota.toml says. It is not changed after it was read: any number
// of goroutines may use it.
type Config struct {
	Program Program
	Update  Update
	Trial   Trial
	Store   Store
	Logs    Logs
}

// Program says what is run in main/ and how it is stopped.
type Program struct {
	Command     []string          // nil: main.py with the Python that is found
	Env         map[string]string // laid over the environment of ota
	StopSignals []syscall.Signal  // in the order in which they are sent; SIGKILL is the last
}

// Update says when an upload is complete, what belongs to it, and when it may
// become the program.
type Update struct {
	Quiet    time.Duration
	Ignore   []glob.Pattern
	Window   Window
	MaxDefer time.Duration // how long a busy program may put a switch off
}

// Ignored tells whether a path below deposit/ never counts and stays there.
func (u Update) Ignored(path string) bool {
	for _, pattern := range u.Ignore {
		if pattern.Match(path) {
			return true
		}
	}
	return false
}

// Trial says how a release proves itself. What is empty is not asked.
type Trial struct {
	Period    time.Duration
	Attempts  int  // at least 1
	Ready     bool // the program promises READY=1
	HTTP, TCP string
	Command   []string
	Interval  time.Duration // between two looks of a probe
	Timeout   time.Duration // of one look
}

// Store says what is kept of earlier releases.
type Store struct {
	Keep     int   // at least 1
	MaxBytes int64 // 0: no limit
}

// Logs holds the limits of logs/, in bytes. MaxFile is at most MaxTotal.
type Logs struct {
	MaxFile  int64
	MaxTotal int64
}

// Default is the configuration of a device without ota.toml.
func Default() Config {
	return Config{
		Program: Program{
			Env:         map[string]string{},
			StopSignals: []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL},
		},
		Update: Update{Quiet: time.Second, MaxDefer: time.Hour},
		Trial:  Trial{Period: 10 * time.Second, Attempts: 2, Interval: time.Second, Timeout: 5 * time.Second},
		Store:  Store{Keep: 10},
		Logs:   Logs{MaxFile: 10_000_000, MaxTotal: 50_000_000},
	}
}

// maxFile is more than anybody writes by hand. The parser needs some hundred
// bytes of stack for each bracket that is opened.
const maxFile = 64 << 10

// Load reads the file at path; one that is not there gives Default. What is
// wrong with its content comes as an [*Error], together with a Config that has
// the defaults in the places concerned.
func Load(path string) (Config, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Default(), nil
	}
	if err != nil {
		return Default(), fmt.Errorf("cannot read the configuration: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return Default(), fmt.Errorf("cannot read the configuration: %w", err)
	}
	return Parse(path, data)
}

// Parse is Load for content already read. The name is used in errors only.
func Parse(name string, data []byte) (Config, error) {
	if len(data) > maxFile {
		return Default(), &Error{[]Problem{{File: name, Message: "the file is larger than 64 KiB"}}}
	}
	reading := reading{config: Default(), file: name}
	reading.document(string(data))
	return reading.config, reading.err()
}
