package mounts

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	const table = `22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
36 22 0:31 / /home/pi/my\040garden/deposit rw,noatime shared:2 master:1 - fuse.sshfs pi@host: rw
37 22 0:32 / /a\011b\012c\134d rw - tmpfs tmpfs rw
38 22 0:33 / /x-y rw shared:3 propagate_from:2 - 9p a - b rw
`
	got, err := Parse(table)
	if err != nil {
		t.Fatal(err)
	}
	want := []Mount{
		{22, "/", "ext4", "254:0"},
		{36, "/home/pi/my garden/deposit", "fuse.sshfs", "0:31"},
		{37, "/a\tb\nc\\d", "tmpfs", "0:32"},
		{38, "/x-y", "9p", "0:33"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefusesOtherTexts(t *testing.T) {
	for _, table := range []string{"\n", "x 1 0:1 / / rw - ext4 a b\n", "1 1 0:1 / / rw ext4 a b\n", "1 1 0:1 / / rw -"} {
		if got, err := Parse(table); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", table, got)
		}
	}
}

func TestDistant(t *testing.T) {
	for fsType, want := range map[string]bool{
		"ext4": false, "tmpfs": false, "xfs": false, "btrfs": false, "vfat": false, "f2fs": false,
		"fuse": true, "fuse.sshfs": true, "fuseblk": true, "nfs": true, "nfs4": true, "cifs": true,
		"smb3": true, "9p": true, "virtiofs": true, "vboxsf": true, "overlay": true, "drvfs": true,
	} {
		if got := Distant(fsType); got != want {
			t.Errorf("Distant(%q) = %v, want %v", fsType, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n")
	f.Add("36 35 98:0 / /a\\040b\\9 rw - ext3 /dev/root rw")
	f.Fuzz(func(t *testing.T, table string) {
		found, err := Parse(table)
		if err != nil {
			return
		}
		for _, mount := range found {
			if len(mount.Point)+len(mount.Type) > len(table) {
				t.Errorf("%+v is longer than its line", mount)
			}
		}
	})
}
