//go:build unix

package owner

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestNobodyElse(t *testing.T) {
	var ourselves *Owner
	cmd := exec.Command("true")
	ourselves.Dress(cmd)
	if cmd.SysProcAttr != nil || ourselves.Give("/no/such/folder") != nil || ourselves.TakeBack("/no/such/folder") != nil {
		t.Error("something was done")
	}
}

func TestAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may be another user")
	}
	nobody := &Owner{UID: 65534, GID: 65534}
	cmd := exec.Command("/usr/bin/id", "-u")
	nobody.Dress(cmd)
	if said, err := cmd.Output(); strings.TrimSpace(string(said)) != "65534" {
		t.Errorf("%q, %v", said, err)
	}
	dir := t.TempDir()
	foreign := filepath.Join(t.TempDir(), "foreign")
	for _, path := range []string{filepath.Join(dir, "file"), foreign} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(foreign, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	of := func(path string) int {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		return int(info.Sys().(*syscall.Stat_t).Uid)
	}
	if err := nobody.Give(dir); err != nil || of(dir) != 65534 || of(filepath.Join(dir, "file")) != 65534 || of(foreign) != 0 {
		t.Errorf("%v, %d, %d, %d", err, of(dir), of(filepath.Join(dir, "file")), of(foreign))
	}
	if err := nobody.TakeBack(dir); err != nil || of(dir) != 0 || of(filepath.Join(dir, "link")) != 0 {
		t.Errorf("%v, %d", err, of(dir))
	}
}
