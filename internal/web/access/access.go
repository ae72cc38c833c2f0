// Package access decides who may come in over the network.
//
// In: what somebody shows: a cookie, a token, a code, a password. Out: a context
// with the caller and its rights in it, which ends when the rights do; the file
// .ota/access.json, so that a new start of ota logs nobody out. Never: a secret
// in that file or in the log; a request, a header or a page.
//
// There are four ways to a session, which is what a browser has: a one-time link
// (128 bits, ten minutes), a pairing code (8 letters, five minutes, five tries),
// the password, and the cookie of a session that has begun. A script has a token
// and no session. Of all secrets only hashes are kept: SHA-256 of those that a
// machine made, PBKDF2 of the password.
//
// Wrong tries are slowed down, for each address and in all. A valid session,
// token or link never is: whoever guesses can't lock out who knows.
//
// No clock is trusted. In one run of ota times are counted from its start by the
// monotonic clock. The times in the file are of the wall clock, and a session
// whose times make no sense at the next start (a device without a clock begins
// in 1970) lives its full time from then on.
package access

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"ota/internal/api"
	"ota/internal/kit/hint"
)

// ErrWrong is the error for a code or a password that is not right.
var ErrWrong = errors.New("that is not the password, and no code that is valid now")

// ErrLink is the error for a one-time link that does not let in any more.
var ErrLink = hint.With(errors.New("the link was used already, or is older than 10 minutes"), `"ota web" on the device makes a new one`)

// ErrToken is the error for a token that there is not.
var ErrToken = hint.With(errors.New("there is no such token"), `"ota web token" on the device makes one`)

// ErrEnded is the cause of the end of a context whose session has ended or whose
// token was revoked.
var ErrEnded = errors.New("who was let in may not be here any longer")

// Keeper knows who may come in. Several goroutines may use it.
type Keeper struct {
	path    string
	log     *slog.Logger
	started time.Time        // what now counts from
	wall    func() time.Time // the clock that people read
	cost    func() int       // iterations for a new password

	// verifying is held by the one who checks a password: that takes a small
	// device a second of all that it has.
	verifying sync.Mutex

	mutex    sync.Mutex // of what follows
	password *password  // nil: there is none
	tokens   []*token   // by name
	sessions []*session
	links    []link
	pair     *pairing // nil: there is none
	brake    brake
	written  written
}

// Open reads the file at path. One that is damaged is set aside and lets nobody
// in; one that is not there lets nobody in either.
func Open(path string, log *slog.Logger) *Keeper {
	k := newKeeper(path, log)
	k.load()
	return k
}

func newKeeper(path string, log *slog.Logger) *Keeper {
	return &Keeper{path: path, log: log, started: time.Now(), wall: wallClock, cost: iterations}
}

// wallClock leaves out the monotonic part: two readings of it differ by what the
// clock was set, too.
func wallClock() time.Time { return time.Now().Round(0) }

// now is the time since the start, by a clock that is never set.
func (k *Keeper) now() time.Duration { return time.Since(k.started) }

// Login begins a session for who shows the code of a link, the pairing code or
// the password, and returns its cookie. The error is ErrWrong, ErrLink or a
// *[SlowDown].
func (k *Keeper) Login(from netip.Addr, secret string) (cookie string, err error) {
	code := strings.TrimSpace(secret)
	switch {
	case code == "":
		return "", ErrWrong
	case isLink(code):
		return k.loginByLink(from, code)
	}
	cookie, err = k.loginByPair(from, code)
	if errors.Is(err, errPassword) {
		return k.loginByPassword(from, secret)
	}
	return cookie, err
}

func (k *Keeper) loginByLink(from netip.Addr, code string) (cookie string, err error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if !k.takeLink(code) {
		return "", ErrLink
	}
	return k.begin("link", from), nil
}

// errPassword: it is no pairing code, but may be the password.
var errPassword = errors.New("the password decides")

func (k *Keeper) loginByPair(from netip.Addr, code string) (cookie string, err error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if err := k.brake.check(from, k.now()); err != nil {
		return "", err
	}
	switch {
	case k.takePair(code):
		return k.begin("pairing code", from), nil
	case k.password != nil:
		return "", errPassword
	default:
		return "", k.wrong(from, ErrWrong)
	}
}

// loginByPassword checks one password at a time, without keeping those out who
// are in.
func (k *Keeper) loginByPassword(from netip.Addr, secret string) (cookie string, err error) {
	if !k.verifying.TryLock() {
		return "", &SlowDown{After: time.Second}
	}
	defer k.verifying.Unlock()
	k.mutex.Lock()
	known, err := k.password, k.brake.check(from, k.now())
	k.mutex.Unlock()
	if err != nil {
		return "", err
	}
	right := known != nil && known.is(secret)
	k.mutex.Lock()
	defer k.mutex.Unlock()
	// It may have been another one meanwhile.
	if !right || k.password != known {
		return "", k.wrong(from, ErrWrong)
	}
	return k.begin("password", from), nil
}

// wrong counts a wrong try and returns the error for it.
func (k *Keeper) wrong(from netip.Addr, err error) error {
	switch k.brake.wrong(from, k.now()) {
	case slowsAddress:
		k.log.Warn("somebody does not get in, and is slowed down", "from", from)
	case slowsAll:
		k.log.Warn("too many wrong tries to get in: passwords and pairing codes are slowed down for everybody")
	}
	return err
}

// lend gives a request the rights of who was let in, until these end.
func lend(ctx, ended context.Context, caller api.Caller, leave func()) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(ended, func() { cancel(ErrEnded) })
	context.AfterFunc(ctx, func() {
		stop()
		leave()
	})
	return api.WithCaller(ctx, caller)
}

// HasPassword reports whether a password is set.
func (k *Keeper) HasPassword() bool {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.password != nil
}

// SetPassword sets the password; "" takes it away. Both end all sessions and
// make all codes void. The error is an *[api.Unfit] or that of the disk: then
// nothing has changed.
func (k *Keeper) SetPassword(text string) error {
	var next *password
	if text != "" {
		if err := fits(text); err != nil {
			return err
		}
		var err error
		if next, err = newPassword(text, k.cost()); err != nil {
			return fmt.Errorf("cannot set the password: %w", err)
		}
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	before, sessions := k.password, k.sessions
	k.password, k.sessions = next, nil
	if err := k.save(); err != nil {
		k.password, k.sessions = before, sessions
		return err
	}
	for _, one := range sessions {
		one.end()
	}
	k.voidCodes()
	if next == nil {
		k.log.Info("the password of the page was taken away")
	} else {
		k.log.Info("the password of the page was set")
	}
	return nil
}

// EndSessions logs everybody out, and makes all codes void. They are out even
// where the error says that it can't be written down.
func (k *Keeper) EndSessions() error {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	for _, one := range k.sessions {
		one.end()
	}
	k.sessions = nil
	k.voidCodes()
	k.log.Info("everybody was logged out of the page")
	return k.saveEnd("the sessions have")
}

func (k *Keeper) voidCodes() { k.links, k.pair = nil, nil }

// saveEnd writes down that something has ended.
func (k *Keeper) saveEnd(what string) error {
	if err := k.save(); err != nil {
		return fmt.Errorf("%s ended, but only until ota is started anew: %w", what, err)
	}
	return nil
}

// find returns the place of a hash in a list, -1 if it is not there, in a time
// that does not tell how much of it was right.
func find[T any](list []T, hash digest, of func(T) digest) int {
	found := -1
	for i, one := range list {
		if hash.is(of(one)) {
			found = i
		}
	}
	return found
}

// newSecret has more than 128 bits, in the letters of base32.
func newSecret() string { return rand.Text() }

func remove[T any](list []T, at int) []T { return slices.Delete(list, at, at+1) }
