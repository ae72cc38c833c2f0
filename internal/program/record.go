package program

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"ota/internal/kit/proc"
)

// record is what the next ota must know if this one is killed. It means
// nothing after a reboot, so it is never synced; and it is overwritten in place
// by one write within a page, which a kill does not cut in two. A rename over
// the old one would make ext4 write it to the disk first: a millisecond more
// between two programs, and a flush of the card at every start.
type record struct {
	proc.ID
	Boot   string   `json:"boot"`             // proc.BootID when it was written
	Pipes  []string `json:"pipes,omitempty"`  // of its output, as /proc/PID/fd shows them
	Cgroup string   `json:"cgroup,omitempty"` // folder of the control group, if there is one
}

func (r *Room) record(run *Run) error {
	if r.options.Record == "" {
		return nil
	}
	data, err := json.Marshal(record{
		ID: run.id, Boot: proc.BootID(), Cgroup: run.group.path,
		Pipes: []string{run.stdout.name(), run.stderr.name()},
	})
	if err != nil {
		return err
	}
	file, err := os.OpenFile(r.options.Record, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	// The blanks cover what is longer in the old one; whatever is behind them
	// is not read.
	_, err = file.Write(append(data, blanks[min(len(data), len(blanks)):]...))
	return errors.Join(err, file.Close())
}

var blanks = bytes.Repeat([]byte{' '}, 1024)

// recorded returns what an earlier ota wrote, or nothing if that is of another
// boot or can't be read: then there is the mark.
func (r *Room) recorded() record {
	file, err := os.Open(r.options.Record)
	if err != nil {
		return record{}
	}
	defer file.Close()
	var found record
	if err := json.NewDecoder(file).Decode(&found); err != nil {
		// After a power cut it may hold anything, and is not needed.
		r.log.Debug("cannot read the record of the program's process", "error", err)
		return record{}
	}
	if found.Boot != proc.BootID() {
		return record{}
	}
	return found
}

func (r *Room) forget() error {
	if err := os.Remove(r.options.Record); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove the record of the program's process: %w", err)
	}
	return nil
}
