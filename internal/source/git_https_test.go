//go:build unix

package source

import (
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"ota/internal/kit/hint"
)

// forge is git's own server for the web, with TLS.
type forge struct {
	*httptest.Server
	git    http.Handler
	token  atomic.Value // string; "": everybody may read
	answer atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
	asked  atomic.Int64
}

// forged serves a project, and lets git trust the server.
func forged(p *project) *forge {
	p.Helper()
	core, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		p.Skip(err)
	}
	backend := filepath.Join(strings.TrimSpace(string(core)), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		p.Skip(err)
	}
	f := &forge{git: &cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(p.dir), "GIT_HTTP_EXPORT_ALL=1"}, Stderr: io.Discard}}
	f.token.Store("")
	f.Server = httptest.NewUnstartedServer(f)
	f.Config.ErrorLog = quiet()
	f.StartTLS()
	p.Cleanup(f.Close)
	certificate := filepath.Join(p.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	if err := os.WriteFile(certificate, text, 0o644); err != nil {
		p.Fatal(err)
	}
	p.Setenv("GIT_SSL_CAINFO", certificate)
	p.git.Address = f.URL + "/greenhouse/.git"
	return f
}

func (f *forge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.asked.Add(1)
	if answer := f.answer.Load(); answer != nil && (*answer)(w, r) {
		return
	}
	if _, password, _ := r.BasicAuth(); f.token.Load() != "" && password != f.token.Load() {
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	f.git.ServeHTTP(w, r)
}

func (f *forge) answers(answer func(w http.ResponseWriter, r *http.Request) bool) {
	f.answer.Store(&answer)
}

// fails expects words in the error and in its hint, and that nothing is left that
// takes room.
func (p *project) fails(words, advice string) {
	p.Helper()
	got, err := p.git.Fetch(p.Context(), Seen{})
	if err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(hint.Of(err), advice) {
		p.Errorf("%v, %v, %q; want %q and %q", got, err, hint.Of(err), words, advice)
	}
	p.leavesNothing()
}

// TestGitOverHTTPS: a repository that only who has the token may read, on a server
// with a certificate of its owner's own authority.
func TestGitOverHTTPS(t *testing.T) {
	p := newProject(t)
	p.write("main.py", "print(1)\n")
	p.commit("one")
	f := forged(p)
	f.token.Store("abc")
	p.fails("terminal prompts disabled", "put a token that may read")
	token := "wrong"
	p.git.Token = func() (string, error) { return token, nil }
	p.fails("terminal prompts disabled", "does [source] token_file hold")
	token = "abc"
	if _, _, paths := p.fetch(Seen{}); paths != "main.py" {
		t.Errorf("%q", paths)
	}
	missing := errors.New("there is no token")
	p.git.Token = func() (string, error) { return "", missing }
	p.fails(missing.Error(), "")
	p.git.Token = nil
	f.token.Store("")
	address := p.git.Address
	p.git.Address = f.URL + "/nowhere"
	p.fails("not found", "put a token that may read")
	p.git.Address = address

	// Who stands in between has no certificate that counts.
	os.Unsetenv("GIT_SSL_CAINFO")
	before := f.asked.Load()
	p.fails("certificate", "")
	if f.asked.Load() != before {
		t.Error("the server was asked all the same")
	}
}

// TestGitToken goes to no other server than the one that it is for, and no way
// leads from TLS to where there is none.
func TestGitToken(t *testing.T) {
	p := newProject(t)
	p.write("main.py", "print(1)\n")
	p.commit("one")
	f := forged(p)
	open := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Errorf("%s was asked: %v", r.Host, r.Header) }))
	t.Cleanup(open.Close)
	leadsTo := func(elsewhere string) {
		f.answers(func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, elsewhere+r.URL.RequestURI(), http.StatusFound)
			return true
		})
	}
	leadsTo(f.URL)
	p.git.Token = func() (string, error) { return "abc", nil }
	p.fails("unable to access", "")
	if asked := f.asked.Load(); asked != 1 {
		t.Errorf("with the token %d places were asked", asked)
	}
	p.git.Token = nil
	leadsTo(open.URL)
	p.fails("unable to access", "")
}

// TestGitBreaksOff: half of a commit is none, and takes no room; the next look gets
// all of it.
func TestGitBreaksOff(t *testing.T) {
	p := newProject(t)
	random := make([]byte, 1<<20)
	state := uint32(1)
	for i := range random { // which git can't compress
		state = state*1664525 + 1013904223
		random[i] = byte(state >> 24)
	}
	p.write("model.bin", string(random))
	p.commit("one")
	f := forged(p)
	f.answers(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/git-upload-pack") {
			return false
		}
		whole := httptest.NewRecorder()
		f.git.ServeHTTP(whole, r)
		body := whole.Body.Bytes()
		if len(body) < len(random)/2 { // which refs there are
			for name, values := range whole.Header() {
				w.Header()[name] = values
			}
			w.Write(body)
			return true
		}
		w.Write(body[:len(body)/2])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	p.fails("", "")
	f.answers(func(w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	p.fails("503", "")
	f.answers(func(http.ResponseWriter, *http.Request) bool { return false })
	if _, _, paths := p.fetch(Seen{}); paths != "model.bin" {
		t.Errorf("%q", paths)
	}
	f.Close()
	p.fails("unable to access", "")
}

// quiet is the log of a server whose callers hang up on purpose.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
