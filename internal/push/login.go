package push

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"
	"sync"

	"ota/internal/ssh"
)

// login is one login over ssh for many connections, one after the other: on a
// small device it takes longer than all the rest of a push. It is made when it is
// needed first, and again when it has ended.
type login struct {
	mutex   sync.Mutex
	session *ssh.Session // nil: there is none
	cut     context.CancelFunc
}

// Keep returns the place with one login for all connections to it, which is held
// until leave is called. Where nobody logs in, or ssh can't share a login
// (Windows), that changes nothing.
func (p Place) Keep() (kept Place, leave func()) {
	if p.remote == nil {
		return p, func() {}
	}
	p.kept = &login{}
	return p, p.kept.end
}

// command is the call that runs argv behind ssh.
func (p Place) command(ctx context.Context, argv ...string) (*exec.Cmd, error) {
	if p.kept == nil {
		return p.remote.Command(ctx, argv...), nil
	}
	session, err := p.kept.open(ctx, *p.remote)
	if err != nil {
		return nil, err
	}
	return session.Command(ctx, argv...), nil
}

// open returns the session, which outlives ctx if it is made.
func (l *login) open(ctx context.Context, target ssh.Target) (*ssh.Session, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.session != nil && !l.session.HasEnded() {
		return l.session, nil
	}
	l.close()
	lasting, cut := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cut)
	defer stop()
	var said bytes.Buffer
	session, err := ssh.Open(lasting, target, false, &said)
	if err != nil {
		cut()
		return nil, reason(said.String(), err)
	}
	l.session, l.cut = session, cut
	return session, nil
}

// reason is what ssh has said last, or err if it has said nothing.
func reason(said string, err error) error {
	said = strings.TrimSpace(said)
	if said == "" {
		return err
	}
	return errors.New(strings.TrimSpace(said[strings.LastIndexByte(said, '\n')+1:]))
}

func (l *login) end() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.close()
}

func (l *login) close() {
	if l.session != nil {
		// One over which nothing gets through would not end by itself for a minute.
		l.cut()
		_ = l.session.Close()
		l.session = nil
	}
}
