package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"
)

// readJSON reads the body of a request into something that says with its tags
// all that may be in it. The route says how large it may be.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		w.Header().Set("Accept", "application/json")
		return newProblem(http.StatusUnsupportedMediaType, "the body is to be JSON, with the Content-Type application/json")
	}
	text, err := io.ReadAll(r.Body)
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(large.Limit)
	}
	if err != nil {
		return newProblem(http.StatusBadRequest, "the body did not arrive: "+err.Error())
	}
	if !utf8.Valid(text) {
		return newProblem(http.StatusBadRequest, "the body is not UTF-8")
	}
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		return newProblem(http.StatusBadRequest, "the body is no JSON object")
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

// takeTime lifts the limit on reading: the request has been read, and where the
// limit ends an answer under way, net/http takes the client for gone.
func takeTime(w http.ResponseWriter) {
	// Only a writer that knows no deadline fails here, and it sets no limit.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
}

func writeJSON(w http.ResponseWriter, v any) error {
	text, err := encode(v)
	if err != nil {
		return newProblem(http.StatusInternalServerError, err.Error())
	}
	write(w, "application/json", http.StatusOK, text)
	return nil
}

func writeProblem(w http.ResponseWriter, problem *Problem) {
	text, err := json.Marshal(problem)
	if err != nil {
		text = []byte("{}")
	}
	if problem.Wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(problem.Wait))
	}
	write(w, "application/problem+json", problem.Status, text)
}

// write does not tell whether the client still listened: nothing hangs on it.
func write(w http.ResponseWriter, kind string, status int, text []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
	_, _ = w.Write(text)
}
