//go:build linux

// Package qemu builds ota for every machine it is shipped for, and lets those
// that are not this machine look after a program under an emulator.
//
// In: the source, qemu-user-static. Out: that each binary is static, of the
// right kind and small enough, and does its work on a kernel that lacks what
// the emulator does not know: adoption of orphans, openat2, pidfds. Never: a
// whole machine; the emulated program's speed.
package qemu

import (
	"debug/buildinfo"
	"debug/elf"
	"os"
	"path/filepath"
	"testing"

	"ota/test/harness"
)

func TestMain(m *testing.M) {
	os.Unsetenv("PYTHONDONTWRITEBYTECODE") // as on a device
	harness.Main(m)
}

// target is a kind of machine.
type target struct {
	name     string
	settings map[string]string // of the go command
	machine  elf.Machine
	most     int64    // bytes of the binary
	emulator []string // none: not run
}

// The limit of 12 MB is for the devices with the least room, those of 32 bits;
// the others can also push, which needs a compressor.
// The processor of the first Pi is named: qemu takes a newer one unless told.
var targets = []target{
	{"amd64", map[string]string{"GOARCH": "amd64"}, elf.EM_X86_64, 14e6, nil},
	{"arm64", map[string]string{"GOARCH": "arm64"}, elf.EM_AARCH64, 13e6, []string{"qemu-aarch64-static"}},
	{"armv7", map[string]string{"GOARCH": "arm", "GOARM": "7"}, elf.EM_ARM, 12e6, nil},
	{"armv6", map[string]string{"GOARCH": "arm", "GOARM": "6"}, elf.EM_ARM, 12e6, []string{"qemu-arm-static", "-cpu", "arm1176"}},
	{"riscv64", map[string]string{"GOARCH": "riscv64"}, elf.EM_RISCV, 13e6, []string{"qemu-riscv64-static"}},
}

func TestTargets(t *testing.T) {
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			t.Parallel()
			binary := filepath.Join(t.TempDir(), "ota")
			assignments := []string{"GOOS=linux"}
			for name, value := range target.settings {
				assignments = append(assignments, name+"="+value)
			}
			if err := harness.Build(t.Context(), binary, assignments...); err != nil {
				t.Fatal(err)
			}
			checkFormat(t, binary, target)
			checkSettings(t, binary, target)
			if target.emulator != nil {
				t.Run("life", func(t *testing.T) { live(t, binary, target.emulator) })
			}
		})
	}
}

// checkFormat: one file that needs nothing of the system it is copied to.
func checkFormat(t *testing.T, path string, want target) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", info.Size())
	if info.Size() > want.most {
		t.Errorf("the binary has %d bytes, more than %d", info.Size(), want.most)
	}
	binary, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	if binary.Machine != want.machine || binary.Type != elf.ET_EXEC {
		t.Errorf("the binary is %v for %v, want %v for %v", binary.Type, binary.Machine, elf.ET_EXEC, want.machine)
	}
	for _, part := range binary.Progs {
		if part.Type == elf.PT_INTERP || part.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary is not static: it has a part %v", part.Type)
		}
	}
}

// checkSettings reads what the binary says of its build: ARMv6 and ARMv7 look
// the same otherwise.
func checkSettings(t *testing.T, path string, want target) {
	t.Helper()
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, setting := range info.Settings {
		found[setting.Key] = setting.Value
	}
	if found["CGO_ENABLED"] != "0" {
		t.Errorf("built with CGO_ENABLED=%s", found["CGO_ENABLED"])
	}
	for name, value := range want.settings {
		if found[name] != value {
			t.Errorf("built with %s=%s, want %s", name, found[name], value)
		}
	}
}
