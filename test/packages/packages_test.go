//go:build linux

// Package packages looks at what "make packages" makes, as who hands it out has
// to answer for it.
//
// In: the binaries for Debian's architectures. Out: whether Debian's own judge
// is content with the packages, and whether they are the same each time. Never:
// an installation; test/service does that, on a Debian of its own.
package packages

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ota/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// ofDebian are the targets that there is a .deb for, and its architecture. For
// armel the test takes the binary of armhf: one more compilation would tell
// nothing of the package.
var ofDebian = []struct {
	target, debian string
	build          []string
}{
	{"linux-amd64", "amd64", []string{"GOARCH=amd64"}},
	{"linux-arm64", "arm64", []string{"GOARCH=arm64"}},
	{"linux-armv6", "armhf", []string{"GOARCH=arm", "GOARM=6"}},
	{"linux-armv5", "armel", []string{"GOARCH=arm", "GOARM=6"}},
	{"linux-riscv64", "riscv64", []string{"GOARCH=riscv64"}},
}

// TestPackagesAreGood: no error and no warning of lintian, for any architecture;
// all bytes are the same when they are made again; and armhf is what Raspberry Pi
// OS calls by that name, where a Pi Zero is an ARMv6.
func TestPackagesAreGood(t *testing.T) {
	harness.Need(t, "lintian", "dpkg-deb")
	t.Setenv("SOURCE_DATE_EPOCH", "1764000000")
	binaries, names := t.TempDir(), []string{}
	var working sync.WaitGroup
	for _, one := range ofDebian {
		working.Go(func() {
			if err := harness.Build(t.Context(), filepath.Join(binaries, "ota-"+one.target), one.build...); err != nil {
				t.Error(err)
			}
		})
		names = append(names, one.target)
	}
	working.Wait()
	packages := harness.Pack(t, binaries, "0.1.0", strings.Join(names, ","))
	debs, err := filepath.Glob(filepath.Join(packages, "*.deb"))
	if err != nil || len(debs) != len(ofDebian) {
		t.Fatalf("packages: %q %v", debs, err)
	}
	for _, deb := range debs {
		working.Go(func() {
			said, err := exec.CommandContext(t.Context(), "lintian", "--fail-on", "error,warning", "--allow-root", deb).CombinedOutput()
			if err != nil {
				t.Errorf("lintian of %s: %v\n%s", filepath.Base(deb), err, said)
			}
		})
	}
	working.Wait()
	sums := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "SHA256SUMS")
	sums.Dir = packages
	if said, err := sums.CombinedOutput(); err != nil || strings.Count(string(said), ": OK\n") != 2*len(ofDebian) {
		t.Errorf("sums: %v\n%s", err, said)
	}

	unpacked := t.TempDir()
	if said, err := exec.CommandContext(t.Context(), "dpkg-deb", "-x", filepath.Join(packages, "ota_0.1.0_armhf.deb"), unpacked).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	info, err := buildinfo.ReadFile(filepath.Join(unpacked, "usr/bin/ota"))
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range info.Settings {
		if setting.Key == "GOARM" && !strings.HasPrefix(setting.Value, "6") {
			t.Errorf("armhf has a binary for ARMv%s", setting.Value)
		}
	}

	again := harness.Pack(t, binaries, "0.1.0", "linux-armv6")
	for _, name := range []string{"ota_0.1.0_armhf.deb", "ota-0.1.0-linux-armv6.tar.gz"} {
		first, firstErr := os.ReadFile(filepath.Join(packages, name))
		second, secondErr := os.ReadFile(filepath.Join(again, name))
		if firstErr != nil || secondErr != nil || string(first) != string(second) {
			t.Errorf("%s is another one the second time: %v %v", name, firstErr, secondErr)
		}
	}
}
