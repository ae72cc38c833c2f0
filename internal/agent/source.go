package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ota/internal/admission"
	"ota/internal/api"
	"ota/internal/check"
	"ota/internal/config"
	"ota/internal/deposit"
	"ota/internal/kit/copysum"
	"ota/internal/kit/durable"
	"ota/internal/kit/hint"
	"ota/internal/parcel"
	"ota/internal/reason"
	"ota/internal/source"
)

// newSource makes what fetches releases, where [source] names a place; else nil.
func (a *agent) newSource() *source.Source {
	place := a.place()
	if place == nil {
		return nil
	}
	return source.New(source.Options{
		Place: place, Record: a.folder.fetched(), Poll: a.config.Source.Poll, House: fetches{agent: a}, Changed: a.changed, Log: a.log,
	})
}

// runSource fetches releases until ctx ends; without a source it removes what only
// one needs. What says who has signed the release in deposit/ stays: that may wait
// there still.
func (a *agent) runSource(ctx context.Context) error {
	if a.source != nil {
		return a.source.Run(ctx)
	}
	if err := os.RemoveAll(a.folder.fetching()); err != nil {
		a.log.Warn("what was fetched once can't be removed", "error", err)
	}
	return nil
}

func (a *agent) place() source.Place {
	set := a.config.Source
	var token func() (string, error)
	if set.TokenFile != "" {
		token = func() (string, error) { return readToken(a.folder.beside(set.TokenFile)) }
	}
	switch {
	case set.URL != "":
		return source.NewURL(source.URLOptions{
			Address: set.URL, Token: token, Dir: a.folder.fetching(), Agent: "ota/" + a.options.Version,
			Room: a.roomToFetch, Signed: a.trust.Required, ClockSet: func() *bool { return a.vitals.machine.Facts().ClockSet },
		})
	case set.Git != "":
		options := source.GitOptions{
			Address: set.Git, Ref: set.Branch, Folder: set.Folder, App: a.config.Device.App, Dir: a.folder.fetching(),
			Token: token, Signed: a.trust.Required, Room: a.roomToFetch,
		}
		if set.OnlySigned {
			options.Signers = func(message, signature []byte) ([]string, error) {
				return a.trust.Signers("git", message, signature)
			}
		}
		return source.NewGit(options)
	}
	return nil
}

// longestToken is more than any token has.
const longestToken = 16 << 10

// readToken reads a file with one line.
func readToken(path string) (string, error) {
	const advice = "[source] token_file names a file with the token in it, in one line"
	file, err := openRegular(path)
	if err != nil {
		return "", hint.With(err, advice)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, longestToken))
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return "", hint.With(fmt.Errorf("%s does not hold a token", path), advice)
	}
	return token, nil
}

// roomToFetch asks for room for what is fetched.
func (a *agent) roomToFetch(bytes int64) error {
	return check.Space(check.Need{Dir: a.folder.own(), Bytes: bytes, Files: 1})
}

// admitted decides about a packed release. One without a signature may be one that
// ota has made itself, of a commit that was signed.
func (a *agent) admitted(manifest, signature []byte) (admission.Admitted, error) {
	admitted, err := admittedIn(a.folder, a.config.Source, a.trust)(manifest, signature)
	if err == nil {
		a.tellUndated(admitted)
	}
	return admitted, err
}

// tellUndated says, once for each release, that its expiry does not count, as
// nobody keeps the clock right.
func (a *agent) tellUndated(admitted admission.Admitted) {
	m := admitted.Manifest
	if m.Expires == nil || clockOf(a.vitals).Known() {
		return
	}
	if before := a.undated.Swap(&admitted.Sum); before == nil || *before != admitted.Sum {
		a.log.Warn("it is not known whether the release has expired: nobody keeps the clock right",
			"release", m.Name(), "expires", m.Expires.Format(time.DateOnly))
	}
}

// admittedIn is that for any folder.
func admittedIn(place folder, set config.Source, trust *admission.Keeper) func(manifest, signature []byte) (admission.Admitted, error) {
	return func(manifest, signature []byte) (admission.Admitted, error) {
		if signature == nil && set.OnlySigned {
			if signers := source.Vouched(place.fetched(), hexSum(manifest)); signers != nil {
				return trust.AdmitMade(manifest, signers)
			}
		}
		return trust.Admit(manifest, signature)
	}
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// fetches is the house as a source sees it. It does not embed the agent: a
// wrapper for each of its methods would be 25 kB of the binary.
type fetches struct{ agent *agent }

// Judge reads a release, of one that would be taken all of it. A connection that
// breaks may look like the end of a file (RFC 9112, section 8): half a release
// would lie in deposit/ and count as fetched.
func (f fetches) Judge(ctx context.Context, fetched *source.Fetched) (source.Judged, error) {
	judged, err := f.judge(ctx, fetched)
	if ctx.Err() != nil {
		return source.Judged{}, ctx.Err() // and the release is not at fault
	}
	return judged, err
}

func (f fetches) judge(ctx context.Context, fetched *source.Fetched) (source.Judged, error) {
	file, err := os.Open(fetched.Path)
	if err != nil {
		return source.Judged{}, err
	}
	defer file.Close()
	content := sha256.New()
	read := io.TeeReader(copysum.UntilDone(ctx, file), content)
	archive, err := parcel.OpenArchive(read)
	if err != nil {
		return source.Judged{}, fmt.Errorf("what is there is no packed release: %w", err)
	}
	defer archive.Close()
	judged := source.Judged{Sum: hexSum(archive.Manifest)}
	if m, err := parcel.Decode(archive.Manifest); err == nil {
		judged.Name = m.Name()
	}
	var admitted admission.Admitted
	if fetched.Signers != nil {
		admitted, err = f.agent.trust.AdmitMade(archive.Manifest, fetched.Signers)
	} else {
		admitted, err = f.agent.trust.Admit(archive.Manifest, archive.Signature)
	}
	if refused, ok := errors.AsType[*reason.Refused](err); ok {
		judged.Refused = refused.Reasons[0].Message
	} else if err == nil {
		err = whole(archive, admitted.Manifest)
	}
	if err != nil && judged.Refused == "" {
		return judged, err
	}
	_, err = io.Copy(io.Discard, read) // what has not been read yet
	judged.Content = hex.EncodeToString(content.Sum(nil))
	return judged, err
}

// whole says how an archive is not what its manifest lists. Nothing is written, so
// no room is asked for: who unpacks it into a candidate does.
func whole(archive *parcel.Archive, m *parcel.Manifest) error {
	err := archive.Unpack(m, func(_ parcel.Entry, content io.Reader) error {
		_, err := io.Copy(io.Discard, content)
		return err
	})
	if err != nil {
		return fmt.Errorf("the release has not come whole: %w", err)
	}
	return nil
}

// Waits reports whether somebody's own upload is in deposit/.
func (f fetches) Waits(placed source.Placed) (bool, error) {
	return f.agent.deposit.Others(func(path string, info fs.FileInfo) bool { return placed == placedAt(path, info) })
}

func placedAt(name string, info fs.FileInfo) source.Placed {
	return source.Placed{Name: name, Size: info.Size(), Time: info.ModTime().UnixNano()}
}

// Deliver puts a file into deposit/, under its whole name at once.
func (f fetches) Deliver(ctx context.Context, path, name string) (source.Placed, error) {
	folder := f.agent.folder.deposit()
	if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return source.Placed{}, err
	}
	file, err := os.Open(path)
	if err != nil {
		return source.Placed{}, err
	}
	err = errors.Join(deposit.OwnerOf(folder).Give(file, 0o644), file.Close())
	if err != nil {
		return source.Placed{}, err
	}
	target := filepath.Join(folder, name)
	if os.Rename(path, target) != nil { // deposit/ may be on another disk
		if err := f.agent.copyToDeposit(ctx, path, name); err != nil {
			return source.Placed{}, err
		}
		if err := durable.Remove(path); err != nil {
			return source.Placed{}, err
		}
	}
	if err := durable.SyncDir(folder); err != nil {
		return source.Placed{}, err
	}
	info, err := os.Lstat(target)
	if errors.Is(err, fs.ErrNotExist) { // it is on its way into main/ already
		return source.Placed{Name: name}, nil
	}
	if err != nil {
		return source.Placed{}, err
	}
	return placedAt(name, info), nil
}

// Poll looks for a new release now.
func (a *agent) Poll(ctx context.Context) (api.Polled, error) {
	if a.source == nil {
		return api.Polled{}, hint.With(errors.New("releases are fetched from nowhere"), "set [source] url or git in ota.toml")
	}
	result, err := a.source.Poll(ctx)
	polled := api.Polled{Outcome: api.PollOutcome(result.Outcome)}
	if result.Release != "" {
		polled.Release = &result.Release
	}
	if result.Reason != "" {
		polled.Reason = &result.Reason
	}
	return polled, err
}

// sourceState says how things stand with the source; nil: there is none.
func (a *agent) sourceState() *api.Source {
	if a.source == nil {
		return nil
	}
	now := a.source.State()
	shown := &api.Source{From: now.From, Reached: !now.IsAway}
	if now.Problem != "" {
		shown.Problem = &now.Problem
	}
	return shown
}
