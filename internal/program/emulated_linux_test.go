package program

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"ota/internal/kit/proc"
)

// The emulator of Debian 12 has neither adoption nor clone into a group, and so
// shows what is left on a system without them.
func TestEmulatedWithoutAdoptionAndGroups(t *testing.T) {
	emulator, err := exec.LookPath("qemu-arm-static")
	if err != nil || runtime.GOARCH != "amd64" || testing.Short() {
		t.Skip("needs qemu-arm-static on amd64, and the time to build for arm")
	}
	tests := filepath.Join(t.TempDir(), "program.test")
	build := exec.Command("go", "test", "-c", "-o", tests, ".")
	build.Env = append(os.Environ(), "GOARCH=arm", "GOARM=6", "CGO_ENABLED=0")
	if text, err := output(build); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	run := exec.Command(emulator, "-cpu", "arm1176", tests, "-test.short", "-test.v", "-test.timeout=2m",
		"-test.run=Obedient|EachSignal|EndOfContext|Mark|Grandchild|Stopped|Exits|Others|Leftovers|Record")
	run.Env = append(os.Environ(), nativeVariable+"="+binary())
	text, err := output(run)
	if err != nil || !strings.Contains(text, "\nPASS\n") {
		t.Errorf("%v\n%s", err, text)
	}
}

func output(cmd *exec.Cmd) (string, error) {
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	err := proc.Run(cmd)
	return text.String(), err
}
