//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// delivery is the way in which an upload reaches a subject.
type delivery string

const (
	told    delivery = "into `main/`, then told"                  // knows its end, as nothing real does
	held    delivery = "into `deposit/`, under `.hold`"           // the removal of .hold is its end
	plain   delivery = "into `deposit/`"                          // the subject must find out by itself
	watched delivery = "straight into the folder that is watched" // there is no other place for it
)

const (
	floorName   = "floor"
	heldName    = "ota `.hold`"
	plainName   = "ota"
	oldName     = "old script"
	oldPeriod   = 10 * time.Second
	commonQuiet = time.Second // of all who wait after a change, ota too
)

// subject is one way to keep a program up to date.
type subject struct {
	name     string
	how      string // the command, as a person would type it
	delivery delivery
	folder   string        // where it is started, below the rig's folder
	period   time.Duration // how often it looks, if it does not watch
	argv     []string
	env      []string // beside the bench's own
	input    string   // a file for its standard input, below the rig's folder
	version  []string // the command that tells its version, if it has one of its own
	packed   string   // what npm calls it, with its version, if it comes from there
}

// subjects lists all there are, in the order of the page.
func subjects(t *tools) []subject {
	program := []string{t.python, "-u", "main.py"}
	return []subject{
		{
			name: floorName, how: "kill; python3 main.py", delivery: told, folder: "main",
			argv: append([]string{t.self, floorCommand}, program...),
		},
		{name: heldName, how: "ota run", delivery: held, folder: ".", argv: []string{t.ota, "run"}},
		{
			name: plainName, how: "ota run", delivery: plain, folder: ".",
			argv: []string{t.ota, "run"}, version: []string{t.ota, "version"},
		},
		{
			name: oldName, how: "python3 ota.py", delivery: plain, folder: ".", period: oldPeriod,
			argv: []string{t.python, t.oldway},
		},
		{
			name: "nodemon", how: "nodemon --delay 1 --ext py,txt --exec 'python3 -u' main.py", delivery: watched, folder: "main",
			argv:   []string{t.npm("nodemon"), "--delay", "1", "--ext", "py,txt", "--exec", t.python + " -u", "main.py"},
			packed: "nodemon@3.1.14",
		},
		{
			name: "pm2", how: "pm2 start main.py --watch --watch-delay 1 --no-daemon", delivery: watched, folder: "main",
			argv: []string{
				t.npm("pm2"), "start", "main.py", "--interpreter", t.python, "--interpreter-args", "-u",
				"--watch", "--watch-delay", "1", "--no-daemon",
			},
			env: []string{"PM2_HOME=../pm2"}, packed: "pm2@7.0.4",
		},
		{
			name: "watchmedo", how: "watchmedo auto-restart --recursive -- python3 main.py", delivery: watched, folder: "main",
			argv:    append([]string{"watchmedo", "auto-restart", "--directory", ".", "--recursive", "--"}, program...),
			version: []string{"watchmedo", "--version"},
		},
		{
			name: "entr", how: "find . -type f | entr -n -r python3 main.py", delivery: watched, folder: "main",
			argv: append([]string{"entr", "-n", "-r"}, program...), input: "files", version: []string{"entr"},
		},
	}
}

// command is the process that is the subject, over the rig's folder dir.
func (s subject) command(dir string) *exec.Cmd {
	command := exec.Command(s.argv[0], s.argv[1:]...)
	command.Dir = filepath.Join(dir, s.folder)
	command.Env = append(os.Environ(), s.env...)
	return command
}

// target is the folder below the rig's into which its uploads go.
func (s subject) target() string {
	if s.delivery == held || s.delivery == plain {
		return "deposit"
	}
	return "main"
}

// inCode is the command as Markdown shows it in a cell of a table.
func (s subject) inCode() string {
	return "`" + strings.ReplaceAll(s.how, "|", `\|`) + "`"
}
