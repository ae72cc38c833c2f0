package access

import (
	"net/netip"
	"strconv"
	"strings"

	"ota/internal/api"
)

// pairedRights are those of who pushes: a push is followed to its end.
var pairedRights = []api.Right{api.Read, api.Upload}

// Paired makes a token for a computer that shows the pairing code, which is used
// up. The token is called as the computer wants, as far as that is fit and free.
// The error is ErrWrong, a *[SlowDown], or one of [Keeper.NewToken].
func (k *Keeper) Paired(from netip.Addr, code, name string) (api.IssuedToken, error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	token := api.IssuedToken{Allow: pairedRights}
	if err := k.brake.check(from, k.now()); err != nil {
		return token, err
	}
	if !k.takePair(strings.TrimSpace(code)) {
		return token, k.wrong(from, ErrWrong)
	}
	k.brake.right(from)
	token.Name = k.freeName(name)
	var err error
	token.Secret, err = k.issue(token.Name, token.Allow)
	return token, err
}

// freeName makes a name of a token of what somebody wants to be called.
func (k *Keeper) freeName(wanted string) string {
	fit := strings.TrimLeft(strings.Map(func(r rune) rune {
		if strings.ContainsRune(nameLetters, r) {
			return r
		}
		return '-'
	}, wanted), nameLetters[len(letters):])
	if fit == "" {
		fit = "computer"
	}
	const room = len("-100")
	fit = fit[:min(len(fit), longestName-room)]
	name := fit
	for n := 2; ; n++ {
		if _, taken := k.tokenNamed(name); !taken {
			return name
		}
		name = fit + "-" + strconv.Itoa(n)
	}
}
