package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"ota/internal/api"
	"ota/internal/kit/durable"
)

const (
	fileMode = 0o600
	// fileBytes is several times what a file with all that it may hold has.
	fileBytes = 1 << 20
	// damaged ends the name of a file that can't be read.
	damaged = ".damaged"
	// What a password in the file may cost: more was not written by ota, and would
	// let nobody else try for hours.
	mostStoredIterations = 10_000_000
)

// earliest is before any session was: a time before it is of a clock that had
// not been set.
var earliest = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// stored is the file.
type stored struct {
	Password *password       `json:"password"` // null: there is none
	Tokens   []storedToken   `json:"tokens"`
	Sessions []storedSession `json:"sessions"`
}

type storedToken struct {
	Name    string      `json:"name"`
	Allow   []api.Right `json:"allow"`
	Created time.Time   `json:"created"`
	Hash    digest      `json:"sha256"`
}

type storedSession struct {
	Hash    digest    `json:"sha256"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"` // unless it is used
}

// load takes what the file holds.
func (k *Keeper) load() {
	data, err := readSmall(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = k.take(data)
	}
	if err == nil {
		return
	}
	aside := k.path + damaged
	k.log.Error("it can't be read who may come in over the network: nobody may until it is said anew", "file", k.path, "error", err)
	if err := os.Rename(k.path, aside); err != nil {
		k.log.Error("the damaged file can't be set aside", "error", err)
		return
	}
	k.log.Info("the damaged file was set aside", "file", aside)
}

// readSmall reads a plain file; with anything else in its place ota would hang
// or run out of memory.
func readSmall(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no plain file")
	case info.Size() > fileBytes:
		return nil, fmt.Errorf("it has more than %d bytes", fileBytes)
	}
	return os.ReadFile(path)
}

// take takes all that the data of a file hold, or nothing.
func (k *Keeper) take(data []byte) error {
	from, err := decode(data)
	if err != nil {
		return err
	}
	now, wall := k.now(), k.wall()
	k.password = from.Password
	for _, one := range from.Tokens {
		k.tokens = append(k.tokens, newToken(one.Name, one.Allow, one.Created, one.Hash))
	}
	for _, one := range from.Sessions {
		if s := one.since(now, wall); s != nil {
			k.sessions = append(k.sessions, s)
		}
	}
	k.written = written{now, wall.Add(-now)}
	return nil
}

// since makes it a session of this run; nil: it has ended.
func (s storedSession) since(now time.Duration, wall time.Time) *session {
	age, life := wall.Sub(s.Created), s.Expires.Sub(s.Created)
	if s.Created.Before(earliest) || age < 0 || life < 0 || life > longest {
		return newSession(s.Hash, now, now+idle, now)
	}
	left := min(life-age, idle)
	if left <= 0 {
		return nil
	}
	return newSession(s.Hash, now-age, now+left, now)
}

// decode reads a file. Members that it does not know are of a newer ota, and no
// error; all others must be right.
func decode(data []byte) (stored, error) {
	var file stored
	if err := json.Unmarshal(data, &file); err != nil {
		return stored{}, err
	}
	if p := file.Password; p != nil && (len(p.Salt) < saltBytes || len(p.Key) != len(digest{}) ||
		p.Iterations < 1 || p.Iterations > mostStoredIterations) {
		return stored{}, errors.New("the password is damaged")
	}
	if len(file.Tokens) > maxTokens || len(file.Sessions) > maxSessions {
		return stored{}, errors.New("there are more tokens or sessions than there can be")
	}
	for i, one := range file.Tokens {
		allow, err := rights(one.Allow)
		if err != nil || !isTokenName(one.Name) {
			return stored{}, fmt.Errorf("token %d is damaged", i+1)
		}
		if i > 0 && file.Tokens[i-1].Name >= one.Name {
			return stored{}, errors.New("the tokens are not in order")
		}
		file.Tokens[i].Allow = allow
	}
	for i, one := range file.Sessions {
		if slices.ContainsFunc(file.Sessions[:i], func(other storedSession) bool { return other.Hash == one.Hash }) {
			return stored{}, errors.New("a session is there twice")
		}
	}
	return file, nil
}

// written is when the file was last written or read.
type written struct {
	at    time.Duration
	start time.Time // of ota, by the wall clock of then
}

// clockWasSet reports whether the wall clock has been set since the file was
// written, so that its times are those of another clock. It looks once an hour,
// for a clock that is set again and again.
func (k *Keeper) clockWasSet(now time.Duration) bool {
	if now-k.written.at < time.Hour {
		return false
	}
	moved := k.wall().Add(-now).Sub(k.written.start)
	return moved.Abs() > time.Hour
}

// save writes the file. The mutex is held: two may not write one file.
func (k *Keeper) save() error {
	now, wall := k.now(), k.wall()
	data, err := json.MarshalIndent(k.stored(now, wall), "", "  ")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", k.path, err)
	}
	for _, one := range k.sessions {
		one.saved = now
	}
	k.written = written{now, wall.Add(-now)}
	return durable.WriteFile(k.path, append(data, '\n'), fileMode)
}

// stored is all that is kept, with its times as the wall clock has them now.
func (k *Keeper) stored(now time.Duration, wall time.Time) stored {
	at := func(moment time.Duration) time.Time { return wall.Add(moment - now).UTC().Truncate(time.Second) }
	file := stored{Password: k.password, Tokens: []storedToken{}, Sessions: []storedSession{}}
	for _, one := range k.tokens {
		file.Tokens = append(file.Tokens, storedToken{one.name, one.allow, one.created, one.hash})
	}
	for _, one := range k.sessions {
		file.Sessions = append(file.Sessions, storedSession{one.hash, at(one.created), at(one.expires)})
	}
	return file
}
