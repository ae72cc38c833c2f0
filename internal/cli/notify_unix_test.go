//go:build unix

package cli

import "testing"

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
