package api

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
)

// route is one thing to ask for. It answers by itself or returns why not.
//
// Each file that answers requests lists its routes in a method of its own, one
// line each, and is named in [Server.routes]:
//
//	func (s *Server) fileRoutes() []route {
//		return []route{
//			{http.MethodGet, prefix + "/files/{area}", looking, 0, s.list},
//			{http.MethodPost, prefix + "/drops", uploading, jsonBytes, s.newDrop},
//		}
//	}
//
// An element of the pattern in braces stands for any one element of a path; the
// handler finds it, decoded, with r.PathValue. A slash, a NUL or another control
// character is never in it, and it is never empty, "." or "..". GET answers HEAD
// too, for which net/http leaves out the body.
//
// Before the handler is called, the caller was found to have one of the rights
// if there are any, and a body that is larger than allowed was refused. The handler returns a
// *[Problem] or an error of the house (see problemOf), or writes its answer with
// writeJSON, or by itself. It reads JSON with readJSON, and what comes behind
// the question mark with [asked].
type route struct {
	method  string
	pattern string
	rights  []Right // any one of them is enough
	body    int64   // bytes that it may have; 0: there is none
	answer  answering
}

// How large a body may be.
const (
	jsonBytes = 16 << 10      // what is said in JSON is short
	anyBytes  = math.MaxInt64 // the handler knows better
)

// The rights that routes need.
var (
	looking     = []Right{Read}
	uploading   = []Right{Upload}
	controlling = []Right{Control}
	owning      = []Right{Owner}
	anybody     []Right // needs none
)

// routes is all that can be asked for.
func (s *Server) routes() []route {
	return slices.Concat(
		s.lookRoutes(),
		s.steerRoutes(),
		s.sourceRoutes(),
		s.fileRoutes(),
		s.gateRoutes(),
		s.heirRoutes(),
		s.eventRoutes(),
		s.machineRoutes(),
		s.receiveRoutes(),
		dropAnswers{s.house}.routes(),
		newUploads(s.house).routes(),
		s.documentRoutes(),
	)
}

// Handler answers for the house what each caller has the right to. Who that is
// must be in the context of the request (see [WithCaller]); nobody else has any
// right. What a Server for the same house is asked to do it does not know of:
// where there is one, take its handler.
func Handler(house House, log *slog.Logger) http.Handler { return New(house, "", log).Handler() }

// Handler answers what each caller has the right to, like the function of that
// name.
func (s *Server) Handler() http.Handler {
	routes := s.routes()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noted := &reply{ResponseWriter: w}
		defer s.caught(noted, r)
		if err := answer(routes, noted, r); err != nil {
			writeProblem(noted, problemOf(r.Context(), err))
		}
	})
}

// caught answers for a handler that panicked: the program runs on, whatever a
// request may have found.
func (s *Server) caught(w *reply, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
	s.log.Error("a request has met a fault of ota", "method", r.Method, "path", r.URL.Path,
		"fault", fmt.Sprint(cause), "stack", string(debug.Stack()))
	if w.begun { // what follows would be taken for a part of the answer
		panic(http.ErrAbortHandler)
	}
	clear(w.Header())
	writeProblem(w, newProblem(http.StatusInternalServerError, "this is a fault of ota; its log says more"))
}

// answer finds the route.
func answer(routes []route, w *reply, r *http.Request) error {
	caller := CallerOf(r.Context())
	var here []route
	path, clean := elements(r.URL)
	for _, one := range routes {
		if clean && one.matches(path) && one.shows(caller) {
			here = append(here, one)
		}
	}
	if len(here) == 0 {
		return newProblem(http.StatusNotFound, fmt.Sprintf("there is no %q here", r.URL.Path))
	}
	i := slices.IndexFunc(here, func(one route) bool { return one.takes(r.Method, here) })
	if i < 0 {
		w.Header().Set("Allow", strings.Join(methodsOf(here), ", "))
		return newProblem(http.StatusMethodNotAllowed, "use "+here[0].method)
	}
	found := here[i]
	if len(found.rights) > 0 && !slices.ContainsFunc(found.rights, caller.May) {
		return forbidden(found.rights)
	}
	if found.body == 0 && r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
		return newProblem(http.StatusRequestEntityTooLarge, "a request has no body here")
	}
	if r.ContentLength > found.body {
		w.Header().Set("Connection", "close")
		return tooLarge(found.body)
	}
	r.Body = http.MaxBytesReader(w.ResponseWriter, r.Body, found.body)
	found.takeValues(r, path)
	return found.answer(w, r)
}

func forbidden(rights []Right) *Problem {
	var words []string
	for _, right := range rights {
		words = append(words, string(right))
	}
	return newProblem(http.StatusForbidden, "this needs the right to "+strings.Join(words, " or "))
}

func tooLarge(most int64) *Problem {
	return newProblem(http.StatusRequestEntityTooLarge, fmt.Sprintf("a body has at most %d bytes here", most))
}

// elements takes a path apart as it was sent, so that an escaped slash does not
// become one. A path that something could understand in another way is not
// clean, and is nowhere: one with an empty element, with "." or "..", or with a
// control character.
func elements(of *url.URL) (found []element, clean bool) {
	rest, rooted := strings.CutPrefix(of.EscapedPath(), "/")
	for sent := range strings.SplitSeq(rest, "/") {
		text, err := url.PathUnescape(sent)
		if err != nil || text == "" || text == "." || text == ".." || strings.ContainsFunc(text, isUnclean) {
			return nil, false
		}
		found = append(found, element{sent, text})
	}
	return found, rooted
}

func isUnclean(r rune) bool { return r < ' ' || r == '/' || r == '\x7f' }

// element is a part of a path, as it was sent and as it is meant.
type element struct{ sent, text string }

func (one route) parts() []string { return strings.Split(one.pattern[1:], "/") }

// matches compares letter by letter: there is one way to write what a pattern
// says.
func (one route) matches(path []element) bool {
	if strings.Count(one.pattern, "/") != len(path) {
		return false
	}
	for i, part := range one.parts() {
		if part[0] != '{' && part != path[i].sent {
			return false
		}
	}
	return true
}

func (one route) takeValues(r *http.Request, path []element) {
	for i, part := range one.parts() {
		if part[0] == '{' {
			r.SetPathValue(part[1:len(part)-1], path[i].text)
		}
	}
}

// shows hides what is the owner's from everybody else.
func (one route) shows(caller Caller) bool {
	return caller.May(Owner) || !slices.Contains(one.rights, Owner)
}

// takes reports whether the route is the one for a method. HEAD is that of GET
// where it is not there itself.
func (one route) takes(method string, here []route) bool {
	if method == http.MethodHead && one.method == http.MethodGet {
		return !slices.ContainsFunc(here, func(other route) bool { return other.method == http.MethodHead })
	}
	return method == one.method
}

func methodsOf(here []route) []string {
	var methods []string
	for _, one := range here {
		methods = append(methods, one.method)
		if one.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	slices.Sort(methods)
	return slices.Compact(methods)
}

// reply notes whether an answer has begun.
type reply struct {
	http.ResponseWriter
	begun bool
}

// WriteHeader begins the answer; what comes before one (1xx) does not.
func (w *reply) WriteHeader(status int) {
	w.begun = w.begun || status >= http.StatusOK
	w.ResponseWriter.WriteHeader(status)
}

// Write begins the answer.
func (w *reply) Write(text []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(text)
}

// ReadFrom lets the system send a file.
func (w *reply) ReadFrom(from io.Reader) (int64, error) {
	w.begun = true
	return io.Copy(w.ResponseWriter, from)
}

// Unwrap is for http.ResponseController.
func (w *reply) Unwrap() http.ResponseWriter { return w.ResponseWriter }
