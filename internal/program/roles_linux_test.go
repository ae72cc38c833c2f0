package program

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ota/internal/kit/proc"
)

// The test binary is its own child: started as "role NAME ARG…" it does what
// the role says. A role tells of itself by a file in the folder it is given,
// since it may have neither output nor environment.
func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == "role" {
		roles[os.Args[2]](os.Args[3], os.Args[4:])
		// Not os.Exit: the race detector sleeps a second in there.
		syscall.Exit(0)
	}
	os.Exit(m.Run())
}

var roles map[string]func(dir string, args []string)

func init() {
	roles = map[string]func(dir string, args []string){
		"obey":    roleObey,
		"deaf":    roleDeaf,
		"exit":    func(_ string, args []string) { code, _ := strconv.Atoi(args[0]); syscall.Exit(code) },
		"crash":   func(string, []string) { crash() },
		"flood":   roleFlood,
		"parent":  roleParent,
		"daemons": roleDaemons,
		"orphan":  roleOrphan,
		"spawner": roleSpawner,
		"room":    roleRoom,
		"notify":  roleNotify,
		"serve":   roleServe,
		"burn":    roleBurn,
	}
}

// appear tells the test that this process is there.
func appear(dir, name string) {
	self, err := proc.Read(os.Getpid())
	check(err)
	path := filepath.Join(dir, fmt.Sprintf("%s.%d.%d", name, self.PID, self.Start))
	check(os.WriteFile(path, nil, 0o600))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
}

func roleObey(dir string, _ []string) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT)
	appear(dir, "obey")
	fmt.Println("ready")
	<-signals
	fmt.Println("bye")
}

// roleDeaf ignores what is named and lives until it is killed by another.
func roleDeaf(dir string, args []string) {
	signal.Ignore(syscall.SIGINT, syscall.SIGPIPE) // who reads may be killed
	if len(args) > 0 && args[0] == "term" {
		signal.Ignore(syscall.SIGTERM)
	}
	appear(dir, "deaf")
	fmt.Println("ready")
	forever()
}

func forever() {
	for {
		time.Sleep(time.Hour)
	}
}

func crash() {
	signal.Reset(syscall.SIGSEGV)
	check(syscall.Kill(os.Getpid(), syscall.SIGKILL))
	forever()
}

func roleFlood(dir string, args []string) {
	size, err := strconv.Atoi(args[0])
	check(err)
	appear(dir, "flood")
	piece := []byte(strings.Repeat("0123456789abcde\n", 4096))
	for written := 0; written < size; written += len(piece) {
		_, err := os.Stdout.Write(piece)
		check(err)
	}
}

// roleParent ends at once and leaves a child that keeps its output; "cleared":
// in a session of its own, without the environment.
func roleParent(dir string, args []string) {
	child := self(false, os.Environ(), "deaf", dir, "term")
	if len(args) > 0 && args[0] == "cleared" {
		child = self(true, []string{}, "deaf", dir, "term")
	}
	child.Stdout = os.Stdout
	check(child.Start())
	awaitFiles(dir, 1)
	fmt.Println("ready")
}

// roleDaemons leaves processes that have left group, session and output, with
// the environment and without, and stays.
func roleDaemons(dir string, args []string) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT)
	for _, env := range [][]string{os.Environ(), {}} {
		check(self(true, env, "orphan", dir, args...).Run())
	}
	start(false, os.Environ(), "deaf", dir, "term")
	awaitFiles(dir, 3)
	fmt.Println("ready")
	if len(args) > 0 && args[0] == "leave" {
		return
	}
	<-signals
}

// roleOrphan is the second fork of a daemon.
func roleOrphan(dir string, _ []string) {
	start(true, os.Environ(), "deaf", dir, "term")
}

// roleSpawner starts processes in sessions of their own as fast as it can, and
// so do two of its children.
func roleSpawner(dir string, args []string) {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM)
	depth, err := strconv.Atoi(args[0])
	check(err)
	appear(dir, "spawner")
	for range depth {
		start(true, []string{}, "spawner", dir, strconv.Itoa(depth-1))
	}
	fmt.Println("ready")
	// A bound keeps the machine alive should the room fail.
	for range 2000 {
		sleeper := exec.Command("/bin/sleep", "1000")
		sleeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		sleeper.Env = []string{}
		_ = sleeper.Start()
	}
}

// roleRoom is an ota that starts a program and waits to be killed.
func roleRoom(dir string, args []string) {
	room := newRoom(dir, slog.New(slog.DiscardHandler), args[0])
	_, err := room.Start(Spec{Argv: append([]string{binary(), "role"}, args[1:]...), Dir: dir, Env: os.Environ(), Stdout: os.Stdout})
	check(err)
	fmt.Println("started")
	forever()
}

// roleNotify says something on the socket of the program, or a descendant so
// many generations below does, in a session of its own.
func roleNotify(dir string, args []string) {
	if depth, err := strconv.Atoi(args[0]); err == nil && depth > 0 {
		start(true, os.Environ(), "notify", dir, strconv.Itoa(depth-1), args[1])
		forever()
	}
	appear(dir, "notify")
	check(notify(os.Getenv(notifyVariable), args[1]))
	forever()
}

// notify is sd_notify(3).
func notify(socket, message string) error {
	conn, err := net.Dial("unixgram", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(message))
	return err
}

// nativeVariable names the test binary for the roles where the tests run in an
// emulator, whose children do not.
const nativeVariable = "PROGRAM_TEST_NATIVE"

func binary() string {
	if path := os.Getenv(nativeVariable); path != "" {
		return path
	}
	exe, err := os.Executable()
	check(err)
	return exe
}

func self(session bool, env []string, role, dir string, args ...string) *exec.Cmd {
	cmd := exec.Command(binary(), append([]string{"role", role, dir}, args...)...)
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: session}
	return cmd
}

func start(session bool, env []string, role, dir string, args ...string) *exec.Cmd {
	cmd := self(session, env, role, dir, args...)
	check(cmd.Start())
	return cmd
}

// awaitFiles waits in a role until that many processes have appeared.
func awaitFiles(dir string, count int) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if len(appeared(dir)) >= count {
			return
		}
	}
	check(fmt.Errorf("fewer than %d processes in %s", count, dir))
}

// appeared returns the processes that told of themselves in dir.
func appeared(dir string) []proc.ID {
	entries, err := os.ReadDir(dir)
	check(err)
	var ids []proc.ID
	for _, entry := range entries {
		parts := strings.Split(entry.Name(), ".")
		if len(parts) != 3 {
			continue
		}
		pid, err := strconv.Atoi(parts[1])
		check(err)
		began, err := strconv.ParseUint(parts[2], 10, 64)
		check(err)
		ids = append(ids, proc.ID{PID: pid, Start: began})
	}
	return ids
}

// newRoom returns a room that has only what is named: "all", "adopt", "cgroup"
// or "bare" for neither.
func newRoom(dir string, log *slog.Logger, offers string) *Room {
	room := New(Options{
		Record: filepath.Join(dir, "child.json"), Mark: dir, Log: log,
		StopSignals: []Step{
			{Signal: syscall.SIGINT},
			{Signal: syscall.SIGTERM, After: 50 * time.Millisecond},
			{Signal: syscall.SIGKILL, After: 100 * time.Millisecond},
		},
	})
	switch offers {
	case "adopt":
		room.ready.Do(func() { room.host.adopted = proc.Adopt() })
	case "cgroup":
		room.ready.Do(func() { room.host.group, _ = newCgroup(dir) })
	case "bare":
		room.ready.Do(func() {})
	}
	return room
}

// lines gives what is written to it, line by line.
type lines struct {
	w *io.PipeWriter
	c chan string
}

func newLines(t *testing.T) *lines {
	t.Helper()
	reader, writer := io.Pipe()
	l := &lines{w: writer, c: make(chan string, 1000)}
	go func() {
		scanner := bufio.NewScanner(reader)
		for scanner.Scan() {
			l.c <- scanner.Text()
		}
		close(l.c)
	}()
	t.Cleanup(func() { writer.Close() })
	return l
}

func (l *lines) Write(p []byte) (int, error) { return l.w.Write(p) }

// await returns when all these lines have come, in any order.
func (l *lines) await(t *testing.T, want ...string) {
	t.Helper()
	deadline := time.After(time.Minute)
	for len(want) > 0 {
		select {
		case line, ok := <-l.c:
			if !ok {
				t.Fatalf("output ended without %q", want)
			}
			want = slices.DeleteFunc(want, func(one string) bool { return one == line })
		case <-deadline:
			t.Fatalf("no line %q in the output", want)
		}
	}
}
