//go:build linux

package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	aftermath  = 2 * time.Second      // without a start after which none is expected
	warmUp     = time.Second          // from the start until the first update
	slowUpload = 2 * time.Second      // what the files of a slow upload take in all,
	stall      = 3 * time.Second      // but for this in the middle of one of them
	tooLong    = 60 * time.Second     // after which an update will not come any more
	stopTime   = 15 * time.Second     // for a subject to end when asked to
	lookEvery  = 2 * time.Millisecond // at the stamps, while waiting for one
	partSize   = 2000                 // bytes of each file of an upload, about

	foldersEach = 50 // in one folder of main/assets
)

// errNeverCame is the end of an update whose version was never started.
var errNeverCame = errors.New("the new version was never started")

//go:embed program.py
var programText string

// mode is what the program under test does.
type mode string

const (
	modeClock mode = "clock" // stamps all the time
	modeServe mode = "serve" // answers on a port
	modeIdle  mode = "idle"  // waits for a signal
)

// rig is one subject at work over a folder of its own. One goroutine may use it.
type rig struct {
	subject subject
	mode    mode
	dir     string
	size    extent
	makeup  makeup
	port    int
	version int // the highest; to ota it is the release of the same number
	runs    int // the version that does
	ran     int // the one that did before the latest switch
	changed int // files that the next update brings, beside main.py
	stamps  stampFile
	mark    int // stamps seen before the latest update
	process *exec.Cmd
	ended   chan error
	orders  *os.File // the floor's, which is told of an update
}

// makeup is what a program has beyond main.py and its parts; mostly nothing.
type makeup struct {
	imports  string                   // lines of main.py before the first stamp
	settings string                   // ota.toml of the device, if the subject is ota; empty: the common quiet period
	base     []file                   // in main/, from the start on
	brings   func(version int) []file // with every version; nil: nothing
}

func newRig(s subject, m mode, dir string, size extent, with makeup) *rig {
	return &rig{
		subject: s, mode: m, dir: dir, size: size, makeup: with, changed: size.parts,
		stamps: stampFile{path: filepath.Join(dir, "stamps")},
	}
}

// start lays out version 1 and returns when the program has stamped.
func (r *rig) start(ctx context.Context) error {
	if err := r.layOut(); err != nil {
		return err
	}
	console, err := os.Create(filepath.Join(r.dir, "console"))
	if err != nil {
		return err
	}
	defer console.Close()
	input, err := r.input()
	if err != nil {
		return err
	}
	r.process = r.subject.command(r.dir)
	if input != nil {
		defer input.Close()
		r.process.Stdin = input
	}
	r.process.Stdout, r.process.Stderr = console, console
	r.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := r.process.Start(); err != nil {
		return fmt.Errorf("cannot start: %w", err)
	}
	r.ended = make(chan error, 1)
	go func() { r.ended <- r.process.Wait() }()
	if _, err = r.await(ctx, r.version); err != nil {
		return err
	}
	return wait(ctx, warmUp)
}

func (r *rig) layOut() error {
	port, err := freePort()
	if err != nil {
		return err
	}
	r.port, r.version, r.runs = port, 1, 1
	for i := range r.size.tree {
		folder := i / r.size.folder
		path := fmt.Sprintf("assets/%02d/%02d/asset-%04d.txt", folder/foldersEach, folder%foldersEach, i)
		asset := file{path: path, text: strings.Repeat("a line of an asset\n", 100)}
		if err := asset.writeAtOnce(filepath.Join(r.dir, "main")); err != nil {
			return err
		}
	}
	if err := os.Mkdir(filepath.Join(r.dir, "deposit"), 0o755); err != nil {
		return err
	}
	settings := cmp.Or(r.makeup.settings, fmt.Sprintf("[update]\nquiet = %q\n", commonQuiet))
	if err := (file{"ota.toml", settings}).writeAtOnce(r.dir); err != nil {
		return err
	}
	for _, file := range append(r.files(), r.makeup.base...) {
		if err := file.writeAtOnce(filepath.Join(r.dir, "main")); err != nil {
			return err
		}
	}
	return r.listFiles()
}

// listFiles writes the names that a subject wants on its standard input.
func (r *rig) listFiles() error {
	if r.subject.input == "" {
		return nil
	}
	root := filepath.Join(r.dir, r.subject.folder)
	var names strings.Builder
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			names.WriteString(path + "\n")
		}
		return err
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.dir, r.subject.input), []byte(names.String()), 0o644)
}

// input is what the subject reads, nil if nothing.
func (r *rig) input() (*os.File, error) {
	switch {
	case r.subject.delivery == told:
		reader, writer, err := os.Pipe()
		r.orders = writer
		return reader, err
	case r.subject.input != "":
		return os.Open(filepath.Join(r.dir, r.subject.input))
	default:
		return nil, nil
	}
}

// speed is how an upload arrives.
type speed string

const (
	atOnce speed = "at once"
	slowly speed = "slowly" // with pauses in and between its files, and one stall
)

// pauses are those in and after file i of count.
func (s speed) pauses(i, count int) (between, after time.Duration) {
	if s == atOnce {
		return 0, 0
	}
	pause := slowUpload / time.Duration(2*count)
	if i == count/2 {
		return stall, pause
	}
	return pause, pause
}

// update is what one update took.
type update struct {
	latency time.Duration // from the last byte to the first line of the new version
	gap     time.Duration // from the last line of the old version to that
}

// update uploads the next version and returns when it runs.
func (r *rig) update(ctx context.Context, s speed) (update, error) {
	if err := r.stamps.read(); err != nil {
		return update{}, err
	}
	r.mark = len(r.stamps.seen)
	if r.mark > 0 {
		r.mark-- // a program that stamps but once was last seen then
	}
	r.version++
	r.ran, r.runs = r.runs, r.version
	complete, err := r.upload(ctx, s)
	if err != nil {
		return update{}, fmt.Errorf("cannot upload: %w", err)
	}
	first, err := r.await(ctx, r.version)
	if err != nil {
		return update{}, err
	}
	last, found := lastBefore(r.stamps.seen[r.mark:], first)
	if !found {
		return update{}, errors.New("the old version left no stamp")
	}
	return update{latency: first.at - complete, gap: first.at - last.at}, nil
}

// rollBack goes back to the version before and returns when that runs. Only ota
// knows how.
func (r *rig) rollBack(ctx context.Context) (update, error) {
	if err := r.stamps.read(); err != nil {
		return update{}, err
	}
	r.mark = len(r.stamps.seen) - 1
	asked, err := now()
	if err != nil {
		return update{}, err
	}
	r.ran, r.runs = r.runs, r.ran
	if err := rollBack(ctx, r.subject.argv[0], r.dir, r.runs); err != nil {
		return update{}, err
	}
	first, err := r.await(ctx, r.runs)
	if err != nil {
		return update{}, err
	}
	last, found := lastBefore(r.stamps.seen[r.mark:], first)
	if !found {
		return update{}, errors.New("the newer version left no stamp")
	}
	return update{latency: first.at - asked, gap: first.at - last.at}, nil
}

// upload writes the files and returns the moment at which they were complete.
func (r *rig) upload(ctx context.Context, s speed) (time.Duration, error) {
	target := filepath.Join(r.dir, r.subject.target())
	hold := filepath.Join(target, ".hold")
	if r.subject.delivery == held {
		if err := os.WriteFile(hold, nil, 0o644); err != nil {
			return 0, err
		}
	}
	files := r.files()
	for i, file := range files {
		between, after := s.pauses(i, len(files))
		err := file.write(target, func() error { return wait(ctx, between) })
		if err := errors.Join(err, wait(ctx, after)); err != nil {
			return 0, err
		}
	}
	if r.subject.delivery == held {
		if err := os.Remove(hold); err != nil {
			return 0, err
		}
	}
	complete, err := now()
	if err == nil && r.subject.delivery == told {
		_, err = r.orders.Write([]byte{'\n'})
	}
	return complete, err
}

// file is one of an upload.
type file struct {
	path string
	text string
}

// write writes the file in place, as most clients do, with a pause between its
// halves.
func (f file) write(root string, pause func() error) (err error) {
	path := filepath.Join(root, f.path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	half := len(f.text) / 2
	_, err = out.WriteString(f.text[:half])
	err = errors.Join(err, pause())
	if err == nil {
		_, err = out.WriteString(f.text[half:])
	}
	return errors.Join(err, out.Close())
}

// files are those of the rig's version, in the order in which a client that
// sorts them sends them.
func (r *rig) files() []file {
	var parts []file
	for i := range r.changed {
		name := fmt.Sprintf("parts/%02d/part-%02d.txt", i/r.size.folder, i)
		text := fmt.Sprintf("begin %d\n%send %d\n", r.version, strings.Repeat("a line of a part\n", partSize/17), r.version)
		parts = append(parts, file{path: name, text: text})
	}
	header := fmt.Sprintf("VERSION = %d\nMODE = %q\nSTAMPS = %q\nPORT = %d\nPARTS = %d\nFOLDER = %d\n\n",
		r.version, r.mode, r.stamps.path, r.port, r.changed, r.size.folder)
	if r.makeup.brings != nil {
		parts = append(parts, r.makeup.brings(r.version)...)
	}
	return append([]file{{path: "main.py", text: r.makeup.imports + header + programText}}, parts...)
}

// await returns the first stamp of version since the latest update.
func (r *rig) await(ctx context.Context, version int) (stamp, error) {
	ctx, cancel := context.WithTimeout(ctx, tooLong)
	defer cancel()
	for {
		if err := r.stamps.read(); err != nil {
			return stamp{}, err
		}
		if first, found := firstOf(r.stamps.seen[r.mark:], version); found {
			return first, nil
		}
		select {
		case err := <-r.ended:
			r.ended <- err
			return stamp{}, fmt.Errorf("the subject ended: %w", errors.Join(errNeverCame, err))
		default:
		}
		if err := wait(ctx, lookEvery); errors.Is(err, context.DeadlineExceeded) {
			return stamp{}, errNeverCame
		} else if err != nil {
			return stamp{}, err
		}
	}
}

// settle waits until everything of a switch is done, also what is done after
// the start of the program.
func (r *rig) settle(ctx context.Context) error {
	if r.subject.name != floorName {
		if err := awaitRelease(ctx, r.subject.argv[0], r.dir, r.runs); err != nil {
			return err
		}
	}
	return wait(ctx, afterSwitch)
}

// spread waits for a random part of the subject's period, so that no update
// comes when it suits it.
func (r *rig) spread(ctx context.Context) error {
	return wait(ctx, time.Duration(rand.Float64()*float64(r.subject.period)))
}

// calm waits until the program has not been started for a while. One that
// looks from time to time may take the rest of an upload the next time that it
// looks, and start it the time after.
func (r *rig) calm(ctx context.Context) error {
	for before := -1; ; {
		if err := r.stamps.read(); err != nil {
			return err
		}
		began := countStarts(r.stamps.seen).all
		if began == before {
			return nil
		}
		before = began
		if err := wait(ctx, aftermath+2*r.subject.period); err != nil {
			return err
		}
	}
}

// started tells of the programs that began since the latest update did.
func (r *rig) started() started { return countStarts(r.stamps.seen[r.mark:]) }

// usage is what the subject has used so far, without the program under test.
func (r *rig) usage() (usage, error) {
	if err := r.stamps.read(); err != nil {
		return usage{}, err
	}
	program := r.stamps.seen[len(r.stamps.seen)-1].pid
	return measureTree(r.process.Process.Pid, program)
}

// stop ends the subject and whatever it leaves behind.
func (r *rig) stop() error {
	if r.process == nil || r.process.Process == nil {
		return nil
	}
	if r.orders != nil {
		if err := r.orders.Close(); err != nil {
			return err
		}
	}
	return errors.Join(endProcess(r.process, r.ended), killOrphans())
}

// lastWords is the end of what the subject has printed.
func (r *rig) lastWords() string {
	text, err := os.ReadFile(filepath.Join(r.dir, "console"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

// freePort is a port that nobody listens on now.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}
