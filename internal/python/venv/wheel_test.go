package venv

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// wheel is one that a test makes.
type wheel struct {
	name, version string
	tag           string            // empty: any Python and machine
	meta          string            // more lines of METADATA
	files         map[string]string // empty: a package with VALUE = "name version"
	script        string            // "cmd = module:function"
}

func (w wheel) fileName() string {
	return w.name + "-" + w.version + "-" + w.tagOrAny() + ".whl"
}

func (w wheel) tagOrAny() string {
	if w.tag == "" {
		return "py3-none-any"
	}
	return w.tag
}

// write makes the wheel in a folder, and says what a recipe must know of it.
func (w wheel) write(t testing.TB, folder string) Wheel {
	t.Helper()
	info := w.name + "-" + w.version + ".dist-info/"
	files := map[string]string{
		info + "METADATA": fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n%s", w.name, w.version, w.meta),
		info + "WHEEL":    fmt.Sprintf("Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: %t\nTag: %s\n", w.tag == "", w.tagOrAny()),
	}
	if w.files == nil {
		files[w.name+"/__init__.py"] = fmt.Sprintf("VALUE = %q\ndef main():\n    print(VALUE)\n", w.name+" "+w.version)
	}
	for name, content := range w.files {
		files[name] = content
	}
	if w.script != "" {
		files[info+"entry_points.txt"] = "[console_scripts]\n" + w.script + "\n"
	}
	record := ""
	for name, content := range files {
		sum := sha256.Sum256([]byte(content))
		record += fmt.Sprintf("%s,sha256=%s,%d\n", name, base64.RawURLEncoding.EncodeToString(sum[:]), len(content))
	}
	files[info+"RECORD"] = record + info + "RECORD,,\n"
	path := filepath.Join(folder, w.fileName())
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	archive := zip.NewWriter(out)
	for name, content := range files {
		part, err := archive.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return Wheel{Path: WheelFolder + "/" + w.fileName(), File: path, Sum: hex.EncodeToString(sum[:])}
}

// workshop is a room in a folder of the test, with an interpreter.
type workshop struct {
	*Room
	python Interpreter
	env    []string
	wheels []Wheel
	files  tree
	job    BuildJob
	opts   ReadOptions
}

// pythons are the interpreters to test with: that of the system, and others
// that OTA_TEST_PYTHONS names.
func pythons() []string {
	found := filepath.SplitList(os.Getenv("OTA_TEST_PYTHONS"))
	if _, err := os.Stat("/usr/bin/python3"); err == nil {
		found = append([]string{"/usr/bin/python3"}, found...)
	}
	return found
}

// testEnv is an environment without what this machine sets for pip.
func testEnv(t testing.TB) []string {
	return []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "PIP_CONFIG_FILE=/dev/null", "LANG=C.UTF-8", "PIP_RETRIES=1"}
}

func newWorkshop(t testing.TB, python string, files tree, wheels ...wheel) *workshop {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &workshop{Room: New(Options{Dir: filepath.Join(dir, "venvs")}), env: testEnv(t), files: files}
	w.low = func(int) error { return nil } // a busy machine would let them wait for ever
	w.opts.Digest = files.digest
	from := t.TempDir()
	for _, one := range wheels {
		w.wheels = append(w.wheels, one.write(t, from))
	}
	if w.python, err = w.Identify(t.Context(), python, w.env, nil); err != nil {
		t.Fatal(err)
	}
	return w
}

// pythonsWithPip are those of them that can install, with a pip of 22 or later.
func pythonsWithPip(t testing.TB) []string {
	t.Helper()
	var found []string
	for _, one := range pythons() {
		var answer pipAnswer
		if ask(t.Context(), one, pipQuestion, nil, nil, &answer) != nil {
			continue
		}
		if recent, _ := compareBy(answer.Version, ">=", "22"); recent || len(answer.Wheels) > 0 {
			found = append(found, one)
		}
	}
	if len(found) == 0 {
		t.Skip("no Python with a pip here")
	}
	return found
}

func anyPython(t testing.TB) string {
	t.Helper()
	return pythonsWithPip(t)[0]
}

func (w *workshop) recipe(t testing.TB) Recipe {
	t.Helper()
	recipe, err := Read(w.files.read, w.wheels, w.opts)
	if err != nil {
		t.Fatal(err)
	}
	return recipe
}

func (w *workshop) build(ctx context.Context, t testing.TB) (id string, err error) {
	t.Helper()
	job := w.job
	job.Recipe, job.Interpreter, job.Env = w.recipe(t), w.python, w.env
	return w.ID(job.Recipe, w.python), w.Build(ctx, job)
}

// mustBuild returns the id of a built environment.
func (w *workshop) mustBuild(t testing.TB) string {
	t.Helper()
	id, err := w.build(t.Context(), t)
	if err != nil {
		t.Fatalf("%v\n%s", err, outputOf(err))
	}
	return id
}

// run lets the Python of an environment say something.
func (w *workshop) run(t testing.TB, id, program string) string {
	t.Helper()
	python, err := w.Python(id)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "-c", program).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", program, err, out)
	}
	return strings.TrimSpace(string(out))
}

// left are the names in the folder of the environments, but for the lock.
func (w *workshop) left(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir(w.dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		if entry.Name() != "lock" {
			names = append(names, entry.Name())
		}
	}
	return names
}

func (w *workshop) mustHaveLeft(t testing.TB, want ...string) {
	t.Helper()
	if got := w.left(t); !slices.Equal(got, want) {
		t.Errorf("left behind: %v, want %v", got, want)
	}
}

// within returns when the condition holds.
func within(t testing.TB, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for !condition() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}
