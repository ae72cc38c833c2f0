//go:build unix

package source

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ota/internal/kit/hint"
	"ota/internal/parcel"
	"ota/internal/sshsig"
)

// project is a repository that somebody works in.
type project struct {
	*testing.T
	dir string
	git *Git
}

func newProject(t *testing.T) *project {
	for _, program := range []string{"git", "ssh-keygen"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	p := &project{T: t, dir: filepath.Join(t.TempDir(), "greenhouse")}
	p.run("git", "init", "-q", "-b", "main", p.dir)
	p.git = NewGit(GitOptions{
		Address: "file://" + p.dir, Ref: "main", App: "garden", Dir: t.TempDir(),
		Signed: func() bool { return false }, Room: func(int64) error { return nil },
	})
	return p
}

func (p *project) run(name string, args ...string) string {
	p.Helper()
	cmd := exec.Command(name, args...)
	if name == "git" && args[0] != "init" {
		cmd.Dir = p.dir
	}
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Anna", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=Anna", "GIT_COMMITTER_EMAIL=a@example.org")
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (p *project) write(path, content string) {
	p.Helper()
	path = filepath.Join(p.dir, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		p.Fatal(err)
	}
}

// commit commits all, and returns the commit.
func (p *project) commit(message string, args ...string) string {
	p.Helper()
	p.run("git", "add", "-A")
	p.run("git", append([]string{"-c", "gpg.format=ssh", "commit", "-q", "-m", message}, args...)...)
	return p.run("git", "rev-parse", "HEAD")
}

// fetch fetches, and returns the paths of the release.
func (p *project) fetch(before Seen) (*Fetched, *parcel.Manifest, string) {
	p.Helper()
	got, err := p.git.Fetch(p.Context(), before)
	if err != nil {
		p.Fatal(err)
	}
	if got == nil || got.Refused != "" {
		return got, nil, ""
	}
	file, err := os.Open(got.Path)
	if err != nil {
		p.Fatal(err)
	}
	defer file.Close()
	archive, err := parcel.OpenArchive(file)
	if err != nil {
		p.Fatal(err)
	}
	defer archive.Close()
	manifest, err := parcel.Decode(archive.Manifest)
	if err != nil {
		p.Fatal(err)
	}
	var paths []string
	for _, entry := range manifest.Files {
		paths = append(paths, entry.Path)
	}
	return got, manifest, strings.Join(paths, " ")
}

func TestGitTree(t *testing.T) {
	p := newProject(t)
	p.write("main.py", "print(1)\n")
	p.write("lib/a b.py", "")
	p.write(".gitignore", "*.log\n")
	p.write("tests/test.py", "")
	p.write(".gitattributes", "tests export-ignore\n")
	if err := os.Symlink("main.py", filepath.Join(p.dir, "start.py")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(p.dir, "main.py"), 0o755); err != nil {
		t.Fatal(err)
	}
	commit := p.commit("waters at night\n\nmore")
	got, manifest, paths := p.fetch(Seen{})
	if paths != "lib/a b.py main.py start.py" || got.Seen.Commit != commit {
		t.Errorf("%s: %q", got.Seen.Commit, paths)
	}
	if manifest.Message != "waters at night" || manifest.Version != "git-"+commit[:12] || manifest.App != "garden" ||
		manifest.Kind != parcel.Whole || manifest.Serial < 1_700_000_000 || manifest.Files[1].Mode != "0755" {
		t.Errorf("%+v", manifest)
	}
	if again, _, _ := p.fetch(got.Seen); again != nil {
		t.Errorf("the same commit came twice: %+v", again)
	}
	p.run("git", "rm", "-q", "lib/a b.py")
	p.commit("less")
	if _, _, paths := p.fetch(got.Seen); paths != "main.py start.py" {
		t.Errorf("%q", paths)
	}
	p.run("git", "reset", "-q", "--hard", commit) // somebody pushes with force
	if _, _, paths := p.fetch(Seen{}); paths != "lib/a b.py main.py start.py" {
		t.Errorf("%q", paths)
	}
	p.git.Folder = "lib"
	if _, _, paths := p.fetch(Seen{}); paths != "a b.py" {
		t.Errorf("%q", paths)
	}
}

// TestGitRunsNothing: neither what the repository has set up nor what stands in
// ota's copy of it.
func TestGitRunsNothing(t *testing.T) {
	p := newProject(t)
	trap := filepath.Join(t.TempDir(), "sprung")
	p.write("main.py", "print(1)\n")
	p.write(".gitattributes", "*.py filter=trap\n")
	p.commit("one")
	first, _, _ := p.fetch(Seen{})
	hooks := filepath.Join(p.git.repository(), "hooks")
	for _, name := range []string{"reference-transaction", "post-checkout", "post-merge"} {
		if err := errors.Join(os.MkdirAll(hooks, 0o755), os.WriteFile(filepath.Join(hooks, name), []byte("#!/bin/sh\ntouch "+trap+"\n"), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", t.TempDir())
	config := "[filter \"trap\"]\n\tsmudge = touch " + trap + "; cat\n\trequired = true\n"
	if err := os.WriteFile(filepath.Join(os.Getenv("HOME"), ".gitconfig"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	p.write("main.py", "print(2)\n")
	p.commit("two")
	if _, _, paths := p.fetch(first.Seen); paths != "main.py" {
		t.Errorf("%q", paths)
	}
	if _, err := os.Lstat(trap); err == nil {
		t.Error("something was run")
	}
}

// TestGitSubmodules are not fetched, and stand in nobody's way.
func TestGitSubmodules(t *testing.T) {
	p, other := newProject(t), newProject(t)
	other.write("lib.py", "")
	other.commit("one")
	p.write("main.py", "print(1)\n")
	p.run("git", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "file://"+other.dir, "lib")
	p.commit("with a submodule")
	if _, _, paths := p.fetch(Seen{}); paths != "main.py" {
		t.Errorf("%q", paths)
	}
}

// TestGitNames: a branch, a tag with a message of its own, and a subject without
// end.
func TestGitNames(t *testing.T) {
	p := newProject(t)
	p.write("main.py", "print(1)\n")
	first := p.commit("one")
	p.run("git", "tag", "-a", "-m", "the first", "v1")
	p.write("main.py", "print(2)\n")
	second := p.commit("ä" + strings.Repeat("ä\n", 10_000))
	for ref, want := range map[string]string{"v1": first, "refs/tags/v1": first, "main": second, "refs/heads/main": second, "": second} {
		p.git.Ref = ref
		got, manifest, _ := p.fetch(Seen{})
		if got.Seen.Commit != want || len(manifest.Message) > 200 {
			t.Errorf("%q: %s, %q", ref, got.Seen.Commit, manifest.Message)
		}
	}
}

func TestGitRefuses(t *testing.T) {
	p := newProject(t)
	p.write("model.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n")
	p.commit("large")
	if got, _, _ := p.fetch(Seen{}); !strings.Contains(got.Refused, `"model.bin" is a pointer of Git LFS`) {
		t.Errorf("%+v", got)
	}
	p.git.Ref = "nowhere"
	if _, err := p.git.Fetch(t.Context(), Seen{}); err == nil || !strings.Contains(err.Error(), "remote ref") {
		t.Error(err)
	}
	p.git.Address = "ext::sh -c 'touch /tmp/x'"
	if _, err := p.git.Fetch(t.Context(), Seen{}); err == nil || !strings.Contains(err.Error(), "not allowed") {
		t.Error(err)
	}
	p.git.Signed = func() bool { return true }
	if _, err := p.git.Fetch(t.Context(), Seen{}); err == nil || !strings.Contains(err.Error(), "only signed") {
		t.Error(err)
	}
}

// TestGitLeftovers: what a git that was killed has left is no fault, and goes.
func TestGitLeftovers(t *testing.T) {
	p := newProject(t)
	p.write("main.py", "print(1)\n")
	p.commit("one")
	p.fetch(Seen{})
	leftovers := []string{"objects/tmp_objdir-incoming-Uq1xyz/pack/tmp_pack_a1b2c3", "objects/00/tmp_obj_a1b2c3", "objects/pack/tmp_pack_a1b2c3", "shallow.lock"}
	for _, path := range leftovers {
		path = filepath.Join(p.git.repository(), path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("half"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	p.write("main.py", "print(2)\n")
	p.commit("two")
	if _, _, paths := p.fetch(Seen{}); paths != "main.py" {
		t.Errorf("%q", paths)
	}
	p.leavesNothing()
}

// leavesNothing expects that git has left nothing in the repository that takes room.
func (p *project) leavesNothing() {
	p.Helper()
	for _, pattern := range []string{"*.lock", "*/tmp_*", "*/*/tmp_*"} {
		if left, _ := filepath.Glob(filepath.Join(p.git.repository(), pattern)); len(left) > 0 {
			p.Errorf("left: %q", left)
		}
	}
}

// TestGitTooLarge: what earlier commits had takes no room for ever; but a commit
// that takes more than that is not fetched again at each look, also where there is
// no room for its release.
func TestGitTooLarge(t *testing.T) {
	p := newProject(t)
	p.git.largest = 1 // of any commit
	mark := filepath.Join(p.git.repository(), "mark")
	look := func(fails, isAnew bool, before Seen) *Fetched {
		t.Helper()
		if err := errors.Join(os.MkdirAll(p.git.repository(), 0o700), os.WriteFile(mark, []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
		got, err := p.git.Fetch(t.Context(), before)
		if _, gone := os.Lstat(mark); (err != nil) != fails || (gone != nil) != isAnew {
			t.Errorf("%+v, %v; the mark: %v", got, err, gone)
		}
		return got
	}
	p.write("main.py", "print(1)\n")
	first := p.commit("one")
	p.fetch(Seen{})
	if got := look(false, false, Seen{Commit: first}); got != nil {
		t.Errorf("the same commit came twice: %+v", got)
	}
	p.write("main.py", "print(2)\n")
	second := p.commit("two")
	p.git.Room = func(int64) error { return errors.New("no room") }
	look(true, true, Seen{Commit: first})
	look(true, false, Seen{Commit: first})
	p.git.Room = func(int64) error { return nil }
	if got := look(false, false, Seen{Commit: first}); got == nil || got.Seen.Commit != second {
		t.Errorf("%+v", got)
	}
	if kept, err := p.git.git(t.Context(), mostSaid, "cat-file", "-t", first); err == nil {
		t.Errorf("the first %s is still there", kept)
	}
}

// TestGitAdvice: what is said and advised where git can't read, over the web and
// over ssh.
func TestGitAdvice(t *testing.T) {
	const readOver = "fatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.\n"
	for name, test := range map[string]struct{ address, said, why, advice string }{
		"web, hidden":    {"https://github.com/a/b", "remote: Repository not found.\nfatal: repository 'https://github.com/a/b/' not found\n", "repository 'https://github.com/a/b/' not found", "[source] token_file"},
		"ssh, hidden":    {"git@github.com:a/b", "ERROR: Repository not found.\n" + readOver, "ERROR: Repository not found.", "in its ~/.ssh, a key"},
		"ssh, framed":    {"git@gitlab.com:a/b", "remote: \nremote: ====\nremote: \nremote: ERROR: The project could not be found.\nremote: \nremote: ====\nremote: \n" + readOver, "ERROR: The project could not be found.", "in its ~/.ssh, a key"},
		"ssh, no key":    {"ssh://git@host/b", "git@host: Permission denied (publickey).\n" + readOver, "git@host: Permission denied (publickey).", "in its ~/.ssh, a key"},
		"ssh, new host":  {"ssh://git@host/b", "Host key verification failed.\n" + readOver, "Host key verification failed.", "known_hosts"},
		"ssh, there not": {"ssh://git@host/b", "ssh -o BatchMode=yes: 1: ssh: not found\n" + readOver, "ssh -o BatchMode=yes: 1: ssh: not found", "openssh-client"},
		"ssh, no branch": {"ssh://git@host/b", "fatal: couldn't find remote ref x\n", "couldn't find remote ref x", "a branch behind the #"},
		"ssh, says none": {"ssh://git@host/b", readOver, "Could not read from remote repository.", ""},
	} {
		why := lastLine(test.said, 128)
		advice := hint.Of(NewGit(GitOptions{Address: test.address}).explained(errors.New(why)))
		if why != test.why || !strings.Contains(advice, test.advice) || test.advice == "" && advice != "" {
			t.Errorf("%s: %q, and %q", name, why, advice)
		}
	}
}

// TestGitSigned: what is said to have been signed is what ssh-keygen has signed.
func TestGitSigned(t *testing.T) {
	p := newProject(t)
	key := filepath.Join(t.TempDir(), "key")
	p.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key)
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	p.git.Signers = signersOf("anna " + string(public))
	p.write("main.py", "print(1)\n")
	p.commit("unsigned")
	if got, _, _ := p.fetch(Seen{}); !strings.Contains(got.Refused, "is not signed by an ssh key") {
		t.Errorf("%+v", got)
	}
	p.write("main.py", "print(2)\n")
	signed := p.commit("signed\n\nwith a body", "-S"+key)
	got, _, paths := p.fetch(Seen{})
	if paths != "main.py" || len(got.Signers) != 1 || got.Signers[0] != "anna" {
		t.Errorf("%+v", got)
	}
	stranger := filepath.Join(t.TempDir(), "stranger")
	p.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", stranger)
	p.write("main.py", "print(3)\n")
	p.commit("of a stranger", "-S"+stranger)
	if got, _, _ := p.fetch(Seen{}); !strings.Contains(got.Refused, "which has signed, is not in allowed_signers") {
		t.Errorf("%+v", got)
	}
	p.run("git", "reset", "-q", "--hard", signed)
	// The same signature under another commit.
	forged := strings.Replace(p.run("git", "cat-file", "commit", signed), "with a body", "with a Body", 1)
	path := filepath.Join(t.TempDir(), "commit")
	if err := os.WriteFile(path, []byte(forged+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.run("git", "update-ref", "refs/heads/main", p.run("git", "hash-object", "-t", "commit", "-w", path))
	if got, _, _ := p.fetch(Seen{}); !strings.Contains(got.Refused, "wrong") {
		t.Errorf("%+v", got)
	}
}

func FuzzSplitCommit(f *testing.F) {
	f.Add([]byte("tree a\ngpgsig -----BEGIN\n x\n \n -----END\nauthor b\n\nmessage\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		message, signature := splitCommit(content)
		if len(message)+len(signature) > len(content)+3 {
			t.Errorf("%d and %d bytes of %d", len(message), len(signature), len(content))
		}
	})
}

func signersOf(list string) func(message, signature []byte) ([]string, error) {
	return func(message, signature []byte) ([]string, error) {
		signers, err := sshsig.ParseSigners([]byte(list))
		if err != nil {
			return nil, err
		}
		found, err := signers.Verify("git", message, signature, sshsig.Clock{})
		var names []string
		for _, one := range found {
			names = append(names, one.Name)
		}
		return names, err
	}
}
