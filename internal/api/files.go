package api

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// pathBytes is as long as a path may be for the system (PATH_MAX).
	pathBytes = 4096
	// viewBytes is how much of a file is shown; all of it can be downloaded.
	viewBytes = 1 << 20
	// stallTime is how long a reader may take nothing of a download. There is no
	// limit on the whole: a card is large and a network may be slow.
	stallTime = time.Minute
)

// fileRoutes are what can be looked through and taken away.
func (s *Server) fileRoutes() []route {
	return []route{
		{http.MethodGet, prefix + "/files/{area}", looking, 0, s.listFiles},
		{http.MethodGet, prefix + "/files/{area}/content", looking, 0, s.fileContent},
		{http.MethodGet, prefix + "/releases/{number}/archive", looking, 0, s.archive},
		{http.MethodGet, prefix + "/logs/files", looking, 0, s.logFiles},
		{http.MethodGet, prefix + "/logs/files/{name}", looking, 0, s.logFile},
	}
}

func (s *Server) listFiles(w http.ResponseWriter, r *http.Request) error {
	area, path, wrong := placeOf(r)
	if wrong != nil {
		return wrong
	}
	listing, err := s.house.List(area, path)
	if err != nil {
		return err
	}
	return writeJSON(w, listing)
}

func (s *Server) fileContent(w http.ResponseWriter, r *http.Request) error {
	area, path, wrong := placeOf(r)
	query := asked{Values: r.URL.Query()}
	if path == "" {
		query.refuse("path is missing: which file?")
	}
	view := query.is("view", false)
	if wrong := cmp.Or(wrong, query.wrong); wrong != nil {
		return wrong
	}
	content, err := s.house.Open(area, path)
	if err != nil {
		return err
	}
	defer content.Close()
	if view {
		return showText(w, r, content)
	}
	return giveAway(w, r, content)
}

func (s *Server) archive(w http.ResponseWriter, r *http.Request) error {
	number, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || number <= 0 {
		return newProblem(http.StatusBadRequest, fmt.Sprintf("%q is not the number of a release", r.PathValue("number")))
	}
	kinds := map[ArchiveFormat]string{Zip: "application/zip", TarGz: "application/gzip"}
	format := cmp.Or(ArchiveFormat(r.URL.Query().Get("format")), Zip)
	kind, known := kinds[format]
	if !known {
		return newProblem(http.StatusBadRequest, fmt.Sprintf("format is %s or %s, not %q", Zip, TarGz, string(format)))
	}
	if err := s.packing.try("others are just taking releases away"); err != nil {
		return err
	}
	defer s.packing.end()
	archive, err := s.house.Archive(number, format)
	if err != nil {
		return err
	}
	takeTime(w)
	reader := newPatient(r.Context(), w)
	reader.first = func() { describe(w, "attachment", archive.Name, kind) }
	err = archive.Write(r.Context(), reader)
	switch {
	case err == nil:
		return nil
	case !reader.begun && reader.failed == nil:
		return err
	case reader.failed == nil && r.Context().Err() == nil:
		s.log.Warn("an archive was broken off", "release", number, "error", err)
	}
	// Nobody must take half an archive for a whole one.
	panic(http.ErrAbortHandler)
}

func (s *Server) logFiles(w http.ResponseWriter, _ *http.Request) error {
	files, err := s.house.LogFiles()
	if err != nil {
		return err
	}
	return writeJSON(w, List[LogFile](files))
}

func (s *Server) logFile(w http.ResponseWriter, r *http.Request) error {
	content, err := s.house.OpenLog(r.PathValue("name"))
	if err != nil {
		return err
	}
	defer content.Close()
	return giveAway(w, r, content)
}

// placeOf reads area and path of a request; "" is the top. What the path names
// the house decides; here it only has to be a path below the area.
func placeOf(r *http.Request) (Area, string, *Problem) {
	area := Area(r.PathValue("area"))
	if area != MainArea && area != DepositArea {
		return "", "", newProblem(http.StatusNotFound, fmt.Sprintf("there is no area %q; there are %s and %s", string(area), MainArea, DepositArea))
	}
	path := r.URL.Query().Get("path")
	if path == "" {
		return area, "", nil
	}
	if len(path) > pathBytes || strings.ContainsRune(path, 0) {
		return "", "", newProblem(http.StatusBadRequest, "path is longer than a path can be, or holds a zero byte")
	}
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." || name == ".." {
			return "", "", newProblem(http.StatusBadRequest, fmt.Sprintf("path must lead down from %s/, name by name, as in lib/net.py", area))
		}
	}
	return area, path, nil
}

// giveAway answers with a file to be kept, or with the ranges of it that were
// asked for.
func giveAway(w http.ResponseWriter, r *http.Request, content *Content) error {
	takeTime(w)
	describe(w, "attachment", content.Name, "application/octet-stream")
	w.Header().Set("ETag", fmt.Sprintf(`"%x-%x"`, content.Modified.UnixNano(), content.Size))
	http.ServeContent(newPatient(r.Context(), w), r, "", content.Modified, content)
	return nil
}

// showText answers with the beginning of a file that is a text.
func showText(w http.ResponseWriter, r *http.Request, content *Content) error {
	text, err := io.ReadAll(io.LimitReader(content, viewBytes+1))
	if err != nil {
		return err
	}
	more := len(text) > viewBytes
	if more {
		text = wholeRunes(text[:viewBytes])
	}
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		problem := newProblem(http.StatusConflict, "it is not a text")
		problem.Advice = "download it to look at it with a program of yours"
		return problem
	}
	describe(w, "inline", content.Name, "text/plain; charset=utf-8")
	if more {
		w.Header().Set(incompleteHeader, "this is its first MB")
	}
	_, _ = newPatient(r.Context(), w).Write(text) // nothing hangs on whether it is read
	return nil
}

// wholeRunes cuts off a character that is not there to its end.
func wholeRunes(text []byte) []byte {
	for cut := 1; cut < utf8.UTFMax && cut <= len(text); cut++ {
		if last := text[len(text)-cut:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				return text[:len(text)-cut]
			}
			break
		}
	}
	return text
}

// describe says what an answer is. Whatever the file holds, no browser takes it
// for a page of ours.
func describe(w http.ResponseWriter, disposition, name, kind string) {
	header := w.Header()
	header.Set("Content-Type", kind)
	header.Set("Content-Disposition", dispositionOf(disposition, name))
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	header.Set("Cache-Control", "no-store")
}

// dispositionOf names a file as RFC 6266 has it: in ASCII, and where that is not
// all of it, also in UTF-8. What can't be seen becomes "_", so that no name reads
// otherwise than it is.
func dispositionOf(disposition, name string) string {
	seen := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r == '/' || r == '\\' || !strconv.IsPrint(r) {
			return '_'
		}
		return r
	}, name)
	var ascii, encoded strings.Builder
	for _, r := range seen {
		if r >= utf8.RuneSelf || strings.ContainsRune(`"%`, r) {
			r = '_'
		}
		ascii.WriteRune(r)
	}
	value := disposition + `; filename="` + ascii.String() + `"`
	if ascii.String() == seen {
		return value
	}
	for _, b := range []byte(seen) {
		if isAttrChar(b) {
			encoded.WriteByte(b)
		} else {
			fmt.Fprintf(&encoded, "%%%02X", b)
		}
	}
	return value + "; filename*=UTF-8''" + encoded.String()
}

// isAttrChar is what RFC 8187 lets stand for itself.
func isAttrChar(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || strings.IndexByte("!#$&+-.^_`|~", b) >= 0
}

// patient is a writer to somebody who may be slow, but has to take something,
// and as long as he may.
type patient struct {
	http.ResponseWriter
	ctx     context.Context
	control *http.ResponseController
	first   func() // before the first byte; nil: nothing
	begun   bool
	failed  error // of a write: the reader has gone
}

func newPatient(ctx context.Context, w http.ResponseWriter) *patient {
	return &patient{ResponseWriter: w, ctx: ctx, control: http.NewResponseController(w)}
}

// Write writes in steps for which there is time each.
func (p *patient) Write(text []byte) (written int, err error) {
	if !p.begun && p.first != nil {
		p.first()
	}
	p.begun = true
	const step = 32 << 10
	for len(text) > 0 && p.failed == nil {
		if p.failed = p.ctx.Err(); p.failed != nil {
			break
		}
		deadline := p.control.SetWriteDeadline(time.Now().Add(stallTime))
		if deadline != nil && !errors.Is(deadline, http.ErrNotSupported) {
			p.failed = deadline
			break
		}
		var n int
		n, p.failed = p.ResponseWriter.Write(text[:min(step, len(text))])
		written, text = written+n, text[n:]
	}
	return written, p.failed
}

// Unwrap lets an http.ResponseController find the connection.
func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }
