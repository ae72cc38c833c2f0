package source

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"ota/internal/kit/hint"
	"ota/internal/kit/retryafter"
)

// refusal says what an answer means that has no release in it.
func (u *URL) refusal(response *http.Response) error {
	code := response.StatusCode
	err := fmt.Errorf("%s answered %d %s", u.host(), code, http.StatusText(code))
	switch code {
	case http.StatusUnauthorized, http.StatusForbidden:
		err = hint.With(err, "does [source] token_file hold a token that may read this?")
	case http.StatusNotFound, http.StatusGone:
		err = hint.With(err, "is [source] url in ota.toml the address of the file itself?")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		err = &laterError{err, retryafter.In(response.Header)}
	}
	return err
}

// unreached says why there is no answer.
func (u *URL) unreached(err error) error {
	err = bare(err)
	why := fmt.Errorf("%s can't be reached: %w", u.host(), err)
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown {
		return hint.With(why, "are the certificates of the system there? on Debian: apt install ca-certificates")
	}
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	set := u.ClockSet()
	if isInvalid && invalid.Reason == x509.Expired && set != nil && !*set {
		return hint.With(fmt.Errorf("the certificate of %s can't be checked: this device believes that it is %s", u.host(), time.Now().Format(time.DateOnly)),
			`its clock is not set yet; "ota doctor" says more`)
	}
	return why
}

// bare is an error without the address, which may hold a secret.
func bare(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return outer.Err
	}
	return err
}
