package push

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"ota/internal/kit/durable"
	"ota/internal/kit/flock"
)

// Known is the file of the devices that this computer knows: by what certificate,
// and with what token it is let in. It is for its user alone.
type Known struct{ path string }

// acquaintance is one device in it.
type acquaintance struct {
	Fingerprint Fingerprint `json:"fingerprint,omitempty"`
	Token       string      `json:"token,omitempty"`
}

// OpenKnown remembers where the file is: ota/devices.json in the user's folder for
// settings. A user who has none, as in some containers, knows nobody, and can't
// keep what it learns.
func OpenKnown() Known {
	top, err := os.UserConfigDir()
	if err != nil {
		return Known{}
	}
	return Known{filepath.Join(top, "ota", "devices.json")}
}

// of is what is known of a device; nothing is, of one that is not in the file.
func (k Known) of(base string) (acquaintance, error) {
	all, err := k.read()
	return all[base], err
}

func (k Known) read() (map[string]acquaintance, error) {
	all := map[string]acquaintance{}
	if k.path == "" {
		return all, nil
	}
	err := durable.ReadJSON(k.path, &all)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if all == nil { // somebody has written null
		all = map[string]acquaintance{}
	}
	return all, err
}

// learn changes what is known of a device, one push at a time.
func (k Known) learn(base string, change func(*acquaintance)) error {
	if k.path == "" {
		return errors.New("this user has no folder for settings")
	}
	if err := os.MkdirAll(filepath.Dir(k.path), 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(k.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := flock.Wait(lock, flock.Exclusive); err != nil {
		return err
	}
	all, err := k.read()
	if err != nil {
		return err
	}
	one := all[base]
	change(&one)
	all[base] = one
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(k.path, append(text, '\n'), 0o600)
}
