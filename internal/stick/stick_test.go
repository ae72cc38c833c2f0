package stick

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ota/internal/kit/mounts"
)

func TestSticks(t *testing.T) {
	sys := t.TempDir()
	disks := filepath.Join(sys, "dev", "block")
	if err := os.MkdirAll(disks, 0o755); err != nil {
		t.Fatal(err)
	}
	for device, at := range map[string]string{
		"8:1":   "../../devices/platform/soc/20980000.usb/usb1/1-1/1-1:1.0/host0/target0:0:0/0:0:0:0/block/sda/sda1",
		"179:2": "../../devices/platform/soc/20300000.mmc/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0/mmcblk0p2",
	} {
		if err := os.Symlink(at, filepath.Join(disks, device)); err != nil {
			t.Skip(err)
		}
	}
	table := []mounts.Mount{
		{ID: 1, Point: "/", Device: "8:1"}, // a Pi that runs from USB
		{ID: 2, Point: "/data", Device: "179:2"},
		{ID: 3, Point: "/proc", Device: "0:4"},
	}
	s := &Sticks{sys: sys, table: func() ([]mounts.Mount, error) { return table, nil }}
	var told []string
	look := func(want ...string) {
		t.Helper()
		told = nil
		if err := s.look(t.Context(), func(_ context.Context, point string) { told = append(told, point) }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(told, want) {
			t.Errorf("told of %q, want %q", told, want)
		}
	}
	look()
	table = append(table, mounts.Mount{ID: 4, Point: "/media/stick", Device: "8:1"})
	look("/media/stick")
	look()
	table = table[:3]
	look()
	table = append(table, mounts.Mount{ID: 5, Point: "/media/stick", Device: "8:1"})
	look("/media/stick") // pulled out and plugged in again
}

func TestReleases(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.ota", "b.ota", "c.txt", ".d.ota", "e"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "f.ota"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "g.ota")); err != nil {
		t.Log(err)
	}
	found, err := Releases(dir)
	if err != nil || !slices.Equal(found, []string{"a.ota", "b.ota"}) {
		t.Errorf("%q, %v", found, err)
	}
}
