package release

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"ota/internal/kit/durable"
)

// Step is how far the files of a failed release are on their way back.
type Step string

// The steps.
const (
	None    Step = ""        // nothing was returned, or it is used up
	Owed    Step = "owed"    // they are to be put into deposit/
	Done    Step = "done"    // they are there, as their traces say
	Deleted Step = "deleted" // somebody has deleted these there; they are to be kept elsewhere
)

// Returned says which files of releases that failed are in deposit/ again.
type Returned struct {
	Step    Step           `json:"step"`
	Release int            `json:"release"` // the last that failed
	Files   []ReturnedFile `json:"files"`
}

// ReturnedFile is one of them. Its trace is what the file in deposit/ is known
// by; it has none before it is there.
type ReturnedFile struct {
	Path  Name   `json:"path"`
	Entry Entry  `json:"entry"`
	Trace string `json:"trace,omitempty"`
}

// Traces returns the traces by path.
func (r Returned) Traces() map[string]string {
	traces := map[string]string{}
	for _, file := range r.Files {
		if file.Trace != "" {
			traces[string(file.Path)] = file.Trace
		}
	}
	return traces
}

// Returned returns what is known of the files that went back. A damaged file
// counts as none: then what lies in deposit/ is an upload like any other. The
// error says that it can't be read now, as the system has no room for it.
func (r *Room) Returned() (Returned, error) {
	var found Returned
	err := durable.ReadJSON(r.returnedPath(), &found)
	if IsPassing(err) {
		return Returned{}, err
	}
	if err != nil {
		return Returned{}, nil
	}
	return found, nil
}

// SetReturned writes it down, without a sync; the step None forgets it.
func (r *Room) SetReturned(returned Returned) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if returned.Step != None {
		return replaceJSON(r.returnedPath(), returned)
	}
	if err := os.Remove(r.returnedPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (r *Room) returnedPath() string { return filepath.Join(r.dir, "returned.json") }
