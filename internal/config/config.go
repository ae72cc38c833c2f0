// Package config reads the settings: those of the device in ota.toml, and those
// that travel with the program in main/ota.toml.
//
// In: the file beside deposit/, written by hand, or none; and what a release
// brings. Out: a Config in which everything is set and checked, with the origin
// of each value, or all that is wrong with a file, each with its line. Never: a
// setting guessed from a misspelt one, or a default taken silently because a
// value could not be read; and nothing about who runs the program or where it
// listens from a file that was uploaded.
//
// What may stand in the files is one table of keys, [Keys]; the documentation is
// made from it too.
package config

import (
	"slices"
	"syscall"
	"time"

	"ota/internal/kit/glob"
)

// Config is what is in force. It is not changed after it was read: any number
// of goroutines may use it.
type Config struct {
	Program Program
	Python  Python
	Check   Check
	Update  Update
	Trial   Trial
	Store   Store
	Logs    Logs
	Notify  Notify
	Web     Web
	MQTT    MQTT
	Device  Machine
	Source  Source

	values map[place]value // those that are no defaults
}

// Program says what is run in main/, with what around it, and how it is
// stopped.
type Program struct {
	Command      []string          // nil: main.py with the Python that is found
	Env          map[string]string // see [Config.Environment]
	EnvFile      EnvFile           // more of it
	User, Group  string            // names or numbers; empty: those of ota
	Restart      Restart
	StopSignals  []syscall.Signal // in the order in which they are sent; SIGKILL is the last
	StopTimeouts []time.Duration  // see StopSteps
	MemoryMax    int64            // 0: no limit
	Nice         int
	Listen       []Socket
	Watchdog     time.Duration // 0: none
}

// Python says which interpreter runs the program, and in which environment.
type Python struct {
	Interpreter string // a name or a path; empty: the one that is found
	Environment bool   // whether a virtual environment is made from what main/ requires
	Isolated    bool   // whether it is closed to the packages of the system
	Index       string // empty: the one that pip is set to
	Offline     bool
	Warm        bool // whether the next interpreter is started before the switch
	Preload     []string
}

// Check says how an upload is judged before anything is stopped.
type Check struct {
	Imports bool           // whether imports are followed
	Ignore  []glob.Pattern // see Ignored
	Command []string       // nil: none
	Timeout time.Duration  // of the command
}

// Ignored tells whether a path below main/ is neither compiled nor followed.
func (c Check) Ignored(path string) bool { return anyMatches(c.Ignore, path) }

// Update says when an upload is complete, what belongs to it, when it may
// become the program, and for what the program need not be stopped.
type Update struct {
	Quiet        time.Duration
	Ignore       []glob.Pattern
	Window       Window
	MaxDefer     time.Duration // how long a busy program may put a switch off
	NoRestart    []glob.Pattern
	ReloadSignal syscall.Signal // 0: none
	USB          bool           // whether releases are taken from sticks
}

// Ignored tells whether a path below deposit/ never counts and stays there.
func (u Update) Ignored(path string) bool { return anyMatches(u.Ignore, path) }

// Spared tells whether the program need not be started again because of a path
// below main/.
func (u Update) Spared(path string) bool { return anyMatches(u.NoRestart, path) }

func anyMatches(patterns []glob.Pattern, path string) bool {
	return slices.ContainsFunc(patterns, func(p glob.Pattern) bool { return p.Match(path) })
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

// quiet is longer than any pause of a usual client between two files: curl 7.88
// sends several over FTP and waits for a whole second between two now and then.
const quiet = 1500 * time.Millisecond

// Default is the configuration where there is neither file.
func Default() Config {
	return Config{
		Program: Program{
			Env:         map[string]string{},
			EnvFile:     EnvFile{Origin: ByDefault},
			Restart:     OnFailure,
			StopSignals: []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL},
		},
		Python: Python{Environment: true},
		Check:  Check{Imports: true, Timeout: 5 * time.Minute},
		Update: Update{Quiet: quiet, MaxDefer: time.Hour},
		Trial:  Trial{Period: 10 * time.Second, Attempts: 2, Interval: time.Second, Timeout: 5 * time.Second},
		Store:  Store{Keep: 10},
		Logs:   Logs{MaxFile: 10_000_000, MaxTotal: 50_000_000},
		Notify: Notify{On: Happenings[:graveHappenings:graveHappenings]},
		Web:    Web{Listen: "127.0.0.1:8484", Announce: true},
		MQTT:   MQTT{Prefix: "homeassistant", Topic: "ota", Control: true},
		Device: Machine{Threshold: 1},
		Source: Source{Poll: 15 * time.Minute},
	}
}
