//go:build linux

package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ota/shipped"
)

// Target is a kind of machine that there is a package for.
type Target struct {
	Name  string   // "linux-armv6"
	Build []string // "GOARCH=arm"
}

// ThisMachine is what the tests run on.
var ThisMachine = Target{"linux-amd64", []string{"GOARCH=amd64"}}

// Packages builds ota for the targets, with this version, as "make packages"
// does, and packs it. It returns the folder of the packages.
func Packages(t testing.TB, version string, targets ...Target) string {
	t.Helper()
	binaries, names := t.TempDir(), ""
	for _, one := range targets {
		args := append([]string{"build", "-o", filepath.Join(binaries, "ota-"+one.Name)}, shipped.Flags()...)
		for i, flag := range args {
			if strings.HasPrefix(flag, "-ldflags=") {
				args[i] += " -X ota/internal/cli.linked=" + version
			}
		}
		cmd := exec.CommandContext(t.Context(), "go", append(args, product)...)
		cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux"), one.Build...)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("cannot build %s: %v\n%s", one.Name, err, said)
		}
		names += "," + one.Name
	}
	return Pack(t, binaries, version, names[1:])
}

// Pack packs binaries that are there. The test skips where the modules of the
// tool that packs can't be downloaded, which is no fault of ota's.
func Pack(t testing.TB, binaries, version, targets string) string {
	t.Helper()
	download := exec.CommandContext(t.Context(), "go", "mod", "download")
	download.Dir = filepath.Join("..", "..", "packaging")
	if said, err := download.CombinedOutput(); err != nil {
		t.Skipf("what packs can't be downloaded: %v\n%s", err, said)
	}
	packages := t.TempDir()
	// Who is no root reads them, too: apt has a user of its own.
	for dir := packages; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", "./cmd/packages", "-from", binaries, "-to", packages, "-version", version, "-only", targets)
	cmd.Dir = filepath.Join("..", "..")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot pack: %v\n%s", err, said)
	}
	return packages
}
