package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"ota/internal/api"
	"ota/internal/kit/hint"
	"ota/internal/web/access"
)

// guard stands before everything that the server answers.
type guard struct {
	door   Doorkeeper
	names  []string // of this machine, in lower case
	cookie string   // its name
	tls    bool
}

// newGuard knows the names of the machine. The cookie's name has the port in it:
// browsers keep one jar for all ports of a host (RFC 6265, 8.5), and there may be
// another ota.
func newGuard(options Options, port int, tls bool) *guard {
	host := nameOfHost()
	names := []string{"localhost", host, host + ".local"}
	for _, name := range options.Hosts {
		names = append(names, strings.ToLower(strings.TrimSuffix(name, ".")))
	}
	cookie := "ota-" + strconv.Itoa(port)
	if tls {
		cookie = "__Host-" + cookie
	}
	return &guard{options.Door, names, cookie, tls}
}

// nameOfHost is the first part of the machine's name, in lower case.
func nameOfHost() string {
	name, err := os.Hostname()
	name, _, _ = strings.Cut(strings.ToLower(name), ".")
	if err != nil || name == "" {
		return "localhost"
	}
	return name
}

// headers are those of every answer. No page of another origin may hold, open or
// read anything of ours, and no page of ours does anything but what its own
// scripts, from their files, do. The answers of the API that are files add to it.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'",
	"X-Content-Type-Options": "nosniff",
	"X-Frame-Options":        "DENY",
	// Not "no-referrer": browsers then call the origin of a form "null".
	"Referrer-Policy":              "same-origin",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
	"Cache-Control":                "no-store",
}

// around leads requests to the login, or, of those who have been let in, inside.
func (g *guard) around(login, inside http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		// A body of who is not let in is not read: it ends the connection.
		problem := g.check(r)
		isLogin := r.URL.Path == "/login" || strings.HasPrefix(r.URL.Path, "/login/")
		isPairing := r.Method == http.MethodPost && r.URL.Path == api.PairPath // which asks for a code itself
		if problem != nil || isLogin || isPairing {
			usedBy(r.Context(), stranger)
		}
		if problem != nil {
			w.Header().Set("Connection", "close")
			api.WriteProblem(w, problem)
			return
		}
		switch {
		case g.tls && r.TLS == nil:
			toTLS(w, r)
		case isLogin:
			login.ServeHTTP(w, r)
		case isPairing:
			inside.ServeHTTP(w, r)
		default:
			g.letIn(w, r, inside)
		}
	})
}

// toTLS sends who spoke plain HTTP to the same address with TLS.
func toTLS(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		api.WriteProblem(w, api.NewProblem(http.StatusUpgradeRequired, "use https:// here", ""))
		return
	}
	http.Redirect(w, r, "https://"+r.Host+r.URL.RequestURI(), http.StatusTemporaryRedirect)
}

// check refuses what no honest browser or script sends.
func (g *guard) check(r *http.Request) *api.Problem {
	if r.URL.Opaque != "" || !strings.HasPrefix(r.URL.Path, "/") {
		return api.NewProblem(http.StatusBadRequest, "the request is for no path", "")
	}
	if !g.knows(r.Host) {
		return api.NewProblem(http.StatusMisdirectedRequest, fmt.Sprintf("%q is not a name of this machine", r.Host),
			"use its address, or add the name to hosts in [web] of ota.toml")
	}
	if !isOwn(r) {
		return api.NewProblem(http.StatusForbidden, "the request comes from another site", "")
	}
	return nil
}

// knows tells whether a request is meant for this machine. An address always is:
// who makes a browser take his own name for our address (DNS rebinding) still
// has that name in the request. A zone, which means something on the machine of
// who asks only, no client sends (RFC 6874, 4); anything could stand in one.
func (g *guard) knows(host string) bool {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, ""
	}
	if rest, ok := strings.CutPrefix(host, "["); ok { // an address of IPv6, and nothing else
		name, port, ok = strings.Cut(rest, "]")
		if ip, err := netip.ParseAddr(name); !ok || err != nil || !ip.Is6() {
			return false
		}
		port = strings.TrimPrefix(port, ":")
	}
	if strings.Trim(port, "0123456789") != "" {
		return false
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.Zone() == ""
	}
	return slices.Contains(g.names, strings.ToLower(strings.TrimSuffix(name, ".")))
}

// origins compares Sec-Fetch-Site, or Origin with Host, of what changes
// something.
var origins = http.NewCrossOriginProtection()

// isOwn tells whether a request comes from our own page, from no page at all, or
// is only the way to it. Other ports of the same machine are other sites.
func isOwn(r *http.Request) bool {
	if origins.Check(r) != nil {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		isLink := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
		return isLink && (r.URL.Path == "/" || r.URL.Path == "/login")
	}
	origin := r.Header.Get("Origin")
	return origin == "" || isSame(origin, r.Host, r.TLS != nil)
}

// isSame compares an origin with the host that was asked. What a browser calls
// "null" is no place of ours, and neither is, where we speak TLS, one without:
// whoever stands on the way can write such a page. (Without TLS there may be a
// proxy before us that has it.)
func isSame(origin, host string, tls bool) bool {
	scheme, rest, found := strings.Cut(origin, "://")
	return found && strings.EqualFold(rest, host) && (scheme == "https" || scheme == "http" && !tls)
}

// letIn finds out who it is, and sends the others to the login.
func (g *guard) letIn(w http.ResponseWriter, r *http.Request, inside http.Handler) {
	// It ends with the request in every case, as the keeper demands.
	ctx, end := context.WithCancel(r.Context())
	defer end()
	ctx, err := g.admit(ctx, r)
	if err != nil {
		usedBy(r.Context(), stranger)
		g.refuse(w, r, err)
		return
	}
	usedBy(ctx, api.CallerOf(ctx).Name)
	inside.ServeHTTP(w, r.WithContext(ctx))
}

// errStranger is the error for who has brought nothing.
var errStranger = hint.With(errors.New("log in first"), `"ota web" on the machine gives a link, "ota web token" a token for a script`)

// admit puts into the context who asks. A token decides alone. A cookie is sent
// by a browser whoever had the idea, so that what changes something must say
// where it comes from, as all browsers do.
func (g *guard) admit(ctx context.Context, r *http.Request) (context.Context, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, token, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return ctx, errStranger
		}
		return g.door.Token(ctx, addressOf(r), strings.TrimSpace(token))
	}
	cookie, err := r.Cookie(g.cookie)
	if err != nil {
		return ctx, errStranger
	}
	isSafe := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !isSafe && r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" {
		return ctx, hint.With(errors.New("the request does not say where it comes from"), "a script brings a token instead of a cookie")
	}
	if known, ok := g.door.Session(ctx, cookie.Value); ok {
		return known, nil
	}
	return ctx, errStranger
}

// refuse sends a person to the login, and tells a script why not.
func (g *guard) refuse(w http.ResponseWriter, r *http.Request, err error) {
	// What comes with the request is not read.
	w.Header().Set("Connection", "close")
	if r.URL.Path == "/" && r.Method == http.MethodGet {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="ota"`)
	status, wait := http.StatusUnauthorized, waitOf(err)
	if wait > 0 {
		status = http.StatusTooManyRequests
	}
	problem := api.NewProblem(status, err.Error(), hint.Of(err))
	problem.Wait = wait
	api.WriteProblem(w, problem)
}

// waitOf is how many seconds somebody is to wait before the next try; 0: none.
func waitOf(err error) int {
	slow, ok := errors.AsType[*access.SlowDown](err)
	if !ok {
		return 0
	}
	return slow.Seconds()
}

func addressOf(r *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return from.Addr().Unmap()
}
