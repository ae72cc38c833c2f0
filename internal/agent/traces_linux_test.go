package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ota/internal/check"
	"ota/internal/config"
)

// newTestOutfit is one for a main/ with these files, all of them old.
func newTestOutfit(t *testing.T, files map[string]string) *outfit {
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, "main", name), text)
	}
	o := newOutfit(folder{dir}, filepath.Join(dir, "main"), config.NoLayers(), slog.New(slog.DiscardHandler))
	o.now = func() time.Time { return time.Now().Add(time.Hour) }
	return o
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What decides over the environment is read again when any of it has changed in
// any way, and only then.
func TestNeedIsKnownUntilAFileChanges(t *testing.T) {
	const python = "/usr/bin/python3"
	if _, err := os.Stat(python); err != nil {
		t.Skip("there is no ", python)
	}
	same := func(path string) error { // size and time as they were
		info, err := os.Stat(path)
		if err == nil {
			err = os.WriteFile(path+".new", []byte("small==2.0\n"), 0o644)
		}
		if err == nil {
			err = os.Chtimes(path+".new", info.ModTime(), info.ModTime())
		}
		if err == nil {
			err = os.Rename(path+".new", path)
		}
		return err
	}
	tests := []struct {
		name   string
		files  map[string]string
		change func(main string) error
	}{
		{"nothing is needed", nil, func(main string) error { return os.WriteFile(main+"/requirements.txt", []byte("small\n"), 0o644) }},
		{"another file of the same size and time", map[string]string{"requirements.txt": "small==1.0\n"},
			func(main string) error { return same(main + "/requirements.txt") }},
		{"a file that it includes", map[string]string{"requirements.txt": "-r more/base.txt\n", "more/base.txt": "small==1.0\n"},
			func(main string) error { return same(main + "/more/base.txt") }},
		{"a wheel more", map[string]string{"requirements.txt": "small\n", "wheels/small-1.0-py3-none-any.whl": "1"},
			func(main string) error { return os.WriteFile(main+"/wheels/small-2.0-py3-none-any.whl", nil, 0o644) }},
		{"a wheel that is another", map[string]string{"requirements.txt": "small\n", "wheels/small-1.0-py3-none-any.whl": "small==1.0\n"},
			func(main string) error { return same(main + "/wheels/small-1.0-py3-none-any.whl") }},
		{"a file that goes before", map[string]string{"requirements.txt": "small\n"},
			func(main string) error { return os.WriteFile(main+"/pylock.toml", nil, 0o644) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := newTestOutfit(t, test.files)
			write(t, filepath.Join(o.main, "main.py"), "")
			v := version{settings: o.settings()}
			found, err := o.need(t.Context(), v, python)
			if err != nil {
				t.Fatal(err)
			}
			if known, ok := o.knownNeed(v, python); !ok || known.id != found.id {
				t.Errorf("it was not remembered: %q, %v; want %q", known.id, ok, found.id)
			}
			if _, ok := o.knownNeed(v, python+".11"); ok {
				t.Error("it is remembered for another Python")
			}
			if err := test.change(o.main); err != nil {
				t.Fatal(err)
			}
			if known, ok := o.knownNeed(v, python); ok {
				t.Errorf("%q is still taken for what is needed", known.id)
			}
		})
	}
}

// Of what arrives nothing is remembered: it is not in main/ yet.
func TestNeedOfAnArrivalIsNotRemembered(t *testing.T) {
	const python = "/usr/bin/python3"
	o := newTestOutfit(t, nil)
	write(t, filepath.Join(o.main, "main.py"), "")
	file := filepath.Join(t.TempDir(), "requirements.txt")
	write(t, file, "# nothing\n")
	v := version{settings: o.settings(), arrivals: []check.Arrival{{Path: "requirements.txt", File: file}}}
	if _, err := o.need(t.Context(), v, python); err != nil {
		t.Fatal(err)
	}
	if _, ok := o.knownNeed(v, python); ok {
		t.Error("it was remembered")
	}
}

// A file that has just been changed may change once more within one step of the
// clock; and a link shows nothing of what it leads to.
func TestWhatMayChangeUnseenIsNotRemembered(t *testing.T) {
	o := newTestOutfit(t, map[string]string{"ota.toml": "[trial]\nperiod = \"1s\"\n", "real.toml": ""})
	o.now = time.Now
	o.settings()
	if o.said.from != nil {
		t.Error("a new file was remembered")
	}
	o.now = func() time.Time { return time.Now().Add(time.Hour) }
	if o.settings(); o.said.from == nil {
		t.Error("an old file was not remembered")
	}
	write(t, filepath.Join(o.main, "ota.toml"), "[trial]\nperiod = \"2s\"\n")
	if got := o.settings().Trial.Period; got != 2*time.Second {
		t.Errorf("after a change the period is %s", got)
	}
	if err := os.Remove(filepath.Join(o.main, "ota.toml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.toml", filepath.Join(o.main, "ota.toml")); err != nil {
		t.Fatal(err)
	}
	if o.settings(); o.said.from != nil {
		t.Error("a link was remembered")
	}
}
