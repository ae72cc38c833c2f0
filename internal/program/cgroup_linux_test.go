package program

import (
	"strings"
	"testing"
)

func TestCgroupFolder(t *testing.T) {
	const hybrid = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n" +
		"41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
	for _, test := range []struct{ name, mounts, own, want string }{
		{"hybrid", hybrid, "1:cpu:/a\n0::/\n", "/sys/fs/cgroup/unified"},
		{"unified", "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n", "0::/system.slice/ota.service\n", "/sys/fs/cgroup/system.slice/ota.service"},
		{"container", "30 23 0:26 /docker/1 /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "0::/docker/1/x\n", "/sys/fs/cgroup/x"},
		{"outside of what is mounted", "30 23 0:26 /docker/1 /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "0::/docker/12\n", ""},
		{"above the namespace", "30 23 0:26 /../.. /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "0::/\n", ""},
		{"spaces", `30 23 0:26 / /mnt/a\040b\134c rw - cgroup2 cgroup rw` + "\n", "0::/\n", `/mnt/a b\c`},
		{"version 1 only", strings.SplitAfter(hybrid, "\n")[0], "1:cpu:/a\n", ""},
		{"empty", "", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := cgroupFolder([]byte(test.mounts), []byte(test.own))
			if got != test.want || ok != (test.want != "") {
				t.Errorf("got %q, %v, want %q", got, ok, test.want)
			}
		})
	}
}

func FuzzCgroupFolder(f *testing.F) {
	f.Add([]byte("41 31 0:38 / /sys/fs\\040x rw - cgroup2 cgroup2 rw\n"), []byte("0::/a\n"))
	f.Fuzz(func(t *testing.T, mounts, own []byte) {
		folder, ok := cgroupFolder(mounts, own)
		if ok == (folder == "") {
			t.Errorf("%q, %v", folder, ok)
		}
	})
}
