//go:build linux

package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Status is what these tests read of `ota status --json`.
type Status struct {
	PID     int `json:"pid"`
	Program struct {
		State        string    `json:"state"`
		PID          int       `json:"pid"`
		Started      time.Time `json:"started"`
		Restarts     int       `json:"restarts"`
		CrashLooping bool      `json:"crash_looping"`
		Doing        string    `json:"doing"` // what takes its time before a start
		LastExit     *Exit     `json:"last_exit"`
		Phase        string    `json:"phase"`       // "": it has said nothing
		StatusText   string    `json:"status_text"` // likewise
	} `json:"program"`
	Release struct {
		Number int    `json:"number"`
		State  string `json:"state"`
		Pinned bool   `json:"pinned"`
	} `json:"release"`
	Deposit struct {
		State   string   `json:"state"`
		Files   int      `json:"files"`
		Bytes   int64    `json:"bytes"`
		Reasons []Reason `json:"reasons"`
		Doing   string   `json:"doing"` // what takes its time
	} `json:"deposit"`
}

// Exit is how the program ended last.
type Exit struct {
	Code   *int    `json:"code"`
	Signal *string `json:"signal"`
	Cause  string  `json:"cause"` // "": the exit tells
}

// Reason is why an upload is held or waits.
type Reason struct {
	Path    string `json:"path"`
	Line    int    `json:"line"`
	Message string `json:"message"`
}

// Release is an entry of `ota history --json`.
type Release struct {
	Number  int          `json:"number"`
	State   string       `json:"state"`
	Current bool         `json:"current"`
	Pinned  bool         `json:"pinned"`
	From    int          `json:"from"`   // 0: none
	Reason  string       `json:"reason"` // of its being rolled back
	Files   []FileChange `json:"files"`
}

// FileChange is a file that a release changed.
type FileChange struct {
	Path   string `json:"path"`
	Change string `json:"change"`
}

// Why is what these tests read of `ota why --json`.
type Why struct {
	Release  int       `json:"release"` // 0: none has failed
	State    string    `json:"state"`
	Reason   string    `json:"reason"`
	Held     []Reason  `json:"held"`
	Evidence *Evidence `json:"evidence"` // nil: there is none
}

// Evidence is what was seen of a release that failed.
type Evidence struct {
	Why  string `json:"why"`
	Exit *struct {
		Code   *int    `json:"code"`
		Signal *string `json:"signal"`
	} `json:"exit"`
	Traceback *struct {
		Error    string `json:"error"`
		File     string `json:"file"`
		Line     int    `json:"line"`
		Function string `json:"function"`
		Source   string `json:"source"`
	} `json:"traceback"`
	Probes []struct {
		Probe  string `json:"probe"`
		Answer string `json:"answer"`
		Detail string `json:"detail"`
		Before string `json:"before"`
	} `json:"probes"`
	BackTo int          `json:"back_to"`
	Files  []FileChange `json:"files"`
	Output []string     `json:"output"`
}

// Answer is what an ota command said.
type Answer struct {
	Said       string // on standard output
	Complained string // on standard error
	Code       int
}

// Device is a folder with ota in it.
type Device struct {
	Dir      string
	Binary   string        // ota itself; the one built by Main unless set
	Under    []string      // what runs it, an emulator for one
	Patience time.Duration // for an answer to Status

	t       testing.TB
	console console
	process *exec.Cmd
	ended   chan struct{}
}

// NewDevice lays out a folder with main/ and ota.toml ("": none) in it. The page
// is off where the settings say nothing of it.
func NewDevice(t testing.TB, dir string, main Tree, settings string) *Device {
	t.Helper()
	dir, err := filepath.EvalSymlinks(dir) // as /proc shows it
	if err != nil {
		t.Fatal(err)
	}
	d := &Device{Dir: dir, Binary: binary, Patience: Deadline, t: t}
	for _, folder := range []string{d.Main(), d.Deposit()} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	main.Write(t, d.Main())
	if _, err := os.Stat(filepath.Join(dir, "ota.toml")); err == nil && settings == "" {
		return d // somebody else has laid it out
	}
	if !strings.Contains(settings, "[web]") {
		settings += "\n[web]\nlisten = \"off\"\n"
	}
	Tree{"ota.toml": File(settings)}.Write(t, dir)
	return d
}

// Main is the path of main/.
func (d *Device) Main() string { return filepath.Join(d.Dir, "main") }

// Deposit is the path of deposit/.
func (d *Device) Deposit() string { return filepath.Join(d.Dir, "deposit") }

// Command is ota with arguments, to be run in the device's folder.
func (d *Device) Command(ctx context.Context, args ...string) *exec.Cmd {
	argv := slices.Concat(d.Under, []string{d.Binary}, args)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = d.Dir
	return cmd
}

// Start starts `ota run`. When the test ends it is stopped, and its console
// shown if the test failed.
func (d *Device) Start() {
	d.t.Helper()
	d.process = d.Command(context.Background(), "run", d.Dir)
	d.process.Stdout, d.process.Stderr = &d.console, &d.console
	if err := d.process.Start(); err != nil {
		d.t.Fatal(err)
	}
	if d.ended == nil {
		d.t.Cleanup(d.leave)
	}
	d.ended = make(chan struct{})
	go func(process *exec.Cmd, ended chan struct{}) {
		process.Wait()
		close(ended)
	}(d.process, d.ended)
}

// Within lets a part of the test use the device: what fails then is that part.
// It returns what ends it.
func (d *Device) Within(part testing.TB) (end func()) {
	whole := d.t
	d.t = part
	return func() { d.t = whole }
}

func (d *Device) leave() {
	d.Stop()
	if d.t.Failed() || os.Getenv("SHOW") != "" {
		d.t.Logf("console of ota in %s:\n%s", d.Dir, d.Console())
	}
}

// Stop ends `ota run` as Ctrl-C does and returns its exit code.
func (d *Device) Stop() int {
	d.t.Helper()
	d.process.Process.Signal(os.Interrupt)
	select {
	case <-d.ended:
	case <-time.After(Deadline):
		d.process.Process.Kill()
		<-d.ended
		d.t.Errorf("ota did not end when it was interrupted")
	}
	return d.process.ProcessState.ExitCode()
}

// Kill ends `ota run` by SIGKILL, and with it nothing else.
func (d *Device) Kill() {
	d.process.Process.Kill()
	<-d.ended
}

// Console is what ota has printed so far, or the last of it where that is much.
func (d *Device) Console() string { return d.console.String() }

// Say runs an ota command and returns its standard output; another exit code
// than 0 fails the test.
func (d *Device) Say(args ...string) string {
	d.t.Helper()
	answer := d.Ask(args...)
	if answer.Code != 0 {
		d.t.Fatalf("ota %s: exit code %d\n%s", strings.Join(args, " "), answer.Code, answer.Complained)
	}
	return answer.Said
}

// Ask runs an ota command, however it ends.
func (d *Device) Ask(args ...string) Answer {
	d.t.Helper()
	var said, complained bytes.Buffer
	cmd := d.Command(d.t.Context(), args...)
	cmd.Stdout, cmd.Stderr = &said, &complained
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		d.t.Fatalf("ota %s: %v", strings.Join(args, " "), err)
	}
	return Answer{said.String(), complained.String(), cmd.ProcessState.ExitCode()}
}

// History is `ota history --json`: newest first.
func (d *Device) History() []Release {
	d.t.Helper()
	var history []Release
	d.read(&history, "history")
	return history
}

// Why is `ota why --json`, of a release or with 0 of none.
func (d *Device) Why(release int) Why {
	d.t.Helper()
	var why Why
	if release == 0 {
		d.read(&why, "why")
	} else {
		d.read(&why, "why", strconv.Itoa(release))
	}
	return why
}

// read runs an ota command that prints JSON.
func (d *Device) read(into any, args ...string) {
	d.t.Helper()
	if err := json.Unmarshal([]byte(d.Say(append(args, "--json")...)), into); err != nil {
		d.t.Fatalf("ota %s: %v", strings.Join(args, " "), err)
	}
}

// Status asks the running ota over its socket: the same as `ota status --json`
// for a tenth of the time.
func (d *Device) Status() (Status, error) {
	var status Status
	err := d.get(&status, "status")
	return status, err
}

// HistoryNow is History over the socket.
func (d *Device) HistoryNow() ([]Release, error) {
	var history []Release
	err := d.get(&history, "history")
	return history, err
}

// WhyNow is Why over the socket.
func (d *Device) WhyNow(release int) (Why, error) {
	var why Why
	err := d.get(&why, fmt.Sprintf("why?release=%d", release))
	return why, err
}

// get asks the running ota for something that is JSON.
func (d *Device) get(into any, what string) error {
	folder, err := os.Open(filepath.Join(d.Dir, ".ota"))
	if err != nil {
		return err
	}
	defer folder.Close()
	// The path of a test's folder is often too long for a socket's address.
	address := fmt.Sprintf("/proc/self/fd/%d/control.sock", folder.Fd())
	client := http.Client{Timeout: d.Patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", address)
		},
	}}
	answer, err := client.Get("http://ota/api/v1/" + what)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("%s: %s", answer.Status, body)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// Await waits until the status is as done wants it, and returns it.
func (d *Device) Await(what string, done func(Status) bool) Status {
	d.t.Helper()
	var status Status
	var err error
	Await(d.t, what, func() bool {
		status, err = d.Status()
		return err == nil && done(status)
	}, func() string {
		return fmt.Sprintf("status: %+v, %v\nconsole:\n%s", status, err, d.Console())
	})
	return status
}

// Programs lists the processes whose working directory is main/: the program
// and those of its descendants that stayed there.
func (d *Device) Programs() []int {
	proc, err := os.Open("/proc")
	if err != nil {
		d.t.Fatal(err)
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		d.t.Fatal(err)
	}
	main := d.Main()
	var found []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		// It fails for what has ended meanwhile, and for zombies.
		if cwd, err := os.Readlink("/proc/" + name + "/cwd"); err == nil && cwd == main {
			found = append(found, pid)
		}
	}
	return found
}

// KillPrograms ends the processes in main/ and waits until they are gone.
func (d *Device) KillPrograms() {
	d.t.Helper()
	Await(d.t, "the end of what runs in main/", func() bool {
		left := d.Programs()
		for _, pid := range left {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		return len(left) == 0
	}, func() string { return fmt.Sprint(d.Programs()) })
}

// mostConsole is how much of the console is kept at most, and half of it at
// least: what a device prints in hours would be gigabytes.
const mostConsole = 8 << 20

// console keeps what was printed last; several goroutines may use it.
type console struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.text.Len()+len(p) > mostConsole {
		c.text.Next(mostConsole / 2)
	}
	return c.text.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}
