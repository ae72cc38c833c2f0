//go:build linux

// Package source looks at how releases come from elsewhere: the real ota, which
// fetches them from a web server with TLS, and from a repository of the real git.
//
// In: a server on a port of the loopback address, and a folder with commits. Out:
// whether the program becomes what is published there. Never: anything inside
// ota.
package source

import (
	"crypto/rand"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ota/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// shelf is a web server with one file.
type shelf struct {
	mutex sync.Mutex
	path  string
	half  bool // it ends in the middle, as if that were the end
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	w.Header().Set("ETag", `"`+filepath.Base(s.path)+`"`)
	file, err := os.Open(s.path)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer file.Close()
	if s.half {
		info, err := file.Stat()
		if err == nil {
			_, err = io.CopyN(w, file, info.Size()/2)
		}
		if err != nil {
			panic(err)
		}
		w.(http.Flusher).Flush() // there is no length then
		return
	}
	http.ServeContent(w, r, "", time.Time{}, file)
}

func (s *shelf) put(path string) { s.change(path, false) }

// cut puts the file there, and gives out half of it.
func (s *shelf) cut(path string) { s.change(path, true) }

func (s *shelf) change(path string, half bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.path, s.half = path, half
}

const (
	quick  = "[update]\nquiet = \"100ms\"\n[trial]\nready = true\nperiod = \"20s\"\nattempts = 1\n[source]\n"
	steady = `import os, socket, time
open("data.txt", "a").write("x")
address = os.environ["NOTIFY_SOCKET"]
address = "\0" + address[1:] if address[0] == "@" else address
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
    notify.sendto(b"READY=1", address)
while True: time.sleep(1)
`
)

// fetch runs `ota fetch`, and expects a code and some words.
func fetch(t *testing.T, d *harness.Device, code int, words string) {
	t.Helper()
	got := d.Ask("fetch")
	if got.Code != code || !strings.Contains(got.Said+got.Complained, words) {
		t.Fatalf("ota fetch: %+v; want %d and %q", got, code, words)
	}
}

// runs waits until main/ has a file with a content in a confirmed release.
func runs(t *testing.T, d *harness.Device, path, content string) {
	t.Helper()
	harness.Await(t, content, func() bool {
		releases, err := d.HistoryNow()
		found, readErr := os.ReadFile(filepath.Join(d.Main(), path))
		if err != nil || readErr != nil || string(found) != content {
			return false
		}
		for _, release := range releases {
			if release.Current {
				return release.State == "confirmed"
			}
		}
		return false
	}, func() string { return d.Say("status") })
}

// fetching starts a device in a folder, which fetches from this server.
func fetching(t *testing.T, dir string, server *httptest.Server) *harness.Device {
	t.Helper()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	trusted := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(trusted, certificate, 0o644); err != nil {
		t.Fatal(err)
	}
	d := harness.NewDevice(t, dir, harness.Tree{"main.py": harness.File(steady)}, quick+"url = \""+server.URL+"/latest.ota\"\n")
	d.Under = []string{"env", "SSL_CERT_FILE=" + trusted}
	d.Start()
	d.Await("it runs", func(s harness.Status) bool { return s.Program.State == "running" })
	return d
}

func TestURL(t *testing.T) {
	harness.Need(t, "python3")
	dir := harness.FastDir(t)
	web := &shelf{}
	server := httptest.NewTLSServer(web)
	t.Cleanup(server.Close)
	d := fetching(t, harness.FastDir(t), server)
	pack := func(version, program string) string {
		t.Helper()
		source, archive := filepath.Join(dir, version), filepath.Join(dir, version+".ota")
		table := make([]byte, 300<<10) // more than can be read in one block
		rand.Read(table)
		harness.Tree{"main.py": harness.File(program), "version.txt": harness.File(version), "table.bin": harness.File(string(table))}.Write(t, source)
		d.Say("pack", source, "-o", archive, "--archive", "--version", version)
		return archive
	}
	fetch(t, d, 1, "answered 404 Not Found")

	web.put(pack("v1", steady))
	fetch(t, d, 0, "v1 was fetched")
	runs(t, d, "version.txt", "v1")
	fetch(t, d, 0, "nothing new")

	// A release that fails is not fetched again, and does not stand in the way of
	// the next one.
	web.put(pack("v2", "raise SystemExit('broken')\n"))
	fetch(t, d, 0, "v2 was fetched")
	d.Await("the way back", func(s harness.Status) bool { return s.Deposit.State == "held" })
	runs(t, d, "version.txt", "v1")
	fetch(t, d, 0, "nothing new")
	web.put(pack("v3", steady))
	fetch(t, d, 0, "v3 was fetched")
	runs(t, d, "version.txt", "v3")

	// Somebody's own upload goes first.
	if err := os.WriteFile(filepath.Join(d.Deposit(), ".hold"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	web.put(pack("other", steady))
	fetch(t, d, 3, "goes first")
	if err := os.Remove(filepath.Join(d.Deposit(), ".hold")); err != nil {
		t.Fatal(err)
	}
	// Half a file whose server says nothing of its length is not taken for one.
	v4 := pack("v4", steady)
	web.cut(v4)
	fetch(t, d, 1, "has not come whole: it is cut off")
	web.put(v4)
	fetch(t, d, 0, "v4 was fetched")
	runs(t, d, "version.txt", "v4")
	// A page that says "log in" is no release.
	login := filepath.Join(dir, "login.html")
	if err := os.WriteFile(login, []byte("<html>log in"), 0o644); err != nil {
		t.Fatal(err)
	}
	web.put(login)
	fetch(t, d, 1, "no packed release")
	if names, err := os.ReadDir(d.Deposit()); err != nil || len(names) > 0 {
		t.Errorf("in deposit/: %v, %v", names, err)
	}
}

// TestLittleRoom: a release that has no room once it is unpacked is fetched once,
// waits in deposit/, and its reason is told.
func TestLittleRoom(t *testing.T) {
	t.Parallel()
	harness.NeedRoot(t)
	harness.Need(t, "python3")
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=16m"); err != nil {
		harness.Lack(t, "cannot mount: "+err.Error())
	}
	t.Cleanup(func() { syscall.Unmount(small, syscall.MNT_DETACH) })
	web := &shelf{}
	server := httptest.NewTLSServer(web)
	t.Cleanup(server.Close)
	d := fetching(t, small, server)
	dir := t.TempDir()
	source, archive := filepath.Join(dir, "source"), filepath.Join(dir, "large.ota")
	harness.Tree{"main.py": harness.File(steady), "zero.bin": harness.File(strings.Repeat("\x00", 32<<20))}.Write(t, source)
	d.Say("pack", source, "-o", archive, "--archive", "--version", "large")
	web.put(archive)
	fetch(t, d, 0, "large was fetched")
	d.Await("it is held", func(s harness.Status) bool {
		return s.Deposit.State == "held" && len(s.Deposit.Reasons) == 1 && strings.Contains(s.Deposit.Reasons[0].Message, "no space")
	})
	fetch(t, d, 0, "nothing new")
}

func TestGit(t *testing.T) {
	r, key := newRepository(t), filepath.Join(t.TempDir(), "key")
	harness.Need(t, "ssh-keygen")
	r.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key)
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	d := harness.NewDevice(t, harness.FastDir(t), harness.Tree{"main.py": harness.File(steady)},
		quick+"git = \"file://"+r.dir+"#main\"\nonly_signed_commits = true\n")
	harness.Tree{"allowed_signers": harness.File("anna " + string(public))}.Write(t, d.Dir)
	d.Start()
	d.Await("it runs", func(s harness.Status) bool { return s.Program.State == "running" })

	r.commit("one", harness.Tree{"main.py": harness.File(steady), "version.txt": harness.File("one"), "old.py": harness.File("")})
	fetch(t, d, 3, "is not signed by an ssh key")
	t.Setenv("GIT_COMMITTER_DATE", "2026-01-01T00:00:01Z")
	r.commit("two", harness.Tree{"version.txt": harness.File("two")}, "-S"+key)
	fetch(t, d, 0, "was fetched")
	runs(t, d, "version.txt", "two")

	// What the repository has no more goes; what the program has made stays.
	t.Setenv("GIT_COMMITTER_DATE", "2026-01-01T00:00:02Z")
	r.run("git", "-C", r.dir, "rm", "-q", "old.py")
	r.commit("three", harness.Tree{"version.txt": harness.File("three")}, "-S"+key)
	fetch(t, d, 0, "was fetched")
	runs(t, d, "version.txt", "three")
	if _, err := os.Lstat(filepath.Join(d.Main(), "old.py")); err == nil {
		t.Error("a file that the repository has no more is in main/")
	}
	if _, err := os.Lstat(filepath.Join(d.Main(), "data.txt")); err != nil {
		t.Error(err)
	}
	if said := d.Say("history", "--json"); !strings.Contains(said, `"anna"`) {
		t.Errorf("nobody knows who has signed: %s", said)
	}

	// An older commit, signed as well, is no way back for somebody on the way.
	r.run("git", "-C", r.dir, "reset", "-q", "--hard", "HEAD~1")
	fetch(t, d, 3, "is not above")
	// Nor does the manifest of a commit help who may write into deposit/.
	harness.Tree{"main.py": harness.File("evil")}.Write(t, d.Deposit())
	d.Await("it is held", func(s harness.Status) bool { return s.Deposit.State == "held" })
	runs(t, d, "version.txt", "three")
}
