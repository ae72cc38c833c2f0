//go:build linux

// Package shells asks the shells that people use to complete commands of the
// real binary.
package shells

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ota/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// asks are how a shell is asked to complete a line: a script that prints what
// it offers, a line each. $LINE is the line, $SCRIPT is what completes it.
var asks = map[string][]string{
	"bash": {"--norc", "-c", `
		. /usr/share/bash-completion/bash_completion
		. "$SCRIPT"
		COMP_LINE=$LINE COMP_POINT=${#LINE} COMP_TYPE=63 COMP_KEY=9 COLUMNS=80
		read -ra COMP_WORDS <<<"$LINE"
		[[ $LINE == *' ' ]] && COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		compopt() { :; } # knows no completion that bash itself has begun
		__start_ota
		printf '%s\n' "${COMPREPLY[@]}"`},
	"fish": {"--no-config", "-c", `source $SCRIPT; complete -C $LINE`},
	"zsh": {"-f", "-c", `
		# What of the system of completion the script calls.
		compdef() { : }
		_describe() { while [[ $1 == -* ]]; do shift; done; print -rl -- "${(@P)2}" }
		_arguments() { [[ $1 == *'_files -/'* ]] && print -rl -- *(/); true }
		. "$SCRIPT"
		words=(${=LINE})
		[[ $LINE == *' ' ]] && words+=("")
		CURRENT=$#words
		_ota`},
}

// folder is one in which an ota has made two releases, and runs no more.
func folder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "garden")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d := harness.NewDevice(t, dir, harness.Tree{"main.py": harness.File("import time\ntime.sleep(1000)\n")}, "[trial]\nperiod = \"100ms\"\n[web]\nlisten = \"off\"\n")
	d.Start()
	d.Await("the program", func(s harness.Status) bool { return s.Release.Number == 1 })
	if err := os.WriteFile(filepath.Join(d.Deposit(), "a.txt"), []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.Await("release 2", func(s harness.Status) bool {
		return s.Release.Number == 2 && s.Release.State == "confirmed"
	})
	d.Stop()
	return d.Dir
}

func TestShellsComplete(t *testing.T) {
	harness.Need(t, "bash", "zsh", "fish", "python3")
	if _, err := os.Stat("/usr/share/bash-completion/bash_completion"); err != nil {
		harness.Lack(t, "bash-completion is not installed")
	}
	dir := folder(t)
	for shell, ask := range asks {
		t.Run(shell, func(t *testing.T) {
			script := filepath.Join(t.TempDir(), "ota."+shell)
			text, err := exec.Command(harness.Binary(), "completion", shell).Output()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(script, text, 0o600); err != nil {
				t.Fatal(err)
			}
			offers := func(line string) string {
				cmd := exec.CommandContext(t.Context(), shell, ask...)
				cmd.Dir = filepath.Dir(dir)
				cmd.Env = append(os.Environ(), "SCRIPT="+script, "LINE="+line, "HOME="+t.TempDir(), "TERM=dumb",
					"PATH="+filepath.Dir(harness.Binary())+":"+os.Getenv("PATH"))
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Errorf("%s: %v\n%s", shell, err, out)
				}
				return string(out)
			}
			for _, test := range []struct{ line, offered, not string }{
				{"ota hist", "history", "rollback"},
				{"ota -C garden rollback ", "adopted", "garden"},
				{"ota -C garden rollback ", "confirmed", "main.py"},
				{"ota completion ", "fish", "powershell"},
				{"ota run ", "garden", "history"},
				{"ota status --wa", "watch", "json"},
			} {
				got := offers(test.line)
				if !strings.Contains(got, test.offered) || strings.Contains(got, test.not) {
					t.Errorf("%q: want %q and not %q:\n%s", test.line, test.offered, test.not, got)
				}
			}
		})
	}
}
