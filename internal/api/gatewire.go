package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"unicode/utf8"
)

// gateRoute is one thing to ask of the gate.
type gateRoute struct {
	method  string
	pattern string
	rights  []Right
	body    int64 // bytes that it may have; 0: there is none
	answer  func(http.ResponseWriter, *http.Request) error
}

var owning = []Right{Owner}

// gate answers the requests that are about who may come in. Whoever may use the
// control socket has the right.
func (s *Server) gate() *http.ServeMux {
	mux := http.NewServeMux()
	for _, one := range s.gateRoutes() {
		mux.HandleFunc(one.method+" "+one.pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := one.take(w, r); err != nil {
				writeProblem(w, problemOf(r.Context(), err))
			}
		})
	}
	return mux
}

func (one gateRoute) take(w http.ResponseWriter, r *http.Request) error {
	if one.body == 0 && r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
		return newProblem(http.StatusRequestEntityTooLarge, "a request has no body here")
	}
	r.Body = http.MaxBytesReader(w, r.Body, one.body)
	return one.answer(w, r)
}

// readJSON reads the body of a request into something that says with its tags
// all that may be in it.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	text, err := io.ReadAll(r.Body)
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		w.Header().Set("Connection", "close")
		return newProblem(http.StatusRequestEntityTooLarge, fmt.Sprintf("a body has at most %d bytes here", large.Limit))
	}
	if err != nil {
		return newProblem(http.StatusBadRequest, "the body did not arrive: "+err.Error())
	}
	if !utf8.Valid(text) {
		return newProblem(http.StatusBadRequest, "the body is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return newProblem(http.StatusBadRequest, "the body is not what is to be there: "+err.Error())
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return newProblem(http.StatusBadRequest, "there is something behind the end of the JSON of the body")
	}
	return nil
}
