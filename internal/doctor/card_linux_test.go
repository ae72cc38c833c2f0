package doctor

import (
	"strings"
	"testing"
)

// TestCardErrors: lines as kernels have written them.
func TestCardErrors(t *testing.T) {
	failing := []string{
		"blk_update_request: I/O error, dev mmcblk0, sector 123456 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 0",
		"I/O error, dev sda, sector 2048 op 0x1:(WRITE) flags 0x0 phys_seg 1 prio class 2",
		"Buffer I/O error on dev mmcblk0p2, logical block 1234, lost async page write",
		"mmcblk0: error -110 sending status command, retrying",
		"mmcblk0: timed out sending r/w cmd command, card status 0x900",
		"mmc0: Timeout waiting for hardware interrupt.",
		"EXT4-fs error (device mmcblk0p2): ext4_journal_check_start:83: comm systemd: Detected aborted journal",
		"EXT4-fs (mmcblk0p2): Remounting filesystem read-only",
		"Aborting journal on device mmcblk0p2-8.",
		"FAT-fs (mmcblk0p1): error, fat_get_cluster: invalid cluster chain",
		"BTRFS error (device mmcblk0p2): bad tree block start",
	}
	well := []string{
		"BTRFS error (device loop0 state A): Transaction aborted (error -5)",
		"mmc0: new high speed SDHC card at address aaaa",
		"mmcblk0: mmc0:aaaa SL16G 14.8 GiB",
		"mmc1: error -110 whilst initialising SDIO card",
		"EXT4-fs (mmcblk0p2): mounted filesystem with ordered data mode. Opts: (null)",
		"EXT4-fs (mmcblk0p2): re-mounted. Opts: errors=remount-ro",
		"I/O error, dev fd0, sector 0 op 0x0:(READ)",
		"FAT-fs (mmcblk0p1): Volume was not properly unmounted. Some data may be corrupt. Please run fsck.",
	}
	for _, line := range failing {
		for _, before := range []string{"", "3,900,1,-;", "[   12.345678] "} {
			if count, last := cardErrors([]byte(before + line + "\n")); count != 1 || last != line {
				t.Errorf("%q: %d, %q", before+line, count, last)
			}
		}
	}
	if count, last := cardErrors([]byte(strings.Join(well, "\n"))); count != 0 {
		t.Errorf("%d, %q", count, last)
	}
	if count, _ := cardErrors([]byte("11,900,1,-;" + failing[0] + "\n")); count != 0 {
		t.Error("what a program writes into the kernel's log counts")
	}
}

func FuzzCardErrors(f *testing.F) {
	f.Add([]byte("3,900,1,-;EXT4-fs error\n DEVICE=b179:0\n"))
	f.Fuzz(func(t *testing.T, log []byte) {
		if _, last := cardErrors(log); strings.ContainsAny(last, "\x1b\n") {
			t.Errorf("%q", last)
		}
	})
}
