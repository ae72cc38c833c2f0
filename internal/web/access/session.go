package access

import (
	"context"
	"net/netip"
	"time"

	"ota/internal/api"
)

const (
	// idle is how long a session lives that nobody uses, and longest how long
	// any does.
	idle    = 7 * 24 * time.Hour
	longest = 30 * 24 * time.Hour
	// maxSessions are more than a household has browsers.
	maxSessions = 64
	// writeAgain is how old what the file says of a session in use may get: a
	// card wears out.
	writeAgain = 24 * time.Hour
)

// sessionRights are those of somebody at the page.
var sessionRights = []api.Right{api.Read, api.Upload, api.Control}

// session is a browser that has logged in. Times count from the start of ota, so
// that of one that is older are negative.
type session struct {
	hash    digest // of the cookie
	created time.Duration
	expires time.Duration // unless it is used
	saved   time.Duration // when expires was last written down
	visits  int           // requests under way; with one of them it is in use
	ended   context.Context
	end     context.CancelFunc
}

// newSession makes one that ends by itself when it is as old as any may get.
func newSession(hash digest, created, expires, now time.Duration) *session {
	s := &session{hash: hash, created: created, expires: expires, saved: now}
	s.ended, s.end = context.WithTimeout(context.Background(), created+longest-now)
	return s
}

// isOver is false under who looks at the page; that ends with [session.ended].
func (s *session) isOver(now time.Duration) bool { return s.visits == 0 && now >= s.expires }

func (s *session) use(now time.Duration) { s.expires = min(now+idle, s.created+longest) }

// begin makes a session for who has logged in. A disk that takes nothing keeps
// nobody out.
func (k *Keeper) begin(by string, from netip.Addr) (cookie string) {
	now := k.now()
	k.brake.right(from)
	k.sweep(now)
	for len(k.sessions) >= maxSessions {
		k.endFirst()
	}
	cookie = newSecret()
	k.sessions = append(k.sessions, newSession(digestOf(cookie), now, now+idle, now))
	k.log.Info("somebody has logged in to the page", "by", by, "from", from)
	if err := k.save(); err != nil {
		k.log.Warn("a login can't be written down, and ends with ota", "error", err)
	}
	return cookie
}

// sweep forgets the sessions that are over.
func (k *Keeper) sweep(now time.Duration) {
	live := k.sessions[:0]
	for _, one := range k.sessions {
		if one.isOver(now) {
			one.end()
		} else {
			live = append(live, one)
		}
	}
	clear(k.sessions[len(live):])
	k.sessions = live
}

// endFirst ends the session that would end first by itself.
func (k *Keeper) endFirst() {
	first := 0
	for i, one := range k.sessions {
		if one.expires < k.sessions[first].expires {
			first = i
		}
	}
	k.sessions[first].end()
	k.sessions = remove(k.sessions, first)
}

// Session lets in who shows the cookie of a session. The context is that of the
// request with the caller in it. It ends when the session does, and the session
// counts as used until it ends: whoever calls makes sure that ctx ends with the
// request, as that of an [net/http.Request] does.
func (k *Keeper) Session(ctx context.Context, cookie string) (context.Context, bool) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	s := k.sessionOf(cookie)
	if s == nil {
		return ctx, false
	}
	s.visits++
	k.touch(s)
	return lend(ctx, s.ended, api.Caller{Name: "the page", Rights: sessionRights}, func() { k.leave(s) }), true
}

func (k *Keeper) leave(s *session) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	s.visits--
	s.use(k.now())
}

// sessionOf returns the session of a cookie; nil: there is none.
func (k *Keeper) sessionOf(cookie string) *session {
	k.sweep(k.now())
	at := find(k.sessions, digestOf(cookie), func(s *session) digest { return s.hash })
	if at < 0 {
		return nil
	}
	return k.sessions[at]
}

// touch notes that a session is used, and writes that down now and then.
func (k *Keeper) touch(s *session) {
	now := k.now()
	s.use(now)
	if now-s.saved < writeAgain && !k.clockWasSet(now) {
		return
	}
	if err := k.save(); err != nil {
		k.log.Warn("it can't be written down who has logged in to the page", "error", err)
	}
}

// Logout ends the session of a cookie. One that there is not is no error.
func (k *Keeper) Logout(cookie string) error {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	s := k.sessionOf(cookie)
	if s == nil {
		return nil
	}
	s.end()
	k.sessions = remove(k.sessions, find(k.sessions, s.hash, func(s *session) digest { return s.hash }))
	return k.saveEnd("the session has")
}
