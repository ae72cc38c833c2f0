package activate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"ota/internal/kit/durable"
	"ota/internal/release"
)

// The journal's first line is its step. Both have the same length, so that one
// can be written over the other in place, in one sector and with one flush,
// while the program stands still.
const (
	headPrepared  = "{\"step\": \"prepared\" ,\n"
	headSwitching = "{\"step\": \"switching\",\n"
)

// journal is the content of journal.json but for its first line.
type journal struct {
	Made []release.Name `json:"made,omitempty"`
	Plan
}

func (r *Room) journalPath() string { return filepath.Join(r.options.Dir, "journal.json") }

// writeJournal writes the plan down; the caller syncs.
func (r *Room) writeJournal(ready prepared) error {
	body, err := durable.Lines(journal{ready.made, ready.plan})
	if err != nil {
		return err
	}
	data := append([]byte(headPrepared), bytes.TrimPrefix(body, []byte("{\n"))...)
	return durable.Replace(r.journalPath(), data, 0o600)
}

// markJournal writes down that main/ is about to be changed.
func (r *Room) markJournal() error {
	return durable.Overwrite(r.journalPath(), []byte(headSwitching))
}

// readJournal returns the plan and whether its switch had begun. The error is
// fs.ErrNotExist if there is no journal.
func (r *Room) readJournal() (ready prepared, begun bool, err error) {
	data, err := os.ReadFile(r.journalPath())
	if err != nil {
		return prepared{}, false, err
	}
	body, begun := bytes.CutPrefix(data, []byte(headSwitching))
	if !begun {
		rest, known := bytes.CutPrefix(data, []byte(headPrepared))
		if !known {
			return prepared{}, false, fmt.Errorf("cannot read %s: its first line is not a step", r.journalPath())
		}
		body = rest
	}
	var read journal
	if err := json.Unmarshal(append([]byte("{"), body...), &read); err != nil {
		return prepared{}, false, fmt.Errorf("cannot read %s: %w", r.journalPath(), err)
	}
	return prepared{plan: read.Plan, made: read.Made}, begun, nil
}
