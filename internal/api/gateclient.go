package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"unicode/utf8"
)

// Web asks where the page is.
func (c *Client) Web(ctx context.Context) (Web, error) {
	var web Web
	err := c.look(ctx, "/web", &web)
	return web, err
}

// WebLink asks for an address of the page that logs in once.
func (c *Client) WebLink(ctx context.Context) (LoginLink, error) {
	return await[LoginLink](ctx, c, http.MethodPost, "/web/link")
}

// Pair asks for a code that logs in once.
func (c *Client) Pair(ctx context.Context) (PairCode, error) {
	return await[PairCode](ctx, c, http.MethodPost, "/web/pair")
}

// SetPassword sets the password of the page, and ends all sessions; "" takes it
// away.
func (c *Client) SetPassword(ctx context.Context, password string) error {
	if !utf8.ValidString(password) { // JSON would hold another one
		return errors.New("the password is not text in UTF-8")
	}
	answer, err := c.send(ctx, http.MethodPost, "/web/password", map[string]string{"password": password})
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// Tokens asks for the tokens, without their secrets.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) {
	var tokens []Token
	err := c.look(ctx, "/web/tokens", &tokens)
	return tokens, err
}

// NewToken asks for a new one.
func (c *Client) NewToken(ctx context.Context, name string, allow []Right) (IssuedToken, error) {
	var token IssuedToken
	answer, err := c.send(ctx, http.MethodPost, "/web/tokens", map[string]any{"name": name, "allow": allow})
	if err != nil {
		return token, err
	}
	err = c.read(ctx, answer, &token)
	return token, err
}

// RevokeToken ends a token.
func (c *Client) RevokeToken(ctx context.Context, name string) error {
	answer, err := c.ask(ctx, http.MethodDelete, "/web/tokens/"+url.PathEscape(name))
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// EndSessions logs everybody out of the page.
func (c *Client) EndSessions(ctx context.Context) error { return c.steer(ctx, "/web/logout") }

// send asks with a JSON document. The answer's body must be closed.
func (c *Client) send(ctx context.Context, method, path string, document any) (*http.Response, error) {
	text, err := encode(document)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://ota"+prefix+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	return c.do(ctx, request)
}
