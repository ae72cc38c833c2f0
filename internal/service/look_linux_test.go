package service

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestLook: each condition, from a machine without services to a service that
// runs.
func TestLook(t *testing.T) {
	for _, kind := range []kind{systemd, openRC} {
		t.Run(string(kind), func(t *testing.T) {
			m := newMachine(t, kind)
			dir := garden(t, 1000)
			expect := func(want Condition, unit string) {
				t.Helper()
				before := len(m.calls)
				if met := Look(t.Context(), m.host, dir); met.Condition != want || (met.Unit != "") != (unit != "") {
					t.Errorf("%+v, and %q is due", met, want)
				}
				if len(m.calls) != before {
					t.Errorf("it did %q", m.calls[before:])
				}
			}
			m.host.UID = 0
			expect(NoService, "")
			if _, err := Install(t.Context(), m.host, m.options(dir)); err != nil {
				t.Fatal(err)
			}
			one := m.work(t, dir)
			m.up[words(one.isActive)], m.up[words(one.isEnabled)] = true, true
			expect(Up, one.unit)
			m.up[words(one.isEnabled)] = false
			expect(Disabled, one.unit)
			m.up[words(one.isActive)] = false
			expect(Down, one.unit)
			m.host.UID = 1000
			if met := Look(t.Context(), m.host, dir); met.Start != "sudo "+words(one.start) || met.Enable != "sudo "+words(one.enable) {
				t.Errorf("%+v", met)
			}
			m.mkdir(map[string]bool{"/run/systemd/system": false, "/sbin/openrc-run": false})
			expect(Unmanaged, "")
		})
	}
}

// work is how the service of a folder is known.
func (m *machine) work(t *testing.T, dir string) manager {
	t.Helper()
	w, err := begin(m.host, m.options(filepath.Clean(dir)))
	if err != nil {
		t.Fatal(err)
	}
	record, known := w.recordOf(dir)
	if !known {
		t.Fatal("there is no record")
	}
	return w.managerFor(record)
}

func words(argv []string) string { return strings.Join(argv, " ") }
