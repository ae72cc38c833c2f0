package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"ota/internal/api"
	"ota/internal/kit/hint"
)

// Meeting is what a push brings to a device behind HTTPS.
type Meeting struct {
	Known       Known
	Fingerprint Fingerprint // of the certificate, as the user says; empty: as it is known
	Token       string      // likewise
	Pairing     Pairing
	Name        string // of this computer, as its token is to be called
	Ask         Asker  // nil: nobody is there
	Tell        func(text string)
}

// Pairing says when a token is asked for.
type Pairing string

// When that is.
const (
	IfNeeded Pairing = ""
	Anew     Pairing = "anew" // also where there is one
)

// Asker asks the person who pushes. Its error ends the meeting.
type Asker interface {
	// Trusts asks whether a certificate is that of the device.
	Trusts(host string, shown Fingerprint) (bool, error)
	// Code asks for the pairing code that the device shows.
	Code(host string) (string, error)
}

// mostCodes is how often a wrong code is asked for again.
const mostCodes = 3

// IsDevice reports whether the place is behind HTTPS.
func (p Place) IsDevice() bool { return p.device != nil }

// Meet makes sure that a place behind HTTPS is known here, and that it lets us in:
// by what is known of it, by what the user says, or by asking. What was learned is
// kept. With other places there is nothing to do.
func (p Place) Meet(ctx context.Context, m Meeting) error {
	if p.device == nil {
		return nil
	}
	known, err := m.Known.of(p.device.base)
	if err != nil {
		return fmt.Errorf("cannot read what is known of the devices: %w", err)
	}
	if err := p.device.recognize(ctx, m, known); err != nil {
		return err
	}
	switch {
	case m.Token != "":
		p.device.token = token{m.Token, given}
		return nil
	case known.Token != "" && m.Pairing != Anew:
		p.device.token = token{known.Token, paired}
		return nil
	case m.Ask == nil:
		return hint.With(errors.New("there is no token for it here"), `put one into OTA_TOKEN ("ota web token" on the device makes it), or push from a terminal once, which asks for the code of "ota web pair"`)
	}
	return p.device.pair(ctx, m)
}

// recognize finds out by what certificate the device is known. Nothing is asked of
// it before.
func (d *device) recognize(ctx context.Context, m Meeting, known acquaintance) error {
	if !d.isEncrypted() {
		return nil
	}
	d.pin = known.Fingerprint
	if m.Fingerprint != "" {
		d.pin = m.Fingerprint
	}
	if d.pin != "" && (d.pin == known.Fingerprint || m.Token != "") {
		return nil // every connection compares it, and there is nothing to learn
	}
	err := d.greet(ctx)
	unknown, isStranger := errors.AsType[*stranger](err)
	switch {
	case isStranger && known.Token != "": // an authority has vouched for it before
		return final{&changed{d.host, unknown.shown}}
	case isStranger && m.Ask != nil:
		trusted, err := m.Ask.Trusts(d.host, unknown.shown)
		if err != nil {
			return err
		}
		if !trusted {
			return errors.New("you do not know its certificate")
		}
		d.pin = unknown.shown
	case err != nil:
		return err
	}
	if d.pin == "" {
		return nil // an authority vouches for it
	}
	return d.keep(m, func(one *acquaintance) { one.Fingerprint = d.pin })
}

// greet has the certificate shown, with a request that says nothing of us.
func (d *device) greet(ctx context.Context) error {
	answer, err := d.ask(ctx, http.MethodGet, "/login", http.Header{}, "", http.StatusOK)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

func (d *device) keep(m Meeting, change func(*acquaintance)) error {
	if err := m.Known.learn(d.base, change); err != nil {
		return fmt.Errorf("cannot keep what is known of the device: %w", err)
	}
	return nil
}

// pair gets a token for the code that the device shows.
func (d *device) pair(ctx context.Context, m Meeting) error {
	for left := mostCodes; ; left-- {
		code, err := m.Ask.Code(d.host)
		if err != nil {
			return err
		}
		got, err := d.show(ctx, code, m.Name)
		if _, ok := errors.AsType[wrongCode](err); ok && left > 1 {
			m.Tell(err.Error())
			continue
		}
		if err != nil {
			return err
		}
		d.token = token{got.Secret, paired}
		m.Tell(fmt.Sprintf("paired: the device calls this computer %s", got.Name))
		return d.keep(m, func(one *acquaintance) { one.Token = got.Secret })
	}
}

// wrongCode is the error for a code that does not let in.
type wrongCode struct{ error }

func (w wrongCode) Unwrap() error { return w.error }

func (d *device) show(ctx context.Context, code, name string) (token api.IssuedToken, err error) {
	body, err := json.Marshal(map[string]string{"code": code, "name": name})
	if err != nil {
		return token, err
	}
	answer, err := d.ask(ctx, http.MethodPost, api.PairPath, http.Header{"Content-Type": {"application/json"}}, string(body), http.StatusCreated)
	if err != nil {
		return token, err
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(io.LimitReader(answer.Body, mostAnswer)).Decode(&token); err != nil || token.Secret == "" {
		return token, errors.New("what answers there is no ota")
	}
	return token, nil
}
