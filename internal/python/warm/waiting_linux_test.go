package warm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/kit/proc"
	"ota/internal/program"
	"ota/internal/python/warm"
)

// The test binary is an ota that is killed while a process waits.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "waits" {
		roleWaits(os.Args[2], os.Args[3])
	}
	os.Exit(m.Run())
}

func roleWaits(python, dir string) {
	s := newStage(dir, python)
	w, err := s.prepare("json")
	if err == nil {
		<-w.Ready()
		fmt.Println("ready")
		select {}
	}
	fmt.Println(err)
	syscall.Exit(1)
}

// pythons returns the interpreters of this machine.
var pythons = sync.OnceValue(func() []string {
	var found []string
	home, _ := os.UserHomeDir()
	others, _ := filepath.Glob(filepath.Join(home, ".pyenv", "versions", "3.*", "bin", "python3"))
	for _, path := range append([]string{"/usr/bin/python3", "/usr/local/bin/python3"}, others...) {
		if exec.Command(path, "-c", "import sys; sys.exit(sys.version_info < (3, 7))").Run() == nil {
			found = append(found, path)
		}
	}
	return found
})

func onePython(t testing.TB) string {
	t.Helper()
	if len(pythons()) == 0 {
		t.Skip("no Python 3.7 or newer here")
	}
	return pythons()[0]
}

func everyPython(t *testing.T, test func(t *testing.T, python string)) {
	onePython(t)
	for _, python := range pythons() {
		t.Run(python, func(t *testing.T) { test(t, python) })
	}
}

// somePythons takes the system's and another: what the other tests show for all
// need not be shown again.
func somePythons(t *testing.T, test func(t *testing.T, python string)) {
	onePython(t)
	all := pythons()
	for _, python := range slices.Compact([]string{all[0], all[len(all)-1]}) {
		t.Run(python, func(t *testing.T) { test(t, python) })
	}
}

// stage is a folder with a program, and a room to run it in.
type stage struct {
	dir, main string
	argv      []string
	env       []string
	hook      *warm.Hook
	room      *program.Room
	limit     time.Duration
	log       bytes.Buffer
}

func newStage(dir, python string) *stage {
	s := &stage{dir: dir, main: filepath.Join(dir, "main"), argv: []string{python, "-u", "main.py"}}
	s.env = []string{"PATH=/usr/bin:/bin", "HOME=" + dir, "LANG=C.UTF-8", "OTA_RELEASE=1"}
	s.hook = warm.New(filepath.Join(dir, "warm"), s.main)
	s.room = program.New(program.Options{
		Record: filepath.Join(dir, "child.json"), Mark: dir,
		Log: slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	return s
}

func newTestStage(t testing.TB, python, main string) *stage {
	t.Helper()
	s := newStage(t.TempDir(), python)
	s.write(t, "main/main.py", main)
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if err := errors.Join(s.room.Stop(ended), s.room.Close()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(s.log.String())
		}
	})
	return s
}

func (s *stage) write(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func (s *stage) spec() program.Spec {
	return program.Spec{Argv: s.argv, Dir: s.main, Env: s.env}
}

func (s *stage) prepare(modules ...string) (*program.Waiting, error) {
	wait, err := s.hook.Wait(s.argv, s.env, modules)
	if err != nil {
		return nil, err
	}
	return s.room.Prepare(s.spec(), program.WaitSpec{Env: wait.Env, First: wait.First, Probe: wait.Probe, Limit: s.limit})
}

// waiting returns a process that waits.
func (s *stage) waiting(t testing.TB, modules ...string) *program.Waiting {
	t.Helper()
	w, err := s.prepare(modules...)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-w.Ready():
	case <-w.Done():
		t.Fatal(w.Err())
	case <-time.After(time.Minute):
		t.Fatal("it does not wait")
	}
	return w
}

// off fails unless no process that imports this comes to wait.
func (s *stage) off(t *testing.T, modules ...string) error {
	t.Helper()
	w, err := s.prepare(modules...)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-w.Ready():
		t.Fatal("it waits")
	case <-w.Done():
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
	return w.Err()
}

// outcome is all that a run of a program shows.
type outcome struct {
	Out, Err string
	Exit     string
	Code     int
}

// buffer may be written to by two goroutines.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// run runs the program to its end. With a signal: once it says "ready".
func (s *stage) run(t testing.TB, w *program.Waiting, signal syscall.Signal) (outcome, program.Origin) {
	t.Helper()
	spec := s.spec()
	var out, complained buffer
	spec.Stdout, spec.Stderr, spec.Waiting = &out, &complained, w
	run, err := s.room.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	if signal != 0 {
		awaitThat(t, "ready", func() bool { return strings.Contains(out.String(), "ready\n") })
		if err := syscall.Kill(run.PID(), signal); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-run.Done():
	case <-time.After(time.Minute):
		t.Fatalf("the program does not end: %s%s", out.String(), complained.String())
	}
	// What it has started ends by itself: to be stopped meanwhile may make it complain.
	select {
	case <-run.Drained():
	case <-time.After(time.Minute):
		t.Fatalf("what the program has started does not end: %s%s", out.String(), complained.String())
	}
	if err := s.room.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	exit := run.Exit()
	return outcome{out.String(), complained.String(), exit.String(), exit.Code}, run.Origin()
}

func awaitThat(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not %s after a minute", what)
		}
	}
}

// warmly runs the program from a waiting process.
func (s *stage) warmly(t testing.TB, signal syscall.Signal, modules ...string) outcome {
	t.Helper()
	got, origin := s.run(t, s.waiting(t, modules...), signal)
	if origin != program.FromWaiting {
		t.Fatalf("a plain start followed: %s", s.log.String())
	}
	return got
}

func (s *stage) plainly(t testing.TB, signal syscall.Signal) outcome {
	t.Helper()
	got, _ := s.run(t, nil, signal)
	return got
}

// observer tells all that a program can see of how it was started.
const observer = `
import sys
modules = list(sys.modules)
cache = sorted(map(str, sys.path_importer_cache))
names = sorted(globals())
import os
environ, fds = list(os.environ.items()), {}
for fd in sorted(os.listdir("/proc/self/fd"), key=int):
    try:
        fds[fd] = os.readlink("/proc/self/fd/" + fd).partition("[")[0]
    except OSError:
        pass
import json, signal, threading, resource, warnings
print(json.dumps({
    "modules": modules, "importers": cache, "names": names, "environ": environ, "fds": fds,
    "argv": sys.argv, "path": sys.path, "flags": repr(sys.flags), "name": __name__, "file": __file__,
    "spec": repr(__spec__), "loader": type(__loader__).__name__, "builtins": type(__builtins__).__name__,
    "package": repr(__package__), "cached": repr(globals().get("__cached__")),
    "orig_argv": getattr(sys, "orig_argv", None), "cmdline": open("/proc/self/cmdline").read(),
    "comm": open("/proc/self/comm").read(), "cwd": os.getcwd(), "umask": os.umask(0o22),
    "session": os.getsid(0) == os.getpid() == os.getpgid(0), "parent": os.getppid(),
    "handlers": [str(signal.getsignal(s)) for s in range(1, 32)],
    "ignored": [l for l in open("/proc/self/status") if l.startswith("Sig") and "SigQ" not in l],
    "threads": threading.active_count(), "main": threading.main_thread() is threading.current_thread(),
    "tasks": len(os.listdir("/proc/self/task")), "hook": sys.excepthook is sys.__excepthook__,
    "meta": [str(one) for one in sys.meta_path], "hooks": len(sys.path_hooks),
    "limits": [resource.getrlimit(one) for one in range(16)], "bytecode": sys.dont_write_bytecode,
    "warnoptions": sys.warnoptions, "filters": [str(one) for one in warnings.filters],
    "prefix": sys.prefix, "executable": sys.executable, "encoding": [sys.stdout.encoding, sys.stderr.encoding],
    "stdout": [sys.stdout.line_buffering, getattr(sys.stdout, "write_through", None)],
    "recursion": sys.getrecursionlimit(), "interval": sys.getswitchinterval(), "xoptions": sys._xoptions,
    "trace": [sys.gettrace(), sys.getprofile()], "stdin": sys.stdin.read(), "docs": repr(__doc__),
    "affinity": sorted(os.sched_getaffinity(0)), "nice": os.nice(0), "exec": os.environ.get("PYTHONPATH"),
}))
`

var address = regexp.MustCompile("0x[0-9a-f]+")

func observed(t *testing.T, o outcome) map[string]any {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(address.ReplaceAll([]byte(o.Out), []byte("0x")), &all); err != nil {
		t.Fatalf("%v in %+v", err, o)
	}
	return all
}

func names(all map[string]any) []string {
	var names []string
	for _, name := range all["modules"].([]any) {
		names = append(names, name.(string))
	}
	return names
}

func TestProgramSeesAPlainStart(t *testing.T) {
	everyPython(t, func(t *testing.T, python string) {
		for _, test := range []struct {
			name string
			argv []string
			env  []string
		}{
			{"as usual", []string{"-u", "main.py"}, nil},
			{"options", []string{"-B", "-O", "-W", "ignore", "-X", "dev", "main.py", "a", "b c"}, nil},
			{"module", []string{"-m", "main", "a"}, nil},
			{"absolute", []string{"MAIN/main.py"}, nil},
			{"search path", []string{"main.py"}, []string{"PYTHONPATH=/nowhere:MAIN/lib:"}},
			{"empty search path", []string{"main.py"}, []string{"PYTHONPATH="}},
			{"locale", []string{"main.py"}, []string{"LC_ALL=C"}},
			{"sockets", []string{"main.py"}, []string{"LISTEN_FDS=0"}},
		} {
			t.Run(test.name, func(t *testing.T) {
				s := newTestStage(t, python, observer)
				s.argv = []string{python}
				for _, word := range test.argv {
					s.argv = append(s.argv, strings.ReplaceAll(word, "MAIN", s.main))
				}
				for _, entry := range test.env {
					s.env = append(s.env, strings.ReplaceAll(entry, "MAIN", s.main))
				}
				// What the first run compiles is seen by the second.
				s.plainly(t, 0)
				plain := observed(t, s.plainly(t, 0))
				s.env[slices.Index(s.env, "OTA_RELEASE=1")] = "OTA_RELEASE=0"
				w := s.waiting(t)
				s.env[slices.Index(s.env, "OTA_RELEASE=0")] = "OTA_RELEASE=1"
				got, origin := s.run(t, w, 0)
				if origin != program.FromWaiting {
					t.Fatal("a plain start followed")
				}
				compare(t, plain, observed(t, got), nil)

				preloaded := observed(t, s.warmly(t, 0, "json", "email.message"))
				compare(t, plain, preloaded, []string{"json", "email.message"})

				env, err := s.hook.Learn(s.argv, s.env)
				if err != nil {
					t.Fatal(err)
				}
				s.env = env
				compare(t, plain, observed(t, s.plainly(t, 0)), nil)
				if learned := s.hook.Learned(); !slices.Contains(learned, "json.decoder") || slices.Contains(learned, "main") {
					t.Errorf("learned %q", learned)
				}
			})
		}
	})
}

// compare fails if a start differs from a plain one in more than it may.
func compare(t *testing.T, plain, got map[string]any, preloaded []string) {
	t.Helper()
	plainModules, gotModules := names(plain), names(got)
	// What LISTEN_PID says is the process's own number.
	drop := func(name string) bool {
		return slices.Contains(gotModules, name) && !slices.Contains(plainModules, name)
	}
	if preloaded == nil {
		extra := slices.DeleteFunc(slices.Clone(gotModules), func(name string) bool { return !drop(name) || name == "atexit" })
		if len(extra) > 0 {
			t.Errorf("modules %q are there", extra)
		}
	}
	for _, name := range preloaded {
		if !slices.Contains(gotModules, name) {
			t.Errorf("module %s is not there", name)
		}
	}
	rest := slices.DeleteFunc(slices.Clone(gotModules), drop)
	if preloaded != nil { // some of which the program's options load later
		slices.Sort(plainModules)
		slices.Sort(rest)
	}
	if diff := cmp.Diff(plainModules, rest); diff != "" {
		t.Errorf("modules: %s", diff)
	}
	for _, one := range []map[string]any{plain, got} {
		one["environ"] = slices.DeleteFunc(slices.Clone(one["environ"].([]any)), func(entry any) bool {
			return entry.([]any)[0] == "LISTEN_PID"
		})
	}
	for key, value := range plain {
		if key == "modules" || preloaded != nil && (key == "importers" || key == "filters") {
			continue
		}
		if diff := cmp.Diff(value, got[key]); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
}

var carets = regexp.MustCompile(`(?m)^ +[~^]+\n`)

func TestProgramEndsAsAfterAPlainStart(t *testing.T) {
	everyPython(t, func(t *testing.T, python string) {
		for name, test := range map[string]struct {
			main   string
			signal syscall.Signal
		}{
			"returns":        {"print('done')", 0},
			"exits":          {"import sys; sys.exit(3)", 0},
			"says why":       {"import sys; sys.exit('no')", 0},
			"raises":         {"def f():\n    return 1 / 0\nimport helper\nhelper.call(f)\n", 0},
			"does not parse": {"print('a'\nprint(\n", 0},
			"leaves":         {"import os; os._exit(4)", 0},
			"is killed":      {"import os; os.kill(os.getpid(), 9)", 0},
			"is interrupted": {"import sys, time\nn = 0\ntry:\n    while True: time.sleep(0.01); n += 1; n == 3 and sys.stdout.write('ready\\n')\nfinally:\n    print('bye')", syscall.SIGINT},
			"is terminated":  {"import sys, time\nsys.stdout.write('ready\\n'); sys.stdout.flush()\ntime.sleep(60)", syscall.SIGTERM},
			"says goodbye":   {"import atexit, json\natexit.register(print, 'first')\natexit.register(print, 'second')", 0},
			"forks":          {"import os, sys\nif os.fork() == 0:\n    sys.exit(0)\nos.wait()\nprint('parent')", 0},
			"starts others":  {"import subprocess, sys\nprint(subprocess.check_output([sys.executable, '-c', 'import os, sys; print(sys.path[1:], sorted(os.environ), sorted(sys.modules))']).decode())", 0},
			"starts workers": {"import multiprocessing, helper\nif __name__ == '__main__':\n    multiprocessing.set_start_method('spawn')\n    with multiprocessing.Pool(1) as pool:\n        print(pool.map(helper.double, [1, 2]))", 0},
		} {
			t.Run(name, func(t *testing.T) {
				s := newTestStage(t, python, test.main)
				s.write(t, "main/helper.py", "def call(f):\n    f()\ndef double(x):\n    return 2 * x\n")
				s.plainly(t, test.signal)
				plain, got := s.plainly(t, test.signal), s.warmly(t, test.signal, "json", "queue")
				if test.signal != 0 { // where in the line it comes is chance
					plain.Err, got.Err = carets.ReplaceAllString(plain.Err, ""), carets.ReplaceAllString(got.Err, "")
				}
				if diff := cmp.Diff(plain, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	})
}

func TestSitecustomizeIsRunAsWithoutUs(t *testing.T) {
	somePythons(t, func(t *testing.T, python string) {
		for name, custom := range map[string]string{
			"good":   "import sys, os\nprint('custom', __name__, __file__, sys.path, os.environ.get('PYTHONPATH'), os.environ['OTA_RELEASE'])",
			"raises": "1 / 0",
			"lacks":  "import nonesuch",
			"exits":  "import sys; sys.exit(5)",
		} {
			for _, folder := range []string{"lib", "main/lib"} {
				t.Run(name+" in "+folder, func(t *testing.T) {
					s := newTestStage(t, python, "import sys; print(sorted(sys.modules), sys.modules.get('sitecustomize'))")
					s.write(t, folder+"/sitecustomize.py", custom)
					s.env = append(s.env, "PYTHONPATH="+filepath.Join(s.dir, folder))
					s.plainly(t, 0)
					plain := s.plainly(t, 0)
					got := s.warmly(t, 0)
					// Where site does not catch an error, our frames are seen.
					if name == "exits" {
						plain.Err, got.Err = "", ""
					}
					got.Out = strings.ReplaceAll(got.Out, "'atexit', ", "")
					plain.Out = strings.ReplaceAll(plain.Out, "'atexit', ", "")
					if diff := cmp.Diff(plain, got); diff != "" {
						t.Error(diff)
					}
				})
			}
		}
	})
}

func TestModulesOfTheProgramAreNotPreloaded(t *testing.T) {
	somePythons(t, func(t *testing.T, python string) {
		s := newTestStage(t, python, "import queue, helper; print(queue.__file__, helper.x)")
		s.write(t, "main/helper.py", "x = 'new'; print('helper was imported')")
		w := s.waiting(t, "helper", "json")
		if missing := w.Missing(); len(missing) != 1 || !strings.HasPrefix(missing[0], "helper: ") {
			t.Errorf("missing: %q", missing)
		}
		if got, origin := s.run(t, w, 0); origin != program.FromWaiting || !strings.HasPrefix(got.Out, "helper was imported\n") {
			t.Errorf("%s: %+v", origin, got)
		}

		// Beside a folder of the same name that is no module.
		s.write(t, "main/queue/data.txt", "")
		s.warmly(t, 0, "queue")

		// One that is named like a preloaded one comes with the release.
		w = s.waiting(t, "queue")
		s.write(t, "main/queue.py", "")
		got, origin := s.run(t, w, 0)
		if origin != program.FromStart || !strings.Contains(got.Out, filepath.Join(s.main, "queue.py")) {
			t.Errorf("%s: %+v", origin, got)
		}
		if err := w.Err(); err == nil || !strings.Contains(err.Error(), "queue.py is now a file of the program") {
			t.Errorf("reason: %v", err)
		}
		// And by way of PYTHONPATH.
		s.env = append(s.env, "PYTHONPATH="+s.main)
		if missing := s.waiting(t, "helper").Missing(); len(missing) != 1 {
			t.Errorf("missing: %q", missing)
		}
	})
}

func TestWhatIsOffEndsTheProcess(t *testing.T) {
	somePythons(t, func(t *testing.T, python string) {
		for name, test := range map[string]struct{ module, reason string }{
			"raises":      {"raise ValueError('no')", "preloading odd: ValueError: no"},
			"exits":       {"import sys; sys.exit(0)", "preloading odd: SystemExit: 0"},
			"leaves":      {"import os; os._exit(0)", "it has ended"},
			"dies":        {"import os; os.kill(os.getpid(), 9)", "it has ended"},
			"interrupted": {"import os; os.kill(os.getpid(), 2)\nimport time; time.sleep(60)", "preloading odd: KeyboardInterrupt: "},
			"thread":      {"import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()", "preloading odd: it has started a thread"},
			"process":     {"import subprocess; p = subprocess.Popen(['sleep', '1000'], close_fds=False)", "a preloaded module has started a process"},
			"forks":       {"import os, time\nif os.fork() == 0:\n    time.sleep(1000)", "a preloaded module has started a process"},
			"hangs":       {"import time; time.sleep(1000)", "it does not wait after 1s"},
			"path":        {"import sys; sys.path.insert(0, '/elsewhere')", "a preloaded module has changed sys.path"},
		} {
			t.Run(name, func(t *testing.T) {
				s := newTestStage(t, python, "print('run')")
				s.write(t, "lib/odd.py", test.module)
				s.env = append(s.env, "PYTHONPATH="+filepath.Join(s.dir, "lib")+":"+s.main)
				if name == "hangs" {
					s.limit = time.Second
				}
				if err := s.off(t, "odd"); err == nil || err.Error() != test.reason {
					t.Errorf("reason %v, want %s", err, test.reason)
				}
				w, err := s.prepare("odd")
				if err != nil {
					t.Fatal(err)
				}
				got, origin := s.run(t, w, 0)
				if origin != program.FromStart || got.Out != "run\n" {
					t.Errorf("%s: %+v", origin, got)
				}
			})
		}
	})
}

func TestWhatIsPrintedWhilePreparingIsNotTheProgram(t *testing.T) {
	somePythons(t, func(t *testing.T, python string) {
		for _, options := range [][]string{nil, {"-u"}} {
			s := newTestStage(t, python, "import chatty; print('run')")
			s.argv = slices.Concat([]string{python}, options, []string{"main.py"})
			s.write(t, "lib/chatty.py", "import sys\nprint('x' * 200000)\nprint('hello', file=sys.stderr)\nsys.stdout.write('unfinished')")
			s.env = append(s.env, "PYTHONPATH="+filepath.Join(s.dir, "lib"))
			if diff := cmp.Diff(outcome{"run\n", "", "exit code 0", 0}, s.warmly(t, 0, "chatty")); diff != "" {
				t.Error(diff)
			}
		}
	})
}

func TestEnvironmentOfAPreloadStays(t *testing.T) {
	somePythons(t, func(t *testing.T, python string) {
		s := newTestStage(t, python, "import odd, os; print(os.environ['ODD'], os.environ.get('LANG'))")
		s.write(t, "lib/odd.py", "import os; os.environ['ODD'] = 'set'; del os.environ['LANG']")
		s.env = append(s.env, "PYTHONPATH="+filepath.Join(s.dir, "lib"))
		if got := s.warmly(t, 0, "odd"); got.Out != "set None\n" {
			t.Errorf("%+v", got)
		}
	})
}

func TestPlainStartWhereTheSpecDiffers(t *testing.T) {
	for name, change := range map[string]func(s *stage){
		"command":  func(s *stage) { s.argv = append(s.argv, "more") },
		"variable": func(s *stage) { s.env = append(s.env, "TZ=UTC") },
		"no more":  func(s *stage) { s.env = s.env[1:] },
		"folder": func(s *stage) {
			check(os.Rename(s.main, s.main+"2"))
			check(os.CopyFS(s.main, os.DirFS(s.main+"2")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestStage(t, onePython(t), "print('run')")
			w := s.waiting(t)
			change(s)
			if got, origin := s.run(t, w, 0); origin != program.FromStart || got.Out != "run\n" {
				t.Errorf("%s: %+v", origin, got)
			}
			<-w.Done()
		})
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func TestOwnVariablesMayChange(t *testing.T) {
	s := newTestStage(t, onePython(t), "import os; print([(n, os.environ[n]) for n in sorted(os.environ) if n[:4] in ('OTA_', 'LIST') and n != 'OTA_MARK'])")
	s.env = append(s.env, "OTA_OLD=1")
	w := s.waiting(t)
	s.env = append(s.env[:3:3], "OTA_RELEASE=ä\n2", "OTA_NEW=")
	got, origin := s.run(t, w, 0)
	if want := "[('OTA_NEW', ''), ('OTA_RELEASE', 'ä\\n2')]\n"; origin != program.FromWaiting || got.Out != want {
		t.Errorf("%s: %+v", origin, got)
	}
}

func TestPythonThatDoesNotWaitIsNotGivenTheProgram(t *testing.T) {
	python := onePython(t)
	s := newTestStage(t, python, "import pathlib; pathlib.Path('ran').touch()")
	wrapper := filepath.Join(s.dir, "python3")
	s.write(t, "python3", "#!/bin/sh\nexec "+python+" -I \"$@\"\n")
	check(os.Chmod(wrapper, 0o755))
	s.argv[0] = wrapper
	if w, err := s.prepare("json"); err == nil {
		t.Errorf("it waits: %v", w)
	}
	if _, err := os.Stat(filepath.Join(s.main, "ran")); err == nil {
		t.Error("the program was run")
	}
}

func TestWaitingProcessIsKilled(t *testing.T) {
	for name, moment := range map[string]func(pid int, s *stage, w *program.Waiting){
		"killed": func(pid int, _ *stage, w *program.Waiting) { check(syscall.Kill(pid, syscall.SIGKILL)); <-w.Done() },
		"interrupted": func(pid int, _ *stage, w *program.Waiting) {
			check(syscall.Kill(pid, syscall.SIGINT))
			<-w.Done()
		},
		"killed just now": func(pid int, _ *stage, _ *program.Waiting) { check(syscall.Kill(pid, syscall.SIGKILL)) },
		"stopped":         func(pid int, _ *stage, _ *program.Waiting) { check(syscall.Kill(pid, syscall.SIGSTOP)) },
		"closed":          func(_ int, _ *stage, w *program.Waiting) { w.Close(); w.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestStage(t, onePython(t), "print('run')")
			before := proc.Known()
			w := s.waiting(t)
			var pid int
			for one := range proc.Known() {
				if _, old := before[one]; !old {
					pid = one
				}
			}
			moment(pid, s, w)
			if got, origin := s.run(t, w, 0); origin != program.FromStart || got.Out != "run\n" || got.Err != "" {
				t.Errorf("%s: %+v", origin, got)
			}
			if w.Err() == nil {
				t.Error("no reason")
			}
		})
	}
}

func TestOneWaitsWhileAnotherRuns(t *testing.T) {
	s := newTestStage(t, onePython(t), "import os, time\nprint('ready', os.environ['OTA_RELEASE'], flush=True)\ntime.sleep(60)")
	var out buffer
	var w *program.Waiting
	for release := range 4 {
		spec := s.spec()
		spec.Stdout, spec.Waiting = &out, w
		spec.Env = append(s.env[:3:3], fmt.Sprint("OTA_RELEASE=", release))
		run, err := s.room.Start(spec)
		if err != nil {
			t.Fatal(err)
		}
		if (run.Origin() == program.FromWaiting) != (w != nil) {
			t.Errorf("%d is from %s: %s", release, run.Origin(), s.log.String())
		}
		awaitThat(t, "ready", func() bool { return strings.Contains(out.String(), fmt.Sprint("ready ", release)) })
		w = s.waiting(t, "json")
		if left := s.room.Left(); left != 0 {
			t.Errorf("%d processes beside the main one", left)
		}
		if err := s.room.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		select {
		case <-w.Done():
			t.Fatal("the stop has ended the waiting process")
		default:
		}
	}
	w.Close()
	if known := proc.Known(); len(known) != 0 {
		t.Errorf("children %v are left", known)
	}
}

func TestCloseOfTheRoomEndsWhatWaits(t *testing.T) {
	s := newTestStage(t, onePython(t), "print('run')")
	w := s.waiting(t)
	if err := s.room.Close(); err != nil {
		t.Error(err)
	}
	<-w.Done()
}

func TestWaitingProcessEndsWithOta(t *testing.T) {
	python := onePython(t)
	dir := t.TempDir()
	check(os.Mkdir(filepath.Join(dir, "main"), 0o755))
	check(os.WriteFile(filepath.Join(dir, "main", "main.py"), []byte("open('ran', 'w')"), 0o600))
	self, err := os.Executable()
	check(err)
	ota := exec.Command(self, "waits", python, dir)
	out, err := ota.StdoutPipe()
	check(err)
	check(proc.Start(ota))
	line := make([]byte, 6)
	if _, err := io.ReadFull(out, line); err != nil || string(line) != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	marked := func() (pids []int) {
		all, err := proc.All()
		check(err)
		for _, one := range all {
			if one.Alive() && proc.HasEnviron(one.PID, program.MarkVariable+"="+dir) {
				pids = append(pids, one.PID)
			}
		}
		return pids
	}
	if got := marked(); len(got) != 1 {
		t.Errorf("%v wait", got)
	}
	check(ota.Process.Kill())
	_ = proc.Wait(ota)
	awaitThat(t, "ended", func() bool { return len(marked()) == 0 })
	if _, err := os.Stat(filepath.Join(dir, "main", "ran")); err == nil {
		t.Error("the program was run")
	}
}
