//go:build unix

package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// TestNotifyCommand is found beside ota.toml, run in that folder, and heard.
func TestNotifyCommand(t *testing.T) {
	dir := toldBy(t, `[notify]
command = ["sh", "-c", "test -f ota.toml && grep -q '\"test\":true' && echo told $OTA_EVENT; exit ${OTA_FROM:-9}"]
`)
	check(t, call("notify", "-C", dir), called{1, "command: the command ended with exit code 6\n  it said: told failed\n", ""})
	check(t, call("notify", "-C", toldBy(t, "[notify]\ncommand = [\"true\"]\n")), called{0, "command: delivered: exit code 0\n", ""})
	check(t, call("notify", "-C", toldBy(t, "[notify]\ncommand = [\"no-such-command\"]\n")), called{1,
		"command: the command can't be run: there is no command \"no-such-command\"\n  do: see [notify] command in ota.toml\n", ""})
}

// TestNotifyCommandIsTheProgramsUser: what is told is no reason to be root.
func TestNotifyCommandIsTheProgramsUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may be another user")
	}
	dir := toldBy(t, "[program]\nuser = \"nobody\"\n[notify]\ncommand = [\"sh\", \"-c\", \"id -un; pwd\"]\n")
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	check(t, call("notify", "-C", dir), called{0, "command: delivered: exit code 0\n  it said: nobody; " + dir + "\n", ""})
}
