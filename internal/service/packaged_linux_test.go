package service

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const packagedBinary = "/usr/bin/ota"

// unpack puts onto the machine what a package brings, and lets this program be
// the packaged one.
func (m *machine) unpack() {
	m.t.Helper()
	unit := filepath.Join(m.host.Root, PackagedUnit)
	binary := filepath.Join(m.host.Root, packagedBinary)
	if err := errors.Join(os.MkdirAll(filepath.Dir(unit), 0o755), os.WriteFile(unit, []byte(Template(packagedBinary)), 0o644),
		os.MkdirAll(filepath.Dir(binary), 0o755), os.WriteFile(binary, []byte("the packaged one"), 0o755)); err != nil {
		m.t.Fatal(err)
	}
	m.host.Executable = packagedBinary
}

// TestOfAPackage: what a package has brought is used, and stays.
func TestOfAPackage(t *testing.T) {
	m, dir := newMachine(t, systemd), garden(t, 1000)
	m.unpack()
	before := m.files()
	if _, err := Install(t.Context(), m.host, m.options(dir)); err != nil {
		t.Fatal(err)
	}
	files := m.files()
	if len(files) != len(before)+2 || files["/etc/systemd/system/ota@garden.service.d/ota.conf"] == "" || !strings.Contains(files["/etc/ota/garden.json"], `"binary": false`) {
		t.Errorf("files: %v", files)
	}
	m.took()
	again := m.options(dir)
	again.Running = true
	if _, err := Install(t.Context(), m.host, again); err != nil || m.took() != "" {
		t.Errorf("the second time: %v %q", err, m.said)
	}
	if err := Uninstall(t.Context(), m.host, m.options(dir)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, m.files()); diff != "" {
		t.Errorf("after an uninstall (-before +after)\n%s", diff)
	}
}

// TestOfAnotherPackage: where the packaged template is not the one that this
// program needs, its own stands before it.
func TestOfAnotherPackage(t *testing.T) {
	m, dir := newMachine(t, systemd), garden(t, 1000)
	byHand := m.host.Executable
	m.unpack()
	m.host.Executable = byHand
	if _, err := Install(t.Context(), m.host, m.options(dir)); err != nil {
		t.Fatal(err)
	}
	if got := m.files()["/etc/systemd/system/ota@.service"]; !strings.Contains(got, "ExecStart=/usr/local/bin/ota run") {
		t.Errorf("the template: %q", got)
	}
}

// TestFromByHandToAPackage: the copies of before would be found before the
// package, by the shell and by systemd, and are no longer needed.
func TestFromByHandToAPackage(t *testing.T) {
	m, dir, second := newMachine(t, systemd), garden(t, 1000), garden(t, 1000)
	for _, one := range []string{dir, second} {
		if _, err := Install(t.Context(), m.host, m.options(one)); err != nil {
			t.Fatal(err)
		}
	}
	m.unpack()
	m.took()
	again := m.options(second)
	again.Running = true
	if _, err := Install(t.Context(), m.host, again); err != nil {
		t.Fatal(err)
	}
	const anew = "systemctl daemon-reload\nsystemctl restart ota@garden-2.service"
	if diff := cmp.Diff(anew, m.took()); diff != "" {
		t.Error(diff)
	}
	files := m.files()
	for _, gone := range []string{"/usr/local/bin/ota", "/etc/systemd/system/ota@.service"} {
		if files[gone] != "" {
			t.Errorf("%s is left", gone)
		}
	}
	for _, one := range []string{dir, second} {
		if err := Uninstall(t.Context(), m.host, m.options(one)); err != nil {
			t.Fatal(err)
		}
	}
	if left := m.files(); len(left) != 2 || left[PackagedUnit] == "" || left[packagedBinary] == "" {
		t.Errorf("left: %v", left)
	}
}

// TestByHandTakenBackByAPackage: what an install by hand had made goes, and
// nothing of the package that takes it back.
func TestByHandTakenBackByAPackage(t *testing.T) {
	m, dir := newMachine(t, systemd), garden(t, 1000)
	if _, err := Install(t.Context(), m.host, m.options(dir)); err != nil {
		t.Fatal(err)
	}
	m.unpack()
	if err := Uninstall(t.Context(), m.host, m.options(dir)); err != nil {
		t.Fatal(err)
	}
	if left := m.files(); len(left) != 2 || left[PackagedUnit] == "" || left[packagedBinary] == "" {
		t.Errorf("left: %v", left)
	}
}
