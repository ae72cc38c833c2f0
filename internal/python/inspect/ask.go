package inspect

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"ota/internal/kit/command"
	"ota/internal/kit/packed"
	"ota/internal/kit/priority"
)

// helper is what lies in helper/, in the order of its files, compressed. A test
// writes it, with -update.
//
//go:embed helper.py.gz
var helper []byte

// script is the helper as one text.
var script = sync.OnceValue(func() []byte { return packed.Open(helper) })

// boot reads the script from standard input, as a command line may be too
// short for it, and any file of ours could be found by an import.
const boot = `import sys; exec(compile(sys.stdin.buffer.read(int(sys.stdin.buffer.readline())), "<ota>", "exec"))`

const (
	longestAnswer    = 16 << 20
	longestComplaint = 4096
)

// questionOf is a [Job] as the helper reads it: fields that end with a zero
// byte, which no name of a file has. A list begins with its length.
func questionOf(job Job, path []string) ([]byte, error) {
	var asked question
	asked.text(job.Main, job.Bytecode, job.Entry.Script, job.Entry.Module)
	if job.Imports {
		asked.number(1)
	} else {
		asked.number(0)
	}
	asked.number(int64(len(job.Overlay)))
	for path, real := range job.Overlay {
		asked.text(path, real)
	}
	asked.number(int64(len(job.Changed)))
	for _, one := range job.Changed {
		asked.text(one.Path)
		asked.number(one.ModTime.Unix())
		asked.number(int64(one.Mode.Perm()))
	}
	asked.list(job.Removed)
	asked.list(ignored(job))
	asked.list(path)
	if asked.spoilt {
		return nil, errors.New("a name has a zero byte in it")
	}
	return asked.Bytes(), nil
}

// question is a job while it is written.
type question struct {
	bytes.Buffer
	spoilt bool // a text would be taken for two
}

func (q *question) text(fields ...string) {
	for _, one := range fields {
		q.spoilt = q.spoilt || strings.Contains(one, "\x00")
		q.WriteString(one)
		q.WriteByte(0)
	}
}

func (q *question) number(n int64) { q.text(strconv.FormatInt(n, 10)) }

func (q *question) list(fields []string) {
	q.number(int64(len(fields)))
	q.text(fields...)
}

// ignored returns the Python files of the candidate that are not to be looked
// at. A function can't be handed to another process.
func ignored(job Job) []string {
	if job.Ignored == nil { // main/ may hold thousands of files
		return nil
	}
	var paths []string
	add := func(path string) {
		if strings.HasSuffix(path, ".py") && job.Ignored(path) {
			paths = append(paths, path)
		}
	}
	for path := range job.Overlay {
		add(path)
	}
	// A folder that can't be read has no file that could be looked at.
	_ = filepath.WalkDir(job.Main, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			below, _ := filepath.Rel(job.Main, path)
			add(filepath.ToSlash(below))
		}
		return nil
	})
	return paths
}

// ask has the helper work and returns its answer. The error is a sentence of
// why there is none.
func ask(ctx context.Context, job Job) ([]byte, error) {
	env, path := environment(job)
	asked, err := questionOf(job, path)
	if err != nil {
		return nil, err
	}
	// What in the environment is relative finds nothing in an empty folder.
	empty, err := os.MkdirTemp("", "ota-inspect-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(empty)
	limited, cancel := context.WithTimeout(ctx, job.Limit)
	defer cancel()
	cmd := exec.Command(job.Python, "-S", "-c", boot, job.Main)
	cmd.Dir, cmd.Env, cmd.WaitDelay = empty, env, time.Second
	job.As.Dress(cmd)
	if err := job.As.Give(empty); err != nil {
		return nil, err
	}
	cmd.Stdin = io.MultiReader(strings.NewReader(fmt.Sprintln(len(script()))), bytes.NewReader(script()), bytes.NewReader(asked))
	var answer head
	complaint := command.Tail{Lines: 1, Longest: longestComplaint}
	_, err = command.RunApart(limited, cmd, &answer, &complaint, func(pid int) {
		_ = priority.Low(pid) // where it can't be lowered, it is as urgent as we are
	})
	switch {
	case ctx.Err() == nil && limited.Err() != nil:
		return nil, fmt.Errorf("no answer within %s", job.Limit)
	case err != nil:
		return nil, fmt.Errorf("cannot start %s: %w", job.Python, cause(err))
	case !cmd.ProcessState.Success():
		return nil, fmt.Errorf("%s failed: %s", job.Python, lastLine(complaint.Kept(), cmd.ProcessState.String()))
	}
	return answer.Bytes(), nil
}

// head keeps the beginning of what is written: more of an answer does not parse.
type head struct{ bytes.Buffer }

// Write takes a piece. It never fails.
func (h *head) Write(piece []byte) (int, error) {
	h.Buffer.Write(piece[:min(len(piece), longestAnswer-h.Len())])
	return len(piece), nil
}

func lastLine(lines []string, otherwise string) string {
	if len(lines) == 0 {
		return otherwise
	}
	return strings.TrimSpace(lines[len(lines)-1])
}

func cause(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	if failed, ok := errors.AsType[*exec.Error](err); ok {
		return failed.Err
	}
	return err
}

// environment returns the program's environment as the helper gets it, and the
// folders below main/ that PYTHONPATH names. Those would be searched before
// the standard library, by the helper too, and what is in them is the
// program's.
func environment(job Job) (env, below []string) {
	dropped := []string{"PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONWARNINGS", "PYTHONVERBOSE", "PYTHONPROFILEIMPORTTIME", "PYTHONUNBUFFERED", "PYTHONPATH"}
	pythonPath := ""
	for _, one := range job.Env {
		name, value, _ := strings.Cut(one, "=")
		if name == "PYTHONPATH" {
			pythonPath = value
		}
		if !slices.Contains(dropped, name) {
			env = append(env, one)
		}
	}
	if pythonPath == "" {
		return env, nil
	}
	var elsewhere []string
	for _, folder := range filepath.SplitList(pythonPath) {
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(job.Main, folder)
		}
		if path, ok := belowMain(job.Main, folder); ok {
			below = append(below, path)
		} else {
			elsewhere = append(elsewhere, folder)
		}
	}
	if len(elsewhere) > 0 {
		env = append(env, "PYTHONPATH="+strings.Join(elsewhere, string(filepath.ListSeparator)))
	}
	return env, below
}

// belowMain returns a folder as a path below main/, by whatever name it is
// called.
func belowMain(main, folder string) (string, bool) {
	real := func(path string) string {
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			return resolved
		}
		return filepath.Clean(path)
	}
	for _, pair := range [][2]string{{main, folder}, {real(main), real(folder)}} {
		path, err := filepath.Rel(pair[0], pair[1])
		if err == nil && filepath.IsLocal(path) {
			path = filepath.ToSlash(path)
			return strings.TrimPrefix(path, "."), path == "." || !strings.HasPrefix(path, "./")
		}
	}
	return "", false
}

// short cuts text to a number of characters.
func short(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}
