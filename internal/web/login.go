package web

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ota/internal/api"
	"ota/internal/kit/hint"
	"ota/internal/kit/packed"
	"ota/internal/web/page"
)

const (
	// formBytes is more than the longest password takes, with all its characters
	// encoded.
	formBytes = 4 << 10
	// cookieAge is how long a browser keeps a cookie that nobody uses. The session
	// may end before.
	cookieAge = 30 * 24 * time.Hour
	// logLines is how much of the log stands in the page before its script runs.
	logLines = 200
)

// loginForm shows the login. A link's code is only put into the form: programs
// that look at a link before a person does (previews, scanners of mail) must not
// use it up.
func (s *Server) loginForm(w http.ResponseWriter, r *http.Request) {
	show(w, http.StatusOK, func(to io.Writer) error {
		return page.Login(to, page.LoginView{Device: nameOfHost(), Code: r.URL.Query().Get("code")})
	})
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	secret, err := secretOf(w, r)
	if err != nil {
		w.Header().Set("Connection", "close")
		api.WriteProblem(w, api.NewProblem(http.StatusBadRequest, err.Error(), ""))
		return
	}
	session, err := s.options.Door.Login(addressOf(r), secret)
	if err != nil {
		s.notLetIn(w, err)
		return
	}
	http.SetCookie(w, s.guard.cookieWith(session, cookieAge))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// secretOf reads the form.
func secretOf(w http.ResponseWriter, r *http.Request) (string, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return "", errors.New("the login is a form")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, formBytes))
	if err != nil {
		return "", errors.New("the login does not arrive, or is too long")
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return "", errors.New("the login can't be read")
	}
	return strings.TrimSpace(form.Get("code")), nil
}

func (s *Server) notLetIn(w http.ResponseWriter, err error) {
	status := http.StatusUnauthorized
	if wait := waitOf(err); wait > 0 {
		status = http.StatusTooManyRequests
		w.Header().Set("Retry-After", strconv.Itoa(wait))
	}
	show(w, status, func(to io.Writer) error {
		return page.Login(to, page.LoginView{Device: nameOfHost(), Error: sentence(err)})
	})
}

// sentence says what went wrong, and what to do.
func sentence(err error) string {
	if advice := hint.Of(err); advice != "" {
		return err.Error() + ": " + advice
	}
	return err.Error()
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(s.guard.cookie); err == nil {
		if err := s.options.Door.Logout(cookie.Value); err != nil {
			s.options.Log.Warn("it can't be written down who has logged out", "error", err)
		}
	}
	http.SetCookie(w, s.guard.cookieWith("", -1))
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// cookieWith is never sent along with what another site makes a browser do, and
// is no script's to read.
func (g *guard) cookieWith(value string, age time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: g.cookie, Value: value, Path: "/", MaxAge: int(age / time.Second),
		HttpOnly: true, Secure: g.tls, SameSite: http.SameSiteStrictMode,
	}
}

// home shows how things stand.
func (s *Server) home(w http.ResponseWriter, r *http.Request) {
	if !api.CallerOf(r.Context()).May(api.Read) {
		api.WriteProblem(w, api.NewProblem(http.StatusForbidden, "this token does not allow to read", ""))
		return
	}
	house := api.Veiled(s.options.House)
	view := page.View{Status: house.Status(), Device: house.Device(), Log: house.Tail(logLines)}
	// What can't be read of the past is told in the log; the rest is shown.
	view.History, _ = house.History()
	view.Why, _ = house.Why(0)
	view.Main, _ = house.List(api.MainArea, "")
	view.Deposit, _ = house.List(api.DepositArea, "")
	show(w, http.StatusOK, func(to io.Writer) error { return page.Home(to, view) })
}

// show sends a page when it is whole.
func show(w http.ResponseWriter, status int, render func(io.Writer) error) {
	var text bytes.Buffer
	if err := render(&text); err != nil {
		api.WriteProblem(w, api.NewProblem(http.StatusInternalServerError, err.Error(), ""))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	limit(w)
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // nothing hangs on whether it was taken
}

// limit bounds how long a reader may take for what comes now.
func limit(w http.ResponseWriter) {
	// Only a writer that knows no deadline fails here.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
}

// asset sends a file of the page. A browser that has it asks whether it is still
// the same.
func asset(w http.ResponseWriter, r *http.Request, name string, find func(string) (packed []byte, kind, tag string, ok bool)) {
	content, kind, tag, ok := find(name)
	if !ok {
		api.WriteProblem(w, api.NewProblem(http.StatusNotFound, "the page has no such file", ""))
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Add("Vary", "Accept-Encoding")
	if takesGzip(r.Header) {
		w.Header().Set("Content-Encoding", "gzip")
	} else {
		content, tag = packed.Open(content), tag+"-plain"
	}
	w.Header().Set("ETag", `"`+tag+`"`)
	limit(w)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// takesGzip says whether somebody names gzip among the encodings that he reads,
// as all browsers do. Anybody else gets the plain text, which is never wrong.
func takesGzip(header http.Header) bool {
	for _, line := range header.Values("Accept-Encoding") {
		for one := range strings.SplitSeq(line, ",") {
			name, weight, weighed := strings.Cut(one, ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			_, value, _ := strings.Cut(weight, "=")
			wish, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return !weighed || err == nil && wish > 0
		}
	}
	return false
}
