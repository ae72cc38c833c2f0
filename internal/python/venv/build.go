package venv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"ota/internal/kit/copysum"
	"ota/internal/kit/durable"
	"ota/internal/kit/flock"
	"ota/internal/kit/owner"
)

// BuildJob is one environment to be made.
type BuildJob struct {
	Recipe      Recipe
	Interpreter Interpreter
	Env         []string     // the program's environment
	Source      string       // a copy of the candidate, if Recipe.Local has some; the build may write into it
	Index       string       // where packages come from; empty: what pip is configured for
	Offline     bool         // nothing but what is in main/wheels/
	As          *owner.Owner // who runs the installer, and for as long has the environment
	Progress    func(Step)   // called by one goroutine at a time, at most a few times a second; nil: nobody asks
}

// lockPause is the time between two looks at a lock that another process
// holds: the system has no wait for it that can be given up.
const lockPause = 200 * time.Millisecond

// Build makes the environment that the recipe needs, unless it is there. It
// waits for its turn. The error is a [*Failed] if the installer could not do
// it, a [*Problem] if a file of the recipe is not for this machine, or that of
// ctx; nothing is left of it then.
func (r *Room) Build(ctx context.Context, job BuildJob) error {
	id := r.ID(job.Recipe, job.Interpreter)
	if r.isWhole(id, job.Interpreter) {
		return r.refresh(id, job.Interpreter)
	}
	if err := job.fits(); err != nil {
		return err
	}
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return fmt.Errorf("cannot build environment: %w", ctx.Err())
	}
	lock, err := r.waitLock(ctx)
	if err != nil {
		return fmt.Errorf("cannot build environment: %w", err)
	}
	defer lock.Close()
	if r.isWhole(id, job.Interpreter) { // another one was quicker
		return r.refresh(id, job.Interpreter)
	}
	b := &build{room: r, job: job, id: id, lock: lock, work: filepath.Join(r.dir, workPrefix+id)}
	return b.run(ctx)
}

// fits says whether this Python is one of those that are asked for.
func (job BuildJob) fits() error {
	here := job.Interpreter.Version
	if allowed, ok := satisfies(here, job.Recipe.Python); ok && !allowed {
		return &Failed{
			Message: fmt.Sprintf("%s needs Python %s, and here is %s", job.Recipe.Kind, job.Recipe.Python, here),
		}
	}
	return nil
}

// isWhole is true for an environment that has its marker and its interpreter.
func (r *Room) isWhole(id string, interpreter Interpreter) bool {
	marker, err := r.readMarker(id)
	if err != nil || marker.Interpreter.Version != interpreter.Version {
		return false
	}
	_, err = os.Stat(r.pythonOf(id))
	return err == nil && isThere(filepath.Join(r.folder(id), listName))
}

// refresh notes a binary that was replaced by the same version, as security
// updates do: what is installed stays right.
func (r *Room) refresh(id string, interpreter Interpreter) error {
	marker, err := r.readMarker(id)
	if err != nil || marker.Interpreter.File == interpreter.File {
		return err
	}
	marker.Interpreter = interpreter
	return r.writeMarker(marker)
}

// tryLock takes the lock of the folder, or fails with [flock.ErrHeld].
func (r *Room) tryLock() (*os.File, error) {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(r.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock.Try(file, flock.Exclusive); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func (r *Room) waitLock(ctx context.Context) (*os.File, error) {
	for {
		file, err := r.tryLock()
		if !errors.Is(err, flock.ErrHeld) {
			return file, classify(err)
		}
		if err := r.endOrphan(ctx); err != nil {
			return nil, err
		}
		timer := time.NewTimer(lockPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

// build is one build, by who holds the lock.
type build struct {
	room *Room
	job  BuildJob
	id   string
	lock *os.File
	work string // all that is there for the time of the build
}

func (b *build) run(ctx context.Context) (err error) {
	defer func() {
		err = errors.Join(err, removeAll(b.work))
		if err != nil {
			err = errors.Join(err, b.room.remove(b.id))
		}
	}()
	// An orphan that has not yet noticed, and what it left.
	if err := b.room.endOrphan(ctx); err != nil {
		return fmt.Errorf("cannot build environment: %w", err)
	}
	for _, name := range []string{b.id, workPrefix + b.id} {
		if err := b.room.remove(name); err != nil {
			return err
		}
	}
	disk, err := durable.OpenFS(b.room.dir)
	if err != nil {
		return err
	}
	defer disk.Close()
	with, err := b.make(ctx)
	if err != nil {
		return classify(err)
	}
	b.tell(Step{Phase: Checking})
	files, size, err := b.room.writeList(ctx, b.id)
	if err != nil {
		return classify(err)
	}
	if err := removeAll(b.work); err != nil { // before the sync: its pages need not reach the disk
		return err
	}
	if err := disk.Sync(); err != nil {
		return classify(err)
	}
	return classify(b.room.writeMarker(markerFile{
		ID: b.id, Recipe: b.job.Recipe.digest, Kind: b.job.Recipe.Kind, Folder: b.room.folder(b.id), With: with,
		At: time.Now().UTC().Truncate(time.Second), Files: files, Size: size, Interpreter: b.job.Interpreter,
	}))
}

// make makes the folder and lets an installer fill it.
func (b *build) make(ctx context.Context) (with string, err error) {
	b.tell(Step{Phase: Making})
	passes, err := b.prepare()
	if err != nil {
		return "", err
	}
	if err := makeLayout(ctx, b.room.folder(b.id), b.job.Interpreter, b.job.Recipe.isolated, b.job.Env); err != nil {
		return "", err
	}
	tool, err := b.chooseInstaller(ctx)
	if err != nil {
		return "", err
	}
	for _, path := range []string{b.room.folder(b.id), b.work} {
		if err := b.job.As.Give(path); err != nil {
			return "", err
		}
	}
	for _, one := range passes {
		if err := b.install(ctx, tool, one); err != nil {
			return "", err
		}
	}
	return tool.name, b.job.As.TakeBack(b.room.folder(b.id))
}

func (b *build) tell(step Step) {
	if b.job.Progress != nil {
		b.job.Progress(step)
	}
}

// classify makes a full disk what it is: a reason to try again later.
func classify(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &Failed{Message: "no space left for the environment: " + err.Error(), Passing: true}
	}
	return err
}

// pass is one start of the installer.
type pass struct {
	file   string // what -r gets, from the working directory
	pinned bool   // all is named, nothing is looked for
}

// top is the working directory of the installer, from which paths in
// requirement files start.
func (b *build) top() string {
	if b.job.Source != "" {
		return b.job.Source
	}
	return filepath.Join(b.work, "main")
}

// prepare writes what the installer reads, and returns how it is to be
// started.
func (b *build) prepare() ([]pass, error) {
	recipe := b.job.Recipe
	if len(recipe.local) > 0 && b.job.Source == "" {
		return nil, fmt.Errorf("cannot build environment: %s is a part of the program, and there is no copy of it", recipe.local[0])
	}
	for _, name := range []string{"main", "lines", "tmp", WheelFolder} {
		if err := os.MkdirAll(filepath.Join(b.work, name), 0o755); err != nil {
			return nil, err
		}
	}
	if err := b.linkWheels(); err != nil {
		return nil, err
	}
	switch {
	case recipe.lock != nil:
		return b.writePins()
	case len(recipe.lines) > 0:
		var texts []string
		for _, one := range recipe.lines {
			texts = append(texts, one.text)
		}
		name, err := b.writeLines("pyproject.toml", texts)
		return []pass{{file: name}}, err
	}
	return []pass{{file: recipe.files[0].path}}, b.writeFiles()
}

// linkWheels lets the installer see the wheels under their names: until the
// switch they lie elsewhere.
func (b *build) linkWheels() error {
	for _, wheel := range b.job.Recipe.wheels {
		folders := []string{filepath.Join(b.work, WheelFolder)}
		if b.job.Source == "" {
			folders = append(folders, filepath.Join(b.work, "main", filepath.FromSlash(path.Dir(wheel.Path))))
		}
		for _, folder := range folders {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				return err
			}
			bring := link
			if b.job.As != nil { // who can't read where it lies
				bring = copyFile
			}
			if err := bring(wheel.File, filepath.Join(folder, path.Base(wheel.Path))); err != nil {
				return err
			}
		}
	}
	return nil
}

func copyFile(from, to string) error {
	return copysum.CopyFile(context.Background(), to, from, make([]byte, copysum.BufferSize))
}

// writeFiles puts the requirement files where they name each other.
func (b *build) writeFiles() error {
	if b.job.Source != "" {
		return nil // they are there
	}
	for _, one := range b.job.Recipe.files {
		target := filepath.Join(b.top(), filepath.FromSlash(one.path))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, one.content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writePins writes the pinned requirements that count here: those with hashes
// apart, because pip wants them for all of a file or none.
func (b *build) writePins() ([]pass, error) {
	pins, err := b.job.Recipe.lock.pins(surroundings{variables: b.job.Interpreter.Markers})
	if err != nil {
		return nil, err
	}
	var hashed, plain []string
	for _, one := range pins {
		text := one.requirement
		for _, sum := range one.hashes {
			text += " --hash=" + sum
		}
		if len(one.hashes) > 0 {
			hashed = append(hashed, text)
		} else {
			plain = append(plain, text)
		}
	}
	var options []string
	if b.job.Index == "" {
		for _, one := range foreignIndexes(pins) {
			options = append(options, "--extra-index-url "+one)
		}
	}
	var passes []pass
	for _, group := range []struct {
		name  string
		texts []string
	}{{string(b.job.Recipe.Kind), hashed}, {string(b.job.Recipe.Kind) + " without hashes", plain}} {
		if len(group.texts) == 0 {
			continue
		}
		name, err := b.writeLines(group.name, append(slices.Clone(options), group.texts...))
		if err != nil {
			return nil, err
		}
		passes = append(passes, pass{file: name, pinned: true})
	}
	return passes, nil
}

// foreignIndexes are those of a lock file that an installer would not ask by
// itself: all but the one that most packages come from. Where all come from one
// of its own, [python] index names it.
func foreignIndexes(pins []pin) []string {
	count := map[string]int{}
	var foreign []string
	usual := ""
	for _, one := range pins {
		if !isURL(one.index) {
			continue
		}
		if count[one.index]++; !slices.Contains(foreign, one.index) {
			foreign = append(foreign, one.index)
		}
	}
	for _, index := range foreign {
		if count[index] > count[usual] {
			usual = index
		}
	}
	return slices.DeleteFunc(foreign, func(index string) bool { return index == usual })
}

// writeLines writes a requirement file. Its name ends with .txt: uv reads
// others as what their name says.
func (b *build) writeLines(name string, texts []string) (string, error) {
	for _, text := range texts {
		if strings.ContainsAny(text, "\r\n\x00") {
			return "", &Problem{name, 0, fmt.Sprintf("%q is no requirement", text)}
		}
	}
	path := filepath.Join(b.work, "lines", name+".txt")
	return path, os.WriteFile(path, []byte(strings.Join(texts, "\n")+"\n"), 0o644)
}
