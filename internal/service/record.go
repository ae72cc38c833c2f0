package service

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"ota/internal/kit/durable"
)

// Record is what was made for a folder, so that it can be taken back.
type Record struct {
	Name     string `json:"name"`
	Dir      string `json:"dir"`
	User     string `json:"user"`      // as whom it runs
	Binary   bool   `json:"binary"`    // the program was copied for it
	MadeUser bool   `json:"made_user"` // the user was made for it
	Given    bool   `json:"given"`     // what was root's in the folder is the user's now
}

func (w *work) records() string { return w.home("/etc/ota", ".config/ota") }

func (w *work) recordPath(name string) string { return filepath.Join(w.records(), name+".json") }

func (w *work) writeRecord(record Record) error {
	text, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return err
	}
	changed := w.changed
	defer func() { w.changed = changed }() // it is for us alone
	return w.write(w.recordPath(record.Name), string(text)+"\n", 0o644)
}

// all returns the records, by name. What can't be read is not one of ours.
func (w *work) all() []Record {
	paths, _ := filepath.Glob(w.at(w.recordPath("*")))
	var all []Record
	for _, path := range paths {
		var one Record
		if err := durable.ReadJSON(path, &one); err == nil && one.Name+".json" == filepath.Base(path) {
			all = append(all, one)
		}
	}
	return all
}

func (w *work) recordOf(dir string) (Record, bool) {
	all := w.all()
	at := slices.IndexFunc(all, func(r Record) bool { return r.Dir == dir })
	if at < 0 {
		return Record{}, false
	}
	return all[at], true
}

// heirOf is another service, to which goes what both need.
func (w *work) heirOf(record Record) (Record, bool) {
	others := slices.DeleteFunc(w.all(), func(r Record) bool { return r.Name == record.Name })
	if len(others) == 0 {
		return Record{}, false
	}
	at := max(0, slices.IndexFunc(others, func(r Record) bool { return r.User == record.User }))
	return others[at], true
}

func (r *Record) inherit(from Record) {
	r.Binary = r.Binary || from.Binary
	r.MadeUser = r.MadeUser || from.MadeUser && r.User == from.User
}

// freeName is a name for the service of a folder: that of the folder, as far as
// a unit can have it (systemd.unit(5)).
func (w *work) freeName(dir string) string {
	base := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.', r == '-':
			return r
		}
		return '-'
	}, filepath.Base(dir))
	if base = strings.Trim(base, ".-"); base == "" {
		base = "ota"
	}
	all := w.all()
	name := base
	for n := 2; slices.ContainsFunc(all, func(r Record) bool { return r.Name == name }); n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name
}

// listing says which services there are.
func (w *work) listing() string {
	var dirs []string
	for _, one := range w.all() {
		dirs = append(dirs, one.Dir)
	}
	if len(dirs) == 0 {
		return `"ota install" makes one`
	}
	return "there are services for " + strings.Join(dirs, ", ")
}

// Folders returns the folders of the services of a machine, by name.
func Folders(host Host, scope Scope) []string {
	w := &work{host: host, options: Options{Scope: scope}}
	var dirs []string
	for _, one := range w.all() {
		dirs = append(dirs, one.Dir)
	}
	return dirs
}
