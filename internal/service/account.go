package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ota/internal/kit/hint"
)

// account is a user of the machine.
type account struct {
	name     string
	uid, gid int
}

// ownUser is the user that is made where nobody else owns the folder.
const ownUser = "ota"

// deviceGroups let their members use what hangs on a device.
var deviceGroups = []string{"gpio", "i2c", "spi", "dialout", "video", "audio", "input", "render", "plugdev", "netdev"}

// settle decides as whom the service runs: the user that is asked for, else who
// owns the folder, else, of a folder of root's, a user of ota's own, to whom it
// is given.
func (w *work) settle(ctx context.Context, record *Record) error {
	if w.options.Scope == OfUser {
		return nil
	}
	info, err := os.Lstat(record.Dir)
	if err != nil {
		return fmt.Errorf("cannot look at the folder: %w", err)
	}
	owner, _, known := ownerOf(info)
	if !known {
		return errors.New("this system does not tell who owns a folder")
	}
	name := w.options.As
	switch {
	case name == "" && record.User != "":
		name = record.User // as before
	case name == "" && owner != 0:
		name = strconv.Itoa(owner)
	case name == "":
		name = ownUser
	}
	user, found := w.lookup(ctx, name)
	switch {
	case !found && name != ownUser:
		return hint.With(fmt.Errorf("there is no user %s", name), "make it first: useradd --system "+name)
	case !found:
		if user, err = w.makeUser(ctx); err != nil {
			return err
		}
		record.MadeUser = true
	}
	record.User = user.name
	switch {
	case user.uid == owner || user.uid == 0:
	case owner != 0:
		return hint.With(fmt.Errorf("%s belongs to somebody else than %s, who could not write there", record.Dir, user.name),
			fmt.Sprintf("without --as its owner runs it; or give it away first: chown -R %s: %s", user.name, strconv.Quote(record.Dir)))
	default:
		record.Given = true
		if err := w.give(record.Dir, 0, user); err != nil {
			return err
		}
	}
	return w.canEnter(record.Dir, user)
}

// lookup asks the system for a user, by name or number.
func (w *work) lookup(ctx context.Context, name string) (account, bool) {
	line, err := w.host.Run(ctx, "getent", "passwd", name)
	fields := strings.Split(strings.TrimSpace(line), ":")
	if err != nil || len(fields) < 7 {
		return account{}, false
	}
	uid, uidErr := strconv.Atoi(fields[2])
	gid, gidErr := strconv.Atoi(fields[3])
	return account{fields[0], uid, gid}, errors.Join(uidErr, gidErr) == nil
}

// makeUser makes ota's own user, with what is needed to use devices.
func (w *work) makeUser(ctx context.Context) (account, error) {
	var groups []string
	for _, group := range deviceGroups {
		if w.succeeds(ctx, []string{"getent", "group", group}) {
			groups = append(groups, group)
		}
	}
	argv := []string{"useradd", "--system", "--user-group", "--no-create-home", "--home-dir", w.options.Dir, "--shell", "/usr/sbin/nologin"}
	if w.kind == openRC && !w.succeeds(ctx, []string{"useradd", "--help"}) { // busybox
		argv, groups = []string{"adduser", "-S", "-D", "-H", "-h", w.options.Dir, "-s", "/sbin/nologin"}, nil
	}
	if len(groups) > 0 {
		argv = append(argv, "--groups", strings.Join(groups, ","))
	}
	if err := w.run(ctx, append(argv, ownUser)...); err != nil {
		return account{}, err
	}
	if w.options.Dry {
		return account{ownUser, -1, -1}, nil
	}
	user, found := w.lookup(ctx, ownUser)
	if !found {
		return user, fmt.Errorf("the user %s was made, and is not there", ownUser)
	}
	return user, nil
}

// give gives what belongs to one user, in the folder, to another.
func (w *work) give(dir string, from int, to account) error {
	text := fmt.Sprintf("give %s to %s", dir, to.name)
	if w.options.Dry {
		w.options.Say(Would, text)
		return nil
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if owner, links, known := ownerOf(info); !known || owner != from || links > 1 && !entry.IsDir() {
			return nil // a second name of a file may be anywhere
		}
		return w.host.Chown(path, to.uid, to.gid)
	})
	if err != nil {
		return fmt.Errorf("cannot %s: %w", text, err)
	}
	w.options.Say(Made, text)
	return nil
}

// canEnter looks whether the folders above let the user through.
func (w *work) canEnter(dir string, user account) error {
	for above := filepath.Dir(dir); user.uid > 0; above = filepath.Dir(above) {
		info, err := os.Stat(above)
		if err != nil {
			return fmt.Errorf("cannot look at the folder: %w", err)
		}
		owner, _, _ := ownerOf(info)
		isShut := info.Mode()&0o011 == 0 || info.Mode()&0o001 == 0 && user.name == ownUser
		if owner != user.uid && isShut {
			return hint.With(fmt.Errorf("the user %s can't get into %s", user.name, above),
				"move the folder, to /srv for one; or --as root")
		}
		if above == filepath.Dir(above) {
			break
		}
	}
	return nil
}

// giveBack gives the folder back to root, and removes the user that was made,
// unless another service runs as it.
func (w *work) giveBack(ctx context.Context, record Record, isNeeded bool) error {
	user, found := w.lookup(ctx, record.User)
	if record.Given && found {
		if err := w.give(record.Dir, user.uid, account{name: "root"}); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if !record.MadeUser || isNeeded || !found {
		return nil
	}
	return w.run(ctx, "userdel", record.User)
}
