//go:build linux

package takeover

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"ota/test/harness"
)

func inodeOf(info fs.FileInfo) uint64 { return info.Sys().(*syscall.Stat_t).Ino }

// faulty is an ota that does what the file beside it says, once it has passed its
// rehearsal, and that waits for three seconds instead of thirty.
var faulty = sync.OnceValues(func() (string, error) {
	path := harness.Built("faulty") // which goes with the others
	return path, harness.BuildTagged(context.Background(), path, "otafault")
})

func faultyOta(t *testing.T) string {
	t.Helper()
	path, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBrokenBinaries are refused before anything happens, each with a reason, and
// nothing is left of them.
func TestBrokenBinaries(t *testing.T) {
	t.Parallel()
	d := device(t, faultyOta(t), "")
	d.Start()
	before := d.Await("the program runs", runs)
	installed, err := os.ReadFile(d.Binary)
	if err != nil {
		t.Fatal(err)
	}
	foreign := bytes.Clone(installed)
	foreign[18], foreign[19] = 2, 0 // e_machine: a SPARC
	script := func(text string) []byte { return []byte("#!/bin/sh\n" + text + "\n") }
	for _, one := range []struct {
		name    string
		content []byte
		mode    fs.FileMode
		says    string
	}{
		{"false", script("exit 1"), 0o755, "it does not say that it is ready (exit code 1)"},
		{"hangs", script("exec sleep 1000"), 0o755, "it has not said within 3s that it is ready"},
		{"talks", script("echo ready; exec sleep 1000"), 0o755, "it has not said within 3s that it is ready"},
		{"lies", script("echo ready xyz 0.1.0"), 0o755, "it does not say that it is ready (exit code 0)"},
		{"older", script(`echo "ota: unknown command takeover" >&2; exit 2`), 0o755, "unknown command takeover"},
		{"crashes", script("kill -SEGV $$"), 0o755, "exit code 139"},
		{"cut off", installed[:len(installed)/3], 0o755, "can't take over"},
		{"only its head", installed[:60], 0o755, "can't take over"},
		{"of another machine", foreign, 0o755, "it is no program for this machine"},
		{"text", []byte("hello\n"), 0o755, "it is no program for this machine"},
		{"empty", nil, 0o755, "it is no program for this machine"},
	} {
		file := filepath.Join(t.TempDir(), "new")
		if err := os.WriteFile(file, one.content, one.mode); err != nil {
			t.Fatal(err)
		}
		answer := d.Ask("self-update", file)
		if answer.Code != 1 || !strings.Contains(answer.Complained, one.says) || !strings.Contains(answer.Complained, file) {
			t.Errorf("%s: %+v", one.name, answer)
		}
	}
	if answer := d.Ask("self-update", t.TempDir()); answer.Code != 1 || !strings.Contains(answer.Complained, "is no file") {
		t.Errorf("a folder: %+v", answer)
	}
	if answer := d.Ask("self-update", filepath.Join(t.TempDir(), "absent")); answer.Code != 1 {
		t.Errorf("nothing: %+v", answer)
	}
	if after, err := d.Status(); err != nil || after.Program.PID != before.Program.PID || after.PID != before.PID {
		t.Errorf("%+v %v", after, err)
	}
	if now, err := os.ReadFile(d.Binary); err != nil || !bytes.Equal(now, installed) {
		t.Errorf("the installed ota is another one: %v", err)
	}
	left, err := os.ReadDir(filepath.Dir(d.Binary))
	if err != nil || len(left) != 1 {
		t.Errorf("something is left beside it: %v %v", left, err)
	}
	if strings.Contains(d.Console(), "takes over") {
		t.Errorf("it has left:\n%s", d.Console())
	}
	d.Stop()
	checkCounting(t, "the log", numbers(t, logged(t, d)), 1)
}

// TestItEndsMeanwhile: a program that ends while nobody may look is seen to have
// ended by the ota that is in charge then, with its exit code and its last line.
func TestItEndsMeanwhile(t *testing.T) {
	t.Parallel()
	d := device(t, harness.Binary(), "")
	d.Start()
	before := d.Await("the program runs", runs)
	bad := filepath.Join(t.TempDir(), "bad")
	copyFile(t, bad, faultyOta(t))
	if err := os.WriteFile(d.Binary+".fault", []byte("hang"), 0o644); err != nil {
		t.Fatal(err)
	}
	answered := make(chan harness.Answer, 1)
	go func() { answered <- d.Ask("self-update", bad) }()
	harness.Await(t, "the new ota is there", func() bool { return strings.Contains(d.Console(), "another ota takes over") }, d.Console)
	if err := os.WriteFile(filepath.Join(d.Dir, "end"), []byte("9"), 0o644); err != nil {
		t.Fatal(err)
	}
	stat := fmt.Sprintf("/proc/%d/stat", before.Program.PID)
	isZombie := func() bool {
		text, err := os.ReadFile(stat)
		return err == nil && strings.Contains(string(text), ") Z ")
	}
	harness.Await(t, "the program has ended, and nobody has waited for it", isZombie, d.Console)
	if answer := <-answered; answer.Code != 1 || !strings.Contains(answer.Complained, "was not up within") {
		t.Errorf("%+v", answer)
	}
	after := d.Await("it is started again", func(s harness.Status) bool { return runs(s) && s.Program.PID != before.Program.PID })
	if exit := after.Program.LastExit; after.PID != before.PID || after.Program.Restarts != 1 || exit == nil || exit.Code == nil || *exit.Code != 9 {
		t.Errorf("%+v", after)
	}
	awaitStarts(t, d, 2)
	d.Stop()
	if !strings.Contains(d.Console(), "MAIN : the last ") {
		t.Error("its last line is missing")
	}
	checkCounting(t, "the log", numbers(t, logged(t, d)), 2)
}

// TestItGoesBack: an ota that passes its rehearsal and does not come up makes way
// for the one before.
func TestItGoesBack(t *testing.T) {
	t.Parallel()
	for _, one := range []struct{ fault, says string }{
		{"error", "a fault of the test"},
		{"panic", "it met a fault: a fault of the test"},
		{"hang", "it was not up within 3s"},
	} {
		t.Run(one.fault, func(t *testing.T) {
			t.Parallel()
			d := device(t, harness.Binary(), "")
			d.Start()
			before := d.Await("the program runs", runs)
			lines := follow(t, d, "logs", "-f", "-n", "10000")
			dir := t.TempDir()
			bad := filepath.Join(dir, "bad")
			copyFile(t, bad, faultyOta(t))
			if err := os.WriteFile(d.Binary+".fault", []byte(one.fault), 0o644); err != nil {
				t.Fatal(err)
			}
			installed, err := os.ReadFile(d.Binary)
			if err != nil {
				t.Fatal(err)
			}
			answer := d.Ask("self-update", bad)
			if answer.Code != 1 || !strings.Contains(answer.Complained, one.says) || !strings.Contains(answer.Complained, "the new ota did not come up") {
				t.Errorf("%+v", answer)
			}
			after := d.Await("the program runs", runs)
			if after.PID != before.PID || after.Program.PID != before.Program.PID || !after.Program.Started.Equal(before.Program.Started) {
				t.Errorf("before: %+v\nafter: %+v", before, after)
			}
			if now, err := os.ReadFile(d.Binary); err != nil || !bytes.Equal(now, installed) {
				t.Errorf("the installed ota is another one: %v", err)
			}
			// It is the old one in all that counts.
			d.Say("reload")
			d.Say("restart")
			awaitStarts(t, d, 2)
			said := lines.end(t)
			d.Stop()
			checkCounting(t, "the log", numbers(t, logged(t, d)), 2)
			checkCounting(t, "ota logs -f", numbers(t, strings.NewReader(said)), 2)
		})
	}
}
