// Package service makes an ota one that the system starts by itself and keeps
// running, and takes that back.
//
// In: a folder, and a machine with systemd or OpenRC. Out: a service for the
// folder, and a record in /etc/ota of what was made for it. Never: anything in
// the folder but who owns it; a service that it has not made.
package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ota/internal/kit/hint"
)

// Host is the machine, as far as it is needed here.
type Host struct {
	Root       string // before every path; empty: the machine itself
	UID        int    // of this process
	Home       string // of its user
	Runtime    string // the folder in which its user's systemd is found
	Executable string // this program
	// Run runs a command and returns what it has printed.
	Run func(ctx context.Context, argv ...string) (output string, err error)
	// Chown gives a file, or a link itself, to a user and a group.
	Chown func(path string, uid, gid int) error
}

// Scope says whose service it is.
type Scope string

// The scopes.
const (
	OfSystem Scope = "system"
	OfUser   Scope = "user" // runs while its user is logged in, or lingers
)

// Options say what to install or to take back.
type Options struct {
	Dir   string // absolute
	As    string // the user; empty: see account
	Scope Scope
	// Running says that an ota looks after the folder.
	Running bool
	// Dry only tells what would be done.
	Dry bool
	// Say is told each thing that is done, in order, and those that need not be.
	Say func(done Done, what string)
}

// Done is what became of one thing that is to be done.
type Done string

// What can become of it.
const (
	Made    Done = "done"
	Already Done = "there" // nothing was to do
	Would   Done = "would" // it would be done
)

// Install makes a service of the folder, or makes the one that is there what it
// should be, and starts it. It returns the name of the service.
func Install(ctx context.Context, host Host, options Options) (string, error) {
	w, err := begin(host, options)
	if err != nil {
		return "", err
	}
	before, known := w.recordOf(options.Dir)
	record := before
	if !known {
		record = Record{Name: w.freeName(options.Dir), Dir: options.Dir}
	}
	m := w.managerFor(record)
	isActive := w.succeeds(ctx, m.isActive)
	if options.Running && !isActive {
		return "", hint.With(fmt.Errorf("ota is running in %s, started by hand", options.Dir), "stop it first, with Ctrl-C where it was started, and try again")
	}
	if err := w.settle(ctx, &record); err != nil {
		return "", err
	}
	m = w.managerFor(record)
	if err := w.putBinary(&record); err != nil {
		return "", err
	}
	for _, one := range m.files {
		if err := w.place(one); err != nil {
			return "", err
		}
	}
	// A record before what is started, so that an uninstall knows of it.
	if err := w.writeRecord(record); err != nil {
		return "", err
	}
	return m.unit, w.bringUp(ctx, m, isActive)
}

// bringUp enables the service and starts it, or starts it anew if something has
// changed.
func (w *work) bringUp(ctx context.Context, m manager, isActive bool) error {
	if w.changed && len(m.reload) > 0 {
		if err := w.run(ctx, m.reload...); err != nil {
			return err
		}
	}
	if w.succeeds(ctx, m.isEnabled) {
		w.options.Say(Already, m.unit+" is enabled")
	} else if err := w.run(ctx, m.enable...); err != nil {
		return err
	} else if err := w.sync(m); err != nil {
		return err
	}
	switch {
	case !isActive:
		return w.run(ctx, m.start...)
	case w.changed:
		return w.run(ctx, m.restart...)
	default:
		w.options.Say(Already, m.unit+" is running")
		return nil
	}
}

// Uninstall takes back what Install has made for the folder. The folder and the
// program stay.
func Uninstall(ctx context.Context, host Host, options Options) error {
	w, err := begin(host, options)
	if err != nil {
		return err
	}
	record, known := w.recordOf(options.Dir)
	if !known {
		return hint.With(fmt.Errorf("there is no service for %s", options.Dir), w.listing())
	}
	m := w.managerFor(record)
	for _, argv := range [][]string{m.stop, m.disable} {
		if !w.exists(m.files[len(m.files)-1].path) {
			break // an uninstall before this one has come further
		}
		if err := w.run(ctx, argv...); err != nil {
			return err
		}
	}
	heir, hasHeir := w.heirOf(record)
	for _, one := range slices.Backward(m.files) {
		if one.shared && hasHeir {
			continue
		}
		if err := w.remove(one.path); err != nil {
			return err
		}
	}
	if len(m.reload) > 0 {
		if err := w.run(ctx, m.reload...); err != nil {
			return err
		}
	}
	if hasHeir {
		heir.inherit(record)
		if err := w.writeRecord(heir); err != nil {
			return err
		}
	} else if record.Binary {
		if err := w.remove(w.copied()); err != nil {
			return err
		}
	}
	if err := w.giveBack(ctx, record, hasHeir && heir.User == record.User); err != nil {
		return err
	}
	return w.remove(w.recordPath(record.Name))
}

// begin looks whether the machine can do it, and whether we may.
func begin(host Host, options Options) (*work, error) {
	w := &work{host: host, options: options}
	if strings.ContainsFunc(options.Dir, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, errors.New("the path of the folder has control characters, which no service can name")
	}
	switch {
	case w.exists("/run/systemd/system"):
		w.kind = systemd
	case w.exists("/sbin/openrc-run") && options.Scope == OfSystem:
		w.kind = openRC
	case w.exists("/sbin/openrc-run"):
		return nil, hint.With(errors.New("OpenRC has no services of a user"), "as root, without --user: ota install --as USER")
	default:
		return nil, hint.With(errors.New("neither systemd (/run/systemd/system) nor OpenRC (/sbin/openrc-run) is there to start it"),
			`let whatever starts programs on this machine start "ota run"`)
	}
	if options.Scope == OfSystem && host.UID != 0 && !options.Dry {
		return nil, hint.With(errors.New("a service of the system is made by root"), `use sudo; or "--user", for a service of your own`)
	}
	if options.Scope == OfUser && !w.exists(host.Runtime+"/systemd") && !options.Dry {
		return nil, hint.With(errors.New("no systemd of your own is running"), `"loginctl enable-linger" starts one, which stays when you log out`)
	}
	if options.Scope == OfUser && options.As != "" {
		return nil, errors.New("a service of a user runs as that user: --as and --user don't go together")
	}
	return w, nil
}

// work is one installation, or one way back.
type work struct {
	host    Host
	options Options
	kind    kind
	changed bool // something is another thing than before
}

func (w *work) at(path string) string { return filepath.Join(w.host.Root, path) }

func (w *work) exists(path string) bool {
	_, err := os.Stat(w.at(path))
	return err == nil
}

// home is where what is the user's, or the system's, lies.
func (w *work) home(system, user string) string {
	if w.options.Scope == OfUser {
		return filepath.Join(w.host.Home, user)
	}
	return system
}

func (w *work) succeeds(ctx context.Context, argv []string) bool {
	_, err := w.host.Run(ctx, argv...)
	return err == nil
}

// run runs a command that changes something.
func (w *work) run(ctx context.Context, argv ...string) error {
	text := "run " + strings.Join(argv, " ")
	if w.options.Dry {
		w.options.Say(Would, text)
		return nil
	}
	if output, err := w.host.Run(ctx, argv...); err != nil {
		output = strings.TrimSpace(output)
		if output != "" {
			output = ": " + output
		}
		return fmt.Errorf("cannot %s: %w%s", text, err, output)
	}
	w.options.Say(Made, text)
	return nil
}
