//go:build linux

package source

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ota/test/harness"
)

// repository is one that somebody works in.
type repository struct {
	t   *testing.T
	dir string
}

func newRepository(t *testing.T) repository {
	t.Helper()
	harness.Need(t, "python3", "git")
	r := repository{t, filepath.Join(harness.FastDir(t), "greenhouse")}
	r.run("git", "init", "-q", "-b", "main", r.dir)
	return r
}

// run runs a program that has to come through, without what this user has set up
// for git.
func (r repository) run(name string, args ...string) string {
	r.t.Helper()
	alone := []string{"env", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", name}
	return strings.TrimSpace(harness.Run(r.t, append(alone, args...)...))
}

// commit writes files, and commits all.
func (r repository) commit(message string, tree harness.Tree, args ...string) {
	r.t.Helper()
	tree.Write(r.t, r.dir)
	r.run("git", "-C", r.dir, "add", "-A")
	r.run("git", append([]string{"-C", r.dir, "-c", "gpg.format=ssh", "-c", "user.name=Anna", "-c", "user.email=a@example.org",
		"commit", "-q", "-m", message}, args...)...)
}

// program is one that runs, with a name for its version.
func program(version string) harness.Tree {
	return harness.Tree{"main.py": harness.File(steady), "version.txt": harness.File(version)}
}

// TestGitOverHTTPS: a private repository on a server with TLS, whose certificate
// the owner of the device has made.
func TestGitOverHTTPS(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	const token = "github_pat_123"
	git := &cgi.Handler{Path: filepath.Join(r.run("git", "--exec-path"), "git-http-backend"),
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(r.dir), "GIT_HTTP_EXPORT_ALL=1"}}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if _, password, _ := q.BasicAuth(); password != token {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		git.ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)
	d := harness.NewDevice(t, harness.FastDir(t), harness.Tree{"main.py": harness.File(steady)},
		quick+"git = \""+server.URL+"/greenhouse/.git#main\"\ntoken_file = \"source.token\"\n")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	harness.Tree{"ca.pem": harness.File(string(certificate)), "source.token": harness.Entry{Mode: 0o600, Content: "wrong\n"}}.Write(t, d.Dir)
	d.Under = []string{"env", "GIT_SSL_CAINFO=" + filepath.Join(d.Dir, "ca.pem")}
	d.Start()
	d.Await("it runs", func(s harness.Status) bool { return s.Program.State == "running" })
	r.commit("one", program("one"))
	fetch(t, d, 1, "does [source] token_file hold a token that may read this?")
	// It is read at each look.
	if err := os.WriteFile(filepath.Join(d.Dir, "source.token"), []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fetch(t, d, 0, "was fetched")
	runs(t, d, "version.txt", "one")
	fetch(t, d, 0, "nothing new")
	if said := d.Console() + d.Say("status", "--json") + d.Say("logs"); strings.Contains(said, token) {
		t.Error("the token is told")
	}

	// The server is gone, and comes back.
	server.Close()
	fetch(t, d, 1, "unable to access")
	if said := d.Say("status"); !strings.Contains(said, "unable to access") {
		t.Errorf("status: %s", said)
	}
	runs(t, d, "version.txt", "one")
}

// TestGitOverSSH: a deploy key, and a host that ota's user has met.
func TestGitOverSSH(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	keys := harness.NewSSHKeys(t)
	server := harness.ServeSSH(t, keys, "", `ForceCommand case $SSH_ORIGINAL_COMMAND in "git-upload-pack "*) eval "$SSH_ORIGINAL_COMMAND";; esac`)
	d := harness.NewDevice(t, harness.FastDir(t), harness.Tree{"main.py": harness.File(steady)},
		quick+"git = \"ssh://root@127.0.0.1:"+strconv.Itoa(server.Port)+r.dir+"#main\"\n")
	// ssh reads what is in the home of the user: here in a view that has another.
	private := filepath.Join(d.Dir, "private")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	d.Under = []string{"unshare", "--mount", "sh", "-ec",
		`mount -t tmpfs none "$0"; mkdir "$0/.ssh"; mount --bind "$1" "$0/.ssh"; shift; exec "$@"`, home, private}
	d.Start()
	d.Await("it runs", func(s harness.Status) bool { return s.Program.State == "running" })
	r.commit("one", program("one"))
	fetch(t, d, 1, "is the host in its ~/.ssh/known_hosts?")
	host, err := os.ReadFile(filepath.Join(keys.Dir, "host.pub"))
	known := "[127.0.0.1]:" + strconv.Itoa(server.Port) + " " + string(host)
	if err := errors.Join(err, os.WriteFile(filepath.Join(private, "known_hosts"), []byte(known), 0o600)); err != nil {
		t.Fatal(err)
	}
	fetch(t, d, 1, "has that, in its ~/.ssh, a key that may read the repository?")
	key, err := os.ReadFile(filepath.Join(keys.Dir, "user"))
	if err := errors.Join(err, os.WriteFile(filepath.Join(private, "id_ed25519"), key, 0o600)); err != nil {
		t.Fatal(err)
	}
	fetch(t, d, 0, "was fetched")
	runs(t, d, "version.txt", "one")
	r.commit("two", program("two"))
	fetch(t, d, 0, "was fetched")
	runs(t, d, "version.txt", "two")
}
