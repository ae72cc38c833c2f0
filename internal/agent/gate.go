package agent

import (
	"context"
	"errors"
	"fmt"

	"ota/internal/api"
	"ota/internal/kit/handover"
	"ota/internal/kit/hint"
	"ota/internal/web"
)

// page is the server of the page, a [web.Server].
type page interface {
	Run(ctx context.Context) error
	Web() api.Web
	TakeOver(web.Handed, *handover.Received) error
	Handed(*handover.Bag) (web.Handed, error)
	Answers(ctx context.Context) error
}

// Web says where the page is.
func (a *agent) Web() api.Web {
	web := a.page.Web()
	web.Announced = a.announced.Load()
	return web
}

// pageAddress is where somebody can log in.
func (a *agent) pageAddress() (string, error) {
	web := a.Web()
	switch {
	case web.Address != nil:
		return *web.Address, nil
	case web.Problem != nil:
		return "", fmt.Errorf("the page can't be opened: %s", *web.Problem)
	default:
		return "", hint.With(errors.New("the page is off"), `say in ota.toml where it is, as in [web] listen = "127.0.0.1:8484", and start ota anew`)
	}
}

// loginPath is where the page takes the code of a link.
const loginPath = "/login?code="

// WebLink returns an address of the page that logs in once.
func (a *agent) WebLink() (string, error) {
	address, err := a.pageAddress()
	if err != nil {
		return "", err
	}
	return address + loginPath + a.access.NewLink(), nil
}

// Pair returns a code that logs in once.
func (a *agent) Pair() (api.PairCode, error) {
	address, err := a.pageAddress()
	if err != nil {
		return api.PairCode{}, err
	}
	code, until := a.access.Pair()
	return api.PairCode{Code: code, Address: &address, Until: until}, nil
}

// SetPassword sets the password, and ends all sessions; "" takes it away.
func (a *agent) SetPassword(password string) error { return a.access.SetPassword(password) }

// Tokens returns the tokens without their secrets.
func (a *agent) Tokens() []api.Token { return a.access.Tokens() }

// NewToken makes a token.
func (a *agent) NewToken(name string, allow []api.Right) (secret string, err error) {
	return a.access.NewToken(name, allow)
}

// RevokeToken ends a token.
func (a *agent) RevokeToken(name string) error { return a.access.Revoke(name) }

// EndSessions logs everybody out.
func (a *agent) EndSessions() error { return a.access.EndSessions() }
