package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// The tus protocol, version 1.0.0 (tus.io/protocols/resumable-upload): a file
// comes in any number of pieces. Of its extensions creation, creation-with-upload
// and termination are there. Expiration is not: a device may have no clock.
const (
	tusVersion    = "1.0.0"
	tusExtensions = "creation,creation-with-upload,termination"
	// largestUpload is the largest size that every reader of JSON can count.
	largestUpload = 1 << 53
	pieceType     = "application/offset+octet-stream"
)

// Names of headers.
const (
	resumableHeader = "Tus-Resumable"
	offsetHeader    = "Upload-Offset"
	lengthHeader    = "Upload-Length"
	metadataHeader  = "Upload-Metadata"
)

const (
	// stalled is how long a connection may say nothing before another one may
	// go on in its place: of a connection that was lost nobody else tells.
	stalled = 3 * time.Second
	// letGo is how long that takes at most.
	letGo = 5 * time.Second
)

// uploads answers clients of the tus protocol.
type uploads struct {
	drops  Drops
	mutex  sync.Mutex // guards bodies
	bodies map[string]*body
}

func newUploads(drops Drops) *uploads { return &uploads{drops: drops, bodies: map[string]*body{}} }

func (u *uploads) routes() []route {
	return []route{
		{http.MethodOptions, prefix + "/uploads", uploading, 0, u.options},
		{http.MethodPost, prefix + "/uploads", uploading, largestUpload, u.tus(u.create)},
		{http.MethodHead, prefix + "/uploads/{id}", uploading, 0, u.tus(u.offset)},
		{http.MethodPatch, prefix + "/uploads/{id}", uploading, largestUpload, u.tus(u.add)},
		{http.MethodDelete, prefix + "/uploads/{id}", uploading, 0, u.tus(u.cancel)},
	}
}

func (u *uploads) options(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set(resumableHeader, tusVersion)
	w.Header().Set("Tus-Version", tusVersion)
	w.Header().Set("Tus-Extension", tusExtensions)
	w.Header().Set("Tus-Max-Size", strconv.FormatInt(largestUpload, 10))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// tus makes sure of the version. Where a request is refused the rest of its body
// is not waited for.
func (u *uploads) tus(answer func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set(resumableHeader, tusVersion)
		w.Header().Set("Cache-Control", "no-store")
		var err error
		if r.Header.Get(resumableHeader) != tusVersion {
			w.Header().Set("Tus-Version", tusVersion)
			err = newProblem(http.StatusPreconditionFailed, "the version of the protocol is "+tusVersion+": say so in "+resumableHeader)
		} else {
			err = dropProblem(answer(w, r))
		}
		if err != nil && r.ContentLength != 0 {
			w.Header().Set("Connection", "close")
		}
		return err
	}
}

// create begins a file, and takes the first piece of it if there is one.
func (u *uploads) create(w http.ResponseWriter, r *http.Request) error {
	for _, name := range []string{"Upload-Defer-Length", "Upload-Concat"} {
		if r.Header.Get(name) != "" {
			return bad("%s is not offered here", name)
		}
	}
	size, err := countIn(r, lengthHeader)
	if err != nil {
		return err
	}
	if size > largestUpload {
		return newProblem(http.StatusRequestEntityTooLarge, "a file can't be that large")
	}
	metadata, err := readMetadata(r.Header.Values(metadataHeader))
	if err != nil {
		return err
	}
	hasPiece := r.ContentLength != 0
	switch {
	case hasPiece && r.Header.Get("Content-Type") != pieceType:
		return newProblem(http.StatusUnsupportedMediaType, "a piece of a file is "+pieceType)
	case r.ContentLength > size:
		return ErrTooMuch
	}
	arrival, err := u.drops.NewArrival(metadata["drop"], metadata.path(), size)
	if err != nil {
		return err
	}
	w.Header().Set("Location", prefix+"/uploads/"+arrival.ID)
	if hasPiece || size == 0 {
		if err := u.take(w, r, arrival.ID, 0); err != nil {
			return err
		}
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

// offset says how much of a file there is.
func (u *uploads) offset(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	u.takeOver(r.Context(), id)
	arrival, err := u.drops.Arrival(id)
	if err != nil {
		return err
	}
	w.Header().Set(offsetHeader, strconv.FormatInt(arrival.Offset, 10))
	w.Header().Set(lengthHeader, strconv.FormatInt(arrival.Size, 10))
	w.Header().Set(metadataHeader, metadataOf(arrival))
	w.WriteHeader(http.StatusOK)
	return nil
}

// add takes one more piece.
func (u *uploads) add(w http.ResponseWriter, r *http.Request) error {
	if r.Header.Get("Content-Type") != pieceType {
		return newProblem(http.StatusUnsupportedMediaType, "a piece of a file is "+pieceType)
	}
	offset, err := countIn(r, offsetHeader)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	u.takeOver(r.Context(), id)
	arrival, err := u.drops.Arrival(id)
	switch {
	case err != nil:
		return err
	case arrival.Offset != offset:
		w.Header().Set(offsetHeader, strconv.FormatInt(arrival.Offset, 10))
		return &WrongOffset{arrival.Offset}
	case r.ContentLength > arrival.Size-offset:
		return ErrTooMuch
	}
	if err := u.take(w, r, id, offset); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (u *uploads) cancel(w http.ResponseWriter, r *http.Request) error {
	takeTime(w)
	if err := u.drops.CancelArrival(r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// take reads a piece, for as long as it comes.
func (u *uploads) take(w http.ResponseWriter, r *http.Request, id string, offset int64) error {
	from := newBody(w, r)
	u.mutex.Lock()
	if u.bodies[id] == nil {
		u.bodies[id] = from
	}
	u.mutex.Unlock()
	defer func() {
		from.end()
		u.mutex.Lock()
		defer u.mutex.Unlock()
		if u.bodies[id] == from {
			delete(u.bodies, id)
		}
	}()
	at, err := u.drops.Append(r.Context(), id, offset, from)
	takeTime(w)
	w.Header().Set(offsetHeader, strconv.FormatInt(at, 10))
	return err
}

// takeOver ends a connection that says nothing, so that another can go on with
// the file. Where the client has lost it, the server would hear of that only
// when it gives up.
func (u *uploads) takeOver(ctx context.Context, id string) {
	u.mutex.Lock()
	other := u.bodies[id]
	u.mutex.Unlock()
	if other == nil || !other.cut() {
		return
	}
	limit := time.NewTimer(letGo)
	defer limit.Stop()
	select {
	case <-other.ended:
	case <-limit.C:
	case <-ctx.Done():
	}
}

func bad(format string, args ...any) error {
	return newProblem(http.StatusBadRequest, fmt.Sprintf(format, args...))
}

// countIn reads a header that is a number of bytes.
func countIn(r *http.Request, name string) (int64, error) {
	values := r.Header.Values(name)
	if len(values) != 1 {
		return 0, bad("%s is missing, or there more than once", name)
	}
	n, err := strconv.ParseUint(values[0], 10, 63)
	if err != nil {
		return 0, bad("%s is a number of bytes, not %q", name, values[0])
	}
	return int64(n), nil
}

// metadata is what a client says of a file.
type metadata map[string]string

// path is where below deposit/ it is to go.
func (m metadata) path() string {
	if path := m["relativePath"]; path != "" {
		return path
	}
	return m["filename"]
}

// longestKey is more than any key that means something here.
const longestKey = 64

// readMetadata reads "key base64,key base64,key".
func readMetadata(headers []string) (metadata, error) {
	if len(headers) != 1 || headers[0] == "" {
		return nil, bad("%s is missing, or there more than once: it says where the file goes, as relativePath", metadataHeader)
	}
	found := metadata{}
	for pair := range strings.SplitSeq(headers[0], ",") {
		key, encoded, _ := strings.Cut(strings.TrimSpace(pair), " ")
		if key == "" || len(key) > longestKey {
			return nil, bad("%s has a key that is empty or too long", metadataHeader)
		}
		if _, twice := found[key]; twice {
			return nil, bad("%s has %q twice", metadataHeader, key)
		}
		value, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if err != nil {
			return nil, bad("%s: the value of %q is not base64", metadataHeader, key)
		}
		if !utf8.Valid(value) {
			return nil, bad("%s: the value of %q is not UTF-8", metadataHeader, key)
		}
		found[key] = string(value)
	}
	return found, nil
}

func metadataOf(arrival Arrival) string {
	text := "relativePath " + base64.StdEncoding.EncodeToString([]byte(arrival.Path))
	if arrival.Drop != nil {
		text += ",drop " + base64.StdEncoding.EncodeToString([]byte(*arrival.Drop))
	}
	return text
}
