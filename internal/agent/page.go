package agent

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"sync"

	"ota/internal/web"
)

// newPage makes the server of the page.
func (a *agent) newPage(answers http.Handler) *web.Server {
	settings := a.config.Web
	hosts, announce := settings.Hosts, a.announce
	if settings.Announce {
		hosts = append(slices.Clone(hosts), a.folder.nameOnLink()+".local")
	} else {
		announce = nil
	}
	return web.New(web.Options{
		Listen: settings.Listen,
		Hosts:  hosts,
		Cert:   a.folder.beside(settings.Cert),
		Key:    a.folder.beside(settings.Key),
		Dir:    a.folder.own(),
		House:  a,
		API:    answers,
		Door:   a.access,
		Log:    a.log,
		Ready:  a.welcome,
		Rest:   shrink,

		Announce: announce,
	})
}

// beside is a path that stands in ota.toml.
func (f folder) beside(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(f.dir, path)
}

// welcome tells where the page is, and by what its certificate is known. A link that logs in is shown to a person, and
// goes into no log.
func (a *agent) welcome(address string) {
	a.changed()
	told := []any{"address", address}
	if fingerprint := a.Web().Fingerprint; fingerprint != nil {
		told = append(told, "fingerprint", *fingerprint)
	}
	a.log.Info("the page can be opened", told...)
	if !a.options.Private {
		return
	}
	if link, err := a.WebLink(); err == nil {
		fmt.Fprintf(a.console, "\n  Log in once, within 10 minutes:  %s\n  Later:  ota web\n\n", link)
	}
}

// shared lets several goroutines write to a console, line by line.
func shared(console io.Writer) io.Writer {
	if console == nil {
		return nil
	}
	return &sharedConsole{to: console}
}

type sharedConsole struct {
	mutex sync.Mutex
	to    io.Writer
}

// Write writes all of it, or what the console takes.
func (s *sharedConsole) Write(text []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.to.Write(text)
}
