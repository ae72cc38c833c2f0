package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ota/internal/kit/durable"
	"ota/internal/kit/hint"
)

// URLOptions say which file is fetched, and how.
type URLOptions struct {
	Address string
	// Token is sent with the request; nil: none.
	Token func() (string, error)
	Dir   string // for what is on its way
	Agent string // how ota calls itself
	// Room says why this many bytes have no room.
	Room func(bytes int64) error
	// Signed reports whether only signed releases are taken: then it does not
	// matter who could change them on their way.
	Signed func() bool
	// ClockSet tells whether the clock can be believed; nil: not known.
	ClockSet func() *bool
}

// URL is a file on a web server, in a bucket or on the page of releases of a
// project: an archive of "ota pack".
type URL struct {
	URLOptions
	client *http.Client
	unfit  unfit
}

// unfit is a file whose size the server does not tell, and for which there was no
// room when this much had come.
type unfit struct {
	seen  Seen
	bytes int64
}

// Bounds of a talk with a web server.
const (
	dialTime   = 30 * time.Second
	headerTime = 60 * time.Second
	silence    = 60 * time.Second // in the middle of the file
	headBytes  = 64 << 10
	mostHops   = 5
	mostPieces = 20 // of a file whose connection breaks again and again
	roomStep   = 4 << 20
)

// NewURL remembers the options.
func NewURL(options URLOptions) *URL {
	return &URL{URLOptions: options, client: &http.Client{
		// A connection is not kept: the next look is in a quarter of an hour. What
		// is compressed already is not compressed again, which would change its tag.
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, DisableCompression: true,
			MaxResponseHeaderBytes: headBytes, TLSHandshakeTimeout: dialTime, ResponseHeaderTimeout: headerTime,
		},
		CheckRedirect: neverDown,
	}}
}

// neverDown follows no way that leaves TLS.
func neverDown(next *http.Request, before []*http.Request) error {
	if len(before) > mostHops {
		return fmt.Errorf("it leads on more than %d times", mostHops)
	}
	if last := before[len(before)-1]; last.URL.Scheme == "https" && next.URL.Scheme != "https" {
		return errors.New("it leads from https:// to " + next.URL.Scheme + "://, which is not followed")
	}
	return nil
}

// String is the address without what stands behind the question mark.
func (u *URL) String() string {
	address, _, _ := strings.Cut(u.Address, "?")
	return address
}

// host is for messages.
func (u *URL) host() string {
	parsed, err := url.Parse(u.Address)
	if err != nil {
		return u.String()
	}
	return parsed.Host
}

// name is what the file is called in deposit/, always the same: a new one takes
// the place of the old one.
func (u *URL) name() string {
	parsed, err := url.Parse(u.Address)
	if err == nil && strings.HasSuffix(parsed.Path, ".ota") {
		if name := path.Base(parsed.Path); isPlain(name) {
			return name
		}
	}
	return "source.ota"
}

// isPlain reports whether a name has only what every file system takes.
func isPlain(name string) bool {
	return len(name) <= 100 && name[0] != '.' && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._+-", c)
	})
}

// part is what is known of a file that is not whole yet.
type part struct {
	Address string `json:"address"`
	Seen    Seen   `json:"seen"`
}

func (u *URL) partFile() string   { return filepath.Join(u.Dir, "part") }
func (u *URL) partRecord() string { return filepath.Join(u.Dir, "part.json") }

// Fetch fetches the file, if it is another than before. Where the connection
// breaks it goes on from there, now or at the next look, as long as the file is
// the same.
func (u *URL) Fetch(ctx context.Context, before Seen) (*Fetched, error) {
	if strings.HasPrefix(u.Address, "http://") && !u.Signed() {
		return nil, hint.With(errors.New("http:// without TLS would let anybody on the way change the release"),
			"use https://, or put the keys that you trust into allowed_signers")
	}
	if err := os.MkdirAll(u.Dir, 0o700); err != nil {
		return nil, err
	}
	for pieces := 1; ; pieces++ {
		had := u.size()
		fetched, err := u.piece(ctx, before)
		if errors.Is(err, errBroken) && u.size() > had && pieces < mostPieces {
			continue
		}
		return fetched, err
	}
}

// size is how much of the file has come.
func (u *URL) size() int64 {
	info, err := os.Stat(u.partFile())
	if err != nil {
		return 0
	}
	return info.Size()
}

// errBroken is the error when what has come is right and not all.
var errBroken = errors.New("the connection broke")

// piece asks for the file, or for the rest of it.
func (u *URL) piece(ctx context.Context, before Seen) (*Fetched, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := u.request(ctx, before)
	if err != nil {
		return nil, err
	}
	begun := u.resumable()
	have := u.size()
	if have == 0 {
		begun = nil
	}
	if begun != nil {
		request.Header.Set("Range", "bytes="+strconv.FormatInt(have, 10)+"-")
		request.Header.Set("If-Range", begun.Seen.ETag)
	}
	response, err := u.client.Do(request)
	if err != nil {
		return nil, u.unreached(err)
	}
	defer response.Body.Close()
	switch code := response.StatusCode; {
	case code == http.StatusNotModified:
		return nil, u.drop()
	case code == http.StatusPartialContent && begun != nil:
		if !continues(response, have, begun.Seen.ETag) {
			return nil, errors.Join(errors.New("the server went on at another place than it was asked for"), u.drop())
		}
	case code == http.StatusOK:
		have = 0
		if err := u.begin(response); err != nil {
			return nil, err
		}
	case code == http.StatusRequestedRangeNotSatisfiable && begun != nil:
		return nil, errors.Join(errors.New("the server has less of the file than has come already"), u.drop())
	default:
		return nil, u.refusal(response)
	}
	if err := u.receive(cancel, response, have); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, err
	}
	if response.StatusCode == http.StatusPartialContent {
		return u.whole(begun.Seen)
	}
	return u.whole(seenIn(response))
}

func (u *URL) request(ctx context.Context, before Seen) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.Address, nil)
	if err != nil {
		return nil, bare(err)
	}
	request.Header.Set("User-Agent", u.Agent)
	request.Header.Set("Accept", "application/octet-stream") // GitHub gives the file itself then, and no JSON
	switch {
	case before.ETag != "":
		request.Header.Set("If-None-Match", before.ETag)
	case before.Modified != "":
		request.Header.Set("If-Modified-Since", before.Modified)
	}
	if u.Token != nil {
		token, err := u.Token()
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return request, nil
}

func seenIn(response *http.Response) Seen {
	seen := Seen{ETag: response.Header.Get("ETag")}
	if seen.ETag == "" {
		seen.Modified = response.Header.Get("Last-Modified")
	}
	return seen
}

// resumable returns what is known of the part that is here; nil: it is not known
// to be one of what is there now. Only a strong tag tells that (RFC 9110, 13.1.5).
func (u *URL) resumable() *part {
	var begun part
	if err := durable.ReadJSON(u.partRecord(), &begun); err != nil {
		return nil
	}
	if begun.Address != u.Address || !strings.HasPrefix(begun.Seen.ETag, `"`) {
		return nil
	}
	return &begun
}

// continues reports whether an answer goes on where the part ends.
func continues(response *http.Response, have int64, tag string) bool {
	if found := response.Header.Get("ETag"); found != "" && found != tag {
		return false
	}
	return strings.HasPrefix(response.Header.Get("Content-Range"), "bytes "+strconv.FormatInt(have, 10)+"-")
}

// begin makes an empty part, and writes down of what.
func (u *URL) begin(response *http.Response) error {
	if err := u.drop(); err != nil {
		return err
	}
	if encoding := response.Header.Get("Content-Encoding"); encoding != "" {
		return fmt.Errorf("the server sends the file in the encoding %q, which nobody has asked for", encoding)
	}
	if err := os.WriteFile(u.partFile(), nil, 0o600); err != nil {
		return err
	}
	return writeJSON(u.partRecord(), part{u.Address, seenIn(response)})
}

// drop forgets the part.
func (u *URL) drop() error {
	return errors.Join(removeIfThere(u.partRecord()), removeIfThere(u.partFile()))
}

// receive writes what comes behind the part. A server that says nothing for a
// minute has gone.
func (u *URL) receive(cancel context.CancelCauseFunc, response *http.Response, have int64) error {
	isTold, end := response.ContentLength >= 0, have+response.ContentLength
	if !isTold && u.unfit.seen == seenIn(response) {
		end = u.unfit.bytes
	}
	if err := u.Room(max(end-have, 0)); err != nil {
		return errors.Join(err, u.drop())
	}
	file, err := os.OpenFile(u.partFile(), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	quiet := time.AfterFunc(silence, func() { cancel(errBroken) })
	defer quiet.Stop()
	_, err = file.Seek(have, io.SeekStart)
	for err == nil {
		step := int64(roomStep)
		if isTold {
			step = min(step, end-have)
		}
		if err = u.Room(step); err != nil {
			if !isTold {
				u.unfit = unfit{seenIn(response), have + step}
			}
			return errors.Join(err, file.Close(), u.drop())
		}
		var came int64
		came, err = io.CopyN(file, awake{response.Body, quiet}, roomStep)
		have += came
	}
	onDisk := (*fs.PathError)(nil)
	switch {
	case errors.Is(err, io.EOF):
		err = durable.SyncData(file)
	case errors.As(err, &onDisk):
	default:
		err = fmt.Errorf("%w: %w", errBroken, bare(err))
	}
	return errors.Join(err, file.Close())
}

// awake notes that something comes.
type awake struct {
	from  io.Reader
	quiet *time.Timer
}

func (a awake) Read(p []byte) (int, error) {
	n, err := a.from.Read(p)
	a.quiet.Reset(silence)
	return n, err
}

// whole is what a part becomes that is all there.
func (u *URL) whole(seen Seen) (*Fetched, error) {
	done := filepath.Join(u.Dir, "release.ota")
	if err := os.Rename(u.partFile(), done); err != nil {
		return nil, err
	}
	if err := errors.Join(removeIfThere(u.partRecord()), durable.SyncDir(u.Dir)); err != nil {
		return nil, err
	}
	return &Fetched{Path: done, Name: u.name(), Seen: seen}, nil
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(path, append(data, '\n'), 0o600)
}
