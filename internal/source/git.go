package source

import (
	"bytes"
	"context"
	"encoding/base64"
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
	"time"

	"ota/internal/kit/command"
	"ota/internal/kit/hint"
	"ota/internal/parcel"
)

// GitOptions say what is fetched from which repository, and how.
type GitOptions struct {
	Address string // https://, ssh://, file:// or user@host:path
	Ref     string // a branch or tag; empty: what the repository itself names
	Folder  string // below its top; empty: all of it
	App     string // the program of the device, for the manifest
	Dir     string // for the repository, and what is on its way
	// Token is the password for https; nil: none.
	Token func() (string, error)
	// Signers is set where only signed commits are taken. It returns who has signed,
	// or a *reason.Refused.
	Signers func(message, signature []byte) ([]string, error)
	// Signed reports whether only signed releases are taken.
	Signed func() bool
	Room   func(bytes int64) error
}

// Git is a branch of a repository. Its tree becomes a packed release, with the
// time of the commit as serial.
type Git struct {
	GitOptions
	largest int64 // from when on the repository is made anew
}

// NewGit remembers the options.
func NewGit(options GitOptions) *Git { return &Git{options, largestRepository} }

const (
	// fetchTime is how long git may take: for a first fetch over a slow line.
	fetchTime = 50 * time.Minute
	// largestRepository is from when on the repository is made anew: a shallow one
	// keeps what earlier commits had.
	largestRepository = 64 << 20
	mostSaid          = 4 << 10
	mostCommit        = 256 << 10
)

// String is the address with what is fetched from it.
func (g *Git) String() string {
	text := g.Address
	if g.Ref != "" || g.Folder != "" {
		text += "#" + g.Ref
	}
	if g.Folder != "" {
		text += ":" + g.Folder
	}
	return text
}

func (g *Git) repository() string { return filepath.Join(g.Dir, "git") }
func (g *Git) tree() string       { return filepath.Join(g.Dir, "tree") }

// fetched is where git keeps the commit that came last.
const fetched = "refs/ota/fetched"

// Fetch fetches the newest commit, without those before it, and makes a release
// of its tree.
func (g *Git) Fetch(ctx context.Context, before Seen) (*Fetched, error) {
	if g.Signers == nil && g.Signed() {
		return nil, hint.With(errors.New("this device takes only signed releases, and commits need not be signed"), "set [source] only_signed_commits = true")
	}
	if _, err := exec.LookPath("git"); err != nil {
		return nil, hint.With(errors.New("there is no git on this device"), "sudo apt install git")
	}
	commit, err := g.update(ctx)
	if err != nil {
		return nil, err
	}
	if commit == before.Commit {
		return nil, nil
	}
	seen := Seen{Commit: commit}
	var signers []string
	if g.Signers != nil {
		if signers, err = g.signers(ctx, commit); err != nil {
			return refusedBy(err, seen)
		}
	}
	release, err := g.pack(ctx, commit)
	if err = errors.Join(err, os.RemoveAll(g.tree())); err != nil {
		return refusedBy(err, seen)
	}
	return &Fetched{Path: release, Name: "source.ota", Seen: seen, Signers: signers}, nil
}

// notTaken is the error for a commit that is no release.
type notTaken struct{ error }

func (n notTaken) Unwrap() error { return n.error }

// refusedBy tells a commit that is not taken from a fault.
func refusedBy(err error, seen Seen) (*Fetched, error) {
	if no, ok := errors.AsType[notTaken](err); ok {
		return &Fetched{Seen: seen, Refused: no.Error()}, nil
	}
	return nil, err
}

// update fetches into the repository of ota's own, and returns the commit. With
// another one than is in it, a repository that has grown too large is made anew; not
// at each look, as a single commit may be larger.
func (g *Git) update(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	size, err := g.clean()
	if err != nil {
		return "", err
	}
	if size <= g.largest {
		return g.newest(ctx)
	}
	had, _ := g.commit(ctx) // none in a repository that is of no use, which is made anew
	commit, err := g.newest(ctx)
	if err != nil || commit == had {
		return commit, err
	}
	if err := os.RemoveAll(g.repository()); err != nil {
		return "", err
	}
	if _, err := g.clean(); err != nil {
		return "", err
	}
	return g.newest(ctx)
}

// newest fetches the newest commit, and returns it.
func (g *Git) newest(ctx context.Context) (string, error) {
	if _, err := g.git(ctx, mostSaid, "init", "--quiet", "--bare", "."); err != nil {
		return "", err
	}
	from := g.Ref
	if from == "" {
		from = "HEAD"
	}
	_, err := g.git(ctx, mostSaid, "fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--force",
		"--", g.Address, "+"+from+":"+fetched)
	if err != nil {
		_, cleanErr := g.clean()
		return "", errors.Join(g.explained(err), cleanErr)
	}
	return g.commit(ctx)
}

// commit is the one that came last.
func (g *Git) commit(ctx context.Context) (string, error) {
	name, err := g.git(ctx, mostSaid, "rev-parse", "--verify", fetched+"^{commit}")
	return strings.TrimSpace(string(name)), err
}

// clean makes sure that the repository is there, and that nothing is left of an
// interrupted fetch. It returns how large the repository is.
func (g *Git) clean() (size int64, err error) {
	err = filepath.WalkDir(g.repository(), func(at string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		// git was killed, or its pack has broken off: tmp_pack_…, tmp_objdir-…/
		if strings.HasSuffix(at, ".lock") || strings.HasPrefix(entry.Name(), "tmp_") {
			err := os.RemoveAll(at)
			if err == nil && entry.IsDir() {
				err = fs.SkipDir
			}
			return err
		}
		if info, err := entry.Info(); err == nil {
			size += info.Size()
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	return size, errors.Join(os.RemoveAll(g.tree()), os.MkdirAll(g.repository(), 0o700))
}

// explained adds what may help.
func (g *Git) explained(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "couldn't find remote ref"):
		return hint.With(err, "does [source] git name a branch behind the #?")
	case g.protocol() == "ssh":
		return hint.With(err, adviceForSSH(text))
	case strings.Contains(text, "certificate") && time.Now().Year() < 2024:
		return hint.With(fmt.Errorf("%w; this device believes that it is %s", err, time.Now().Format(time.DateOnly)),
			`its clock is not set yet; "ota doctor" says more`)
	case g.Token != nil && refusesReading(text):
		return hint.With(err, "does [source] token_file hold a token that may read this?")
	case refusesReading(text):
		return hint.With(err, "put a token that may read the repository into [source] token_file")
	}
	return err
}

// adviceForSSH knows what ssh says, and servers behind it; "": there is none.
func adviceForSSH(text string) string {
	switch {
	case strings.Contains(text, "Host key verification failed"):
		return "git runs as ota's user: is the host in its ~/.ssh/known_hosts?"
	case strings.Contains(text, "ssh: not found"), strings.Contains(text, "ssh: command not found"):
		return "sudo apt install openssh-client"
	// Forges hide from a key that may not read it that a repository is there.
	case strings.Contains(text, "Permission denied"), strings.Contains(text, "not found"), strings.Contains(text, "not be found"):
		return "git runs as ota's user: has that, in its ~/.ssh, a key that may read the repository?"
	}
	return ""
}

// refusesReading knows what git says where a web server wants another token, or one
// at all. Forges hide from strangers that a repository is there.
func refusesReading(text string) bool {
	return strings.Contains(text, "terminal prompts disabled") || strings.Contains(text, "Authentication failed") ||
		strings.Contains(text, "error: 403") || strings.Contains(text, "not found")
}

// signers asks who has signed a commit. What is signed is the commit without its
// signature (gitformat-signature(5)).
func (g *Git) signers(ctx context.Context, commit string) ([]string, error) {
	content, err := g.git(ctx, mostCommit, "cat-file", "commit", commit)
	if err != nil {
		return nil, err
	}
	message, signature := splitCommit(content)
	if signature == nil {
		return nil, notTaken{fmt.Errorf("commit %.12s is not signed by an ssh key", commit)}
	}
	names, err := g.Signers(message, signature)
	if err != nil {
		return nil, notTaken{fmt.Errorf("commit %.12s: %w", commit, err)}
	}
	return names, nil
}

// splitCommit takes the signature out of a commit; nil: there is none.
func splitCommit(content []byte) (message, signature []byte) {
	head, body, _ := bytes.Cut(content, []byte("\n\n"))
	inside := false
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		switch first, isFirst := bytes.CutPrefix(line, []byte("gpgsig ")); {
		case isFirst && signature == nil:
			inside = true
			signature = append(signature, append(first, '\n')...)
		case inside && bytes.HasPrefix(line, []byte(" ")):
			signature = append(signature, append(line[1:], '\n')...)
		default:
			inside = false
			message = append(message, append(line, '\n')...)
		}
	}
	return append(append(message, '\n'), body...), signature
}

// manifest is that of a commit, without its files.
func (g *Git) manifest(ctx context.Context, commit string) (*parcel.Manifest, error) {
	said := &command.Head{Longest: mostSaid} // a subject has no end until there is an empty line
	if err := g.run(ctx, said, "show", "--no-patch", "--no-show-signature", "--format=%ct%n%s", commit); err != nil {
		return nil, err
	}
	seconds, subject, _ := strings.Cut(string(said.Kept()), "\n")
	serial, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("git says that the time of commit %.12s is %q", commit, seconds)
	}
	return &parcel.Manifest{
		Format: 1, Kind: parcel.Whole, App: g.App, Version: "git-" + commit[:min(12, len(commit))], Serial: serial,
		Message: plain(subject),
	}, nil
}

// plain is the first line of a message as a manifest can have it.
func plain(text string) string {
	text = strings.ToValidUTF8(strings.TrimSpace(text), "")
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "")
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, text)
}

// pack makes a release of a commit, and returns where it is.
func (g *Git) pack(ctx context.Context, commit string) (string, error) {
	manifest, err := g.manifest(ctx, commit)
	if err != nil {
		return "", err
	}
	what := commit
	if g.Folder != "" {
		what += ":" + g.Folder
	}
	if err := os.MkdirAll(g.tree(), 0o700); err != nil {
		return "", err
	}
	out, in := io.Pipe()
	exported := make(chan error, 1)
	go func() {
		err := g.run(ctx, in, "archive", "--format=tar", what)
		in.CloseWithError(err)
		exported <- err
	}()
	tree := &tree{dir: g.tree(), room: g.Room}
	err = tree.read(out)
	out.CloseWithError(errors.New("enough"))
	if exportErr := <-exported; exportErr != nil && err == nil {
		err = exportErr
	}
	if err != nil {
		return "", err
	}
	manifest.Files = tree.sorted()
	return tree.write(ctx, manifest, filepath.Join(g.Dir, "release.ota"))
}

// git runs git and returns what it prints, which has to be short.
func (g *Git) git(ctx context.Context, most int, args ...string) ([]byte, error) {
	said := &command.Head{Longest: most}
	err := g.run(ctx, said, args...)
	if err == nil && said.IsCut() {
		err = fmt.Errorf("git %s has more to say than %d bytes", args[0], most)
	}
	return said.Kept(), err
}

// run runs git in the repository. Nothing that a repository or a user has set up
// is run: no hook, filter, credential helper or prompt.
func (g *Git) run(ctx context.Context, to io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", append([]string{
		"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.version=2", "-c", "gc.auto=0",
		"-c", "maintenance.auto=false", "-c", "fetch.fsckObjects=true", "-c", "submodule.recurse=false",
		"-c", "http.lowSpeedLimit=100", "-c", "http.lowSpeedTime=60", "-c", "pack.threads=1", "-c", "core.symlinks=true",
		"-c", "pack.windowMemory=16m", "-c", "uploadpack.packObjectsHook=",
	}, args...)...)
	cmd.Dir = g.repository()
	environment, err := g.environment()
	if err != nil {
		return err
	}
	cmd.Env = environment
	complaint := &command.Head{Longest: mostSaid}
	code, err := command.RunApart(ctx, cmd, to, complaint, nil)
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("git %s: %s", args[0], lastLine(string(complaint.Kept()), code))
	}
	return nil
}

// environment is what git is told. Of ota's own it gets what ssh and a proxy need.
func (g *Git) environment() ([]string, error) {
	env := []string{
		"GIT_DIR=.", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_ATTR_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_ALLOW_PROTOCOL=" + g.protocol(), "GIT_PROTOCOL_FROM_USER=0", "GIT_OPTIONAL_LOCKS=0",
		"GIT_SSH_COMMAND=ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=20", "LC_ALL=C",
	}
	for _, name := range []string{"PATH", "HOME", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO",
		"http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	if g.Token == nil || g.protocol() != "https" {
		return env, nil
	}
	token, err := g.Token()
	if err != nil {
		return nil, err
	}
	// Not as an argument, which everybody on the device could read; and not to
	// where the server leads on.
	secret := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))
	return append(env, "GIT_CONFIG_COUNT=2",
		"GIT_CONFIG_KEY_0=http.extraHeader", "GIT_CONFIG_VALUE_0=Authorization: Basic "+secret,
		"GIT_CONFIG_KEY_1=http.followRedirects", "GIT_CONFIG_VALUE_1=false"), nil
}

// protocol is the only one that git may speak.
func (g *Git) protocol() string {
	if scheme, _, ok := strings.Cut(g.Address, "://"); ok {
		return scheme
	}
	return "ssh"
}

// lastLine is what git says last, or with which code it ended.
func lastLine(text string, code int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines { // the first that tells of a failure: what follows is advice
		after, ok := strings.CutPrefix(line, "fatal: ")
		if !ok {
			continue
		}
		if strings.HasPrefix(after, "Could not read from remote") { // ssh has said why, or who is behind it
			for _, before := range slices.Backward(lines[:i]) {
				if why := strings.TrimSpace(strings.TrimPrefix(before, "remote:")); strings.Trim(why, "=") != "" {
					return why
				}
			}
		}
		return after
	}
	if last := lines[len(lines)-1]; last != "" {
		return last
	}
	return fmt.Sprintf("exit code %d", code)
}
