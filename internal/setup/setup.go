// Package setup brings ota to a device over ssh, has it install itself there,
// and takes it away again.
//
// In: a target, and the binaries of a release. Out: a device on which ota runs
// as a service, or the one thing that is missing for that. Never: a change of
// the device before it is known that all is there; anything in the folder. What
// a service is, the ota over there knows.
package setup

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"

	"ota/internal/kit/hint"
	"ota/internal/ssh"
)

// Options say what to do.
type Options struct {
	Target    ssh.Target
	Binaries  []string // folders with the binaries of a release
	Own       string   // the path of this program, which may be the right one; empty: it is not
	OfUser    bool     // a service of the user, which needs no root
	Uninstall bool
	Dry       bool      // only look, and tell
	Batch     bool      // nobody is there whom ssh or sudo could ask
	Words     io.Writer // for what ssh, sudo and the ota over there say
	Input     io.Reader // for what sudo asks
	// Say is told each thing that is found out or begins.
	Say func(format string, args ...any)
	// Copied is told how many bytes have been sent.
	Copied func(sent, size int)
}

// Did is what became of it.
type Did string

// What can become of it.
const (
	Made    Did = "installed"
	Better  Did = "upgraded"
	Nothing Did = "nothing" // all is as it should be
	Removed Did = "uninstalled"
	Would   Did = "would" // something would be done
)

// Result is what there is on the device now.
type Result struct {
	Did     Did     `json:"did"`
	Host    string  `json:"host"`
	Dir     string  `json:"dir"`     // absolute
	User    string  `json:"user"`    // who has logged in
	Kind    string  `json:"kind"`    // linux-armv6
	Before  *string `json:"before"`  // the version that was there; nil: none
	Version *string `json:"version"` // nil: not known, as nothing was copied
	Binary  string  `json:"binary"`  // where ota is there
	Service *string `json:"service"` // system, user; nil: nothing starts it there
}

// Run does it. It may take minutes, and is over when ctx is.
func Run(ctx context.Context, o Options) (*Result, error) {
	session, err := ssh.Open(ctx, o.Target, o.Batch, o.Words)
	if err != nil {
		return nil, err
	}
	w := &work{o: o, session: session}
	result, err := w.run(ctx)
	return result, errors.Join(err, session.Close())
}

// work is one call.
type work struct {
	o       Options
	session *ssh.Session
	device  *Device
}

//go:embed do.sh
var do string

//go:embed put.sh
var put string

func (w *work) run(ctx context.Context) (*Result, error) {
	said := new(bytes.Buffer)
	cmd := w.session.Command(ctx, "sh", "-s", "--", w.o.Target.RemoteDir())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(look), said, w.o.Words
	if err := cmd.Run(); err != nil && codeOf(err) == ssh.Failed {
		return nil, ssh.ErrNoConnection
	} else if err != nil && codeOf(err) < 0 {
		return nil, err
	}
	var err error
	if w.device, err = parseDevice(said.String()); err != nil {
		return nil, err
	}
	p, err := w.plan()
	if err != nil {
		return nil, err
	}
	if p.result.Did == Nothing || w.o.Dry {
		return &p.result, w.tell(p)
	}
	return &p.result, w.carryOut(ctx, p)
}

// tell says what is to be done.
func (w *work) tell(p *plan) error {
	switch {
	case p.result.Did == Nothing:
		return nil
	case w.o.Uninstall:
		w.o.Say("would run %s", ssh.Quote(w.rooted(p.mode, p.installed.Path, "uninstall", w.device.Dir)...))
	default:
		if w.device.DirIs != "folder" {
			w.o.Say("would make the folder %s", w.device.Dir)
		}
		if p.binary != nil {
			w.o.Say("would copy %s and put it in place as %s", p.binary.From, p.result.Binary)
		}
		if p.mode != bare {
			w.o.Say("would run %s", ssh.Quote(w.rooted(p.mode, p.result.Binary, "install", w.device.Dir)...))
		}
	}
	p.result.Did = Would
	return nil
}

// carryOut changes the device.
func (w *work) carryOut(ctx context.Context, p *plan) error {
	var staged string
	if p.binary != nil {
		folder, version, err := w.copy(ctx, p)
		if err != nil {
			return err
		}
		staged, p.result.Version = folder+"/ota", &version
		defer func() {
			if ctx.Err() == nil {
				// What is left goes at the next call.
				_ = w.session.Command(ctx, "rm", "-rf", folder).Run()
			}
		}()
	}
	mode := string(p.mode)
	if w.o.Uninstall {
		mode = "uninstall-" + mode
	} else if w.device.DirIs == "none" {
		// As the user, so that it is the user's.
		if err := w.over(w.session.Command(ctx, "mkdir", "-p", w.device.Dir)); err != nil {
			return err
		}
	}
	argv := w.rooted(p.mode, "sh", "-c", do, "sh", mode, w.device.Dir, staged, p.installed.Path, w.device.UID+":"+w.device.Group, p.result.Binary)
	cmd := w.session.Command(ctx, argv...)
	if p.mode == ofSystem && w.device.Root == "asks" {
		cmd = w.session.WithTerminal(ctx, argv...)
		cmd.Stdin = w.o.Input
	}
	if err := w.over(cmd); err != nil {
		return err
	}
	if p.mode == bare && !w.device.Answers {
		return hint.With(errors.New("it has neither systemd nor OpenRC to start it; the folder and ota are in place"),
			"let whatever starts programs there run: "+ssh.Quote(p.result.Binary, "run", w.device.Dir))
	}
	return nil
}

// rooted is a command by who may run it.
func (w *work) rooted(mode mode, argv ...string) []string {
	if mode != ofSystem || w.device.Root == "root" {
		return argv
	}
	return append([]string{w.device.With}, argv...)
}

// over runs a command that says itself what goes wrong.
func (w *work) over(cmd *exec.Cmd) error {
	cmd.Stdout, cmd.Stderr = w.o.Words, w.o.Words
	return w.explained(cmd.Run())
}

func (*work) explained(err error) error {
	switch code := codeOf(err); {
	case err == nil:
		return nil
	case code == ssh.Failed:
		return hint.With(errors.New("the connection was lost"), "the same command again goes on where this one was")
	case code > 0:
		return hint.With(fmt.Errorf("it failed there with exit code %d", code), "the lines above, from the device, say why")
	}
	return err
}

// codeOf is the exit code; -1 if there is none.
func codeOf(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return -1
}

// copy puts the binary onto the device, where it has to say its version.
func (w *work) copy(ctx context.Context, p *plan) (folder, version string, err error) {
	size := len(p.binary.Bytes)
	w.o.Say("copying %s, %s", p.binary.From, megabytes(int64(size)))
	said := new(bytes.Buffer)
	cmd := w.session.Command(ctx, "sh", "-c", put, "sh", p.place, strconv.Itoa(size), p.binary.Sum)
	cmd.Stdin = &counted{from: bytes.NewReader(p.binary.Bytes), size: size, tell: w.o.Copied}
	cmd.Stdout, cmd.Stderr = said, w.o.Words
	err = w.explained(cmd.Run())
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(said.String()) {
		rest, isAnswer := strings.CutPrefix(line, "ota-is-at "+p.place+"/")
		name, rest, _ := strings.Cut(rest, " ")
		if words := strings.Fields(rest); isAnswer && len(words) > 1 && words[0] == "ota" {
			return p.place + "/" + name, words[1], nil
		}
	}
	return "", "", errNoAnswer
}

// counted tells how much of a file was read.
type counted struct {
	from       io.Reader
	sent, size int
	tell       func(sent, size int)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.sent += n
	c.tell(c.sent, c.size)
	return n, err
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
