package access

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"ota/internal/api"
)

const (
	// tokenPrefix is for programs that look for secrets where none should be.
	tokenPrefix = "ota_"
	maxTokens   = 100
)

// isTokenName: it can be typed, stands in an address as it is, and is neither
// "." nor an option.
func isTokenName(name string) bool {
	return name != "" && len(name) <= longestName && strings.IndexByte(letters, name[0]) >= 0 && strings.Trim(name, nameLetters) == ""
}

const (
	longestName = 40
	letters     = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	nameLetters = letters + "-_.@"
)

// token lets a script in.
type token struct {
	name    string
	allow   []api.Right
	created time.Time // by the wall clock
	hash    digest    // of the secret
	ended   context.Context
	end     context.CancelFunc
}

func newToken(name string, allow []api.Right, created time.Time, hash digest) *token {
	t := &token{name: name, allow: allow, created: created, hash: hash}
	t.ended, t.end = context.WithCancel(context.Background())
	return t
}

// NewToken makes a token. What it returns is kept nowhere. The error is an
// *[api.Unfit] or that of the disk: then there is no token.
func (k *Keeper) NewToken(name string, allow []api.Right) (secret string, err error) {
	if !isTokenName(name) {
		return "", &api.Unfit{
			Reason: fmt.Sprintf("a token can't be called %q", name),
			Advice: `a name is 1 to 40 letters, digits and the characters "-", "_", ".", "@"; a letter or a digit comes first`,
		}
	}
	allow, err = rights(allow)
	if err != nil {
		return "", err
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.issue(name, allow)
}

// issue makes a token that is fit to be made.
func (k *Keeper) issue(name string, allow []api.Right) (secret string, err error) {
	at, taken := k.tokenNamed(name)
	switch {
	case taken:
		return "", &api.Unfit{Reason: "there is a token " + name + " already", Advice: `"ota web token revoke ` + name + `" ends it`}
	case len(k.tokens) >= maxTokens:
		return "", &api.Unfit{Reason: fmt.Sprintf("there are %d tokens already", maxTokens), Advice: `"ota web token revoke" ends one`}
	}
	secret = tokenPrefix + newSecret()
	made := newToken(name, allow, k.wall().UTC().Truncate(time.Second), digestOf(secret))
	k.tokens = slices.Insert(k.tokens, at, made)
	if err := k.save(); err != nil {
		k.tokens = remove(k.tokens, at)
		return "", err
	}
	k.log.Info("a token was made", "name", name, "allow", allow)
	return secret, nil
}

// rights brings rights in order, each once.
func rights(allow []api.Right) ([]api.Right, error) {
	var known []api.Right
	for _, right := range api.Rights {
		if slices.Contains(allow, right) {
			known = append(known, right)
		}
	}
	for _, right := range allow {
		if !slices.Contains(api.Rights, right) {
			return nil, &api.Unfit{Reason: fmt.Sprintf("a token can't allow %q", right), Advice: "it may allow " + api.Words(api.Rights)}
		}
	}
	if len(known) == 0 {
		return nil, &api.Unfit{Reason: "a token must allow something", Advice: "it may allow " + api.Words(api.Rights)}
	}
	return known, nil
}

// tokenNamed is where the token is, or would be.
func (k *Keeper) tokenNamed(name string) (at int, found bool) {
	return slices.BinarySearchFunc(k.tokens, name, func(t *token, name string) int { return strings.Compare(t.name, name) })
}

// Tokens returns the tokens, by name.
func (k *Keeper) Tokens() []api.Token {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	list := make([]api.Token, len(k.tokens))
	for i, one := range k.tokens {
		list[i] = api.Token{Name: one.name, Allow: slices.Clone(one.allow), Created: one.created}
	}
	return list
}

// Token lets in who shows a token, as [Keeper.Session] does. The error is
// ErrToken or a *[SlowDown].
func (k *Keeper) Token(ctx context.Context, from netip.Addr, bearer string) (context.Context, error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if at := find(k.tokens, digestOf(bearer), func(t *token) digest { return t.hash }); at >= 0 {
		found := k.tokens[at]
		return lend(ctx, found.ended, api.Caller{Name: "token " + found.name, Rights: found.allow}, func() {}), nil
	}
	if err := k.brake.check(from, k.now()); err != nil {
		return ctx, err
	}
	return ctx, k.wrong(from, ErrToken)
}

// Revoke ends a token, even where the error says that it can't be written down.
// The error is an *[api.NoToken] where there is none.
func (k *Keeper) Revoke(name string) error {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	at, found := k.tokenNamed(name)
	if !found {
		return &api.NoToken{Name: name}
	}
	k.tokens[at].end()
	k.tokens = remove(k.tokens, at)
	k.log.Info("a token was revoked", "name", name)
	return k.saveEnd("the token has")
}

// Peek returns the tokens that are in the file of a [Keeper], without their
// secrets. It changes nothing.
func Peek(path string) ([]api.Token, error) {
	data, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	from, err := decode(data)
	if err != nil {
		return nil, err
	}
	tokens := make([]api.Token, len(from.Tokens))
	for i, one := range from.Tokens {
		tokens[i] = api.Token{Name: one.Name, Allow: one.Allow, Created: one.Created}
	}
	return tokens, nil
}
