package notify

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"ota/internal/kit/retryafter"
)

// Webhook posts messages to an address.
type Webhook struct {
	address  string
	agent    string
	clockSet func() *bool
	client   *http.Client
}

// Bounds of a talk with a receiver.
const (
	postTime   = 30 * time.Second
	answerHead = 16 << 10
	answerBody = 4 << 10
	maxHops    = 3
)

// NewWebhook remembers the address, and how ota calls itself. clockSet tells
// whether the clock can be believed; nil: not known.
func NewWebhook(address, agent string, clockSet func() *bool) *Webhook {
	return &Webhook{address, agent, clockSet, &http.Client{
		Timeout: postTime,
		// A connection is not kept: the next message may be weeks away.
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, MaxResponseHeaderBytes: answerHead,
		},
		CheckRedirect: stay,
	}}
}

// stay follows to the same host only, and not where the message would be lost on
// the way: the address may be a secret, and so may be what is told.
func stay(next *http.Request, before []*http.Request) error {
	first := before[0]
	if next.Method != http.MethodPost || next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host || len(before) > maxHops {
		return http.ErrUseLastResponse
	}
	return nil
}

// Name is that of the setting.
func (w *Webhook) Name() string { return "webhook" }

// Send posts a message.
func (w *Webhook) Send(ctx context.Context, message Message) Result {
	body, err := encode(message)
	if err != nil {
		return Result{Outcome: Refused, Why: err.Error()}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.address, bytes.NewReader(body))
	if err != nil {
		return Result{Outcome: Refused, Why: bare(err).Error()}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", w.agent)
	request.Header.Set("Idempotency-Key", message.ID)
	answer, err := w.client.Do(request)
	if err != nil {
		return w.unreached(request.URL.Host, err)
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(answer.Body, answerBody)) // for courtesy: the status tells
	return judge(answer, plain(string(said), longestLine))
}

// judge says what an answer means.
func judge(answer *http.Response, said string) Result {
	code := answer.StatusCode
	result := Result{Outcome: Again, Status: code, Known: true, Said: said}
	result.Why = fmt.Sprintf("the webhook answered %d %s", code, http.StatusText(code))
	switch {
	case code/100 == 2:
		return Result{Outcome: Delivered, Status: code, Known: true, Said: said}
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		result.After = retryafter.In(answer.Header)
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code/100 == 5:
	case code/100 == 3:
		result.Outcome = Refused
		if to, err := answer.Location(); err == nil {
			result.Why += ", which leads to " + plain(to.Scheme+"://"+to.Host, longestLine) + " and is not followed"
			result.Hint = "put the address that it leads to into ota.toml"
		}
	default:
		result.Outcome = Refused
		result.Hint = "is [notify] webhook in ota.toml the whole address?"
	}
	return result
}

// unreached says why there is no answer.
func (w *Webhook) unreached(host string, err error) Result {
	err = bare(err)
	result := Result{Outcome: Again, Why: fmt.Sprintf("the webhook at %s can't be reached: %v", plain(host, longestLine), err)}
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown {
		result.Hint = "are the certificates of the system there? on Debian: apt install ca-certificates"
	}
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	set := w.clockSet()
	if isInvalid && invalid.Reason == x509.Expired && set != nil && !*set {
		result.Soon = true
		result.Why = fmt.Sprintf("the certificate of %s can't be checked as long as the clock of the device is not set", plain(host, longestLine))
	}
	return result
}

// bare is an error without the address, which may be a secret.
func bare(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		if outer.Timeout() {
			return fmt.Errorf("no answer within %s", postTime)
		}
		return outer.Err
	}
	return err
}

// encode writes a message as it is sent.
func encode(message Message) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(message)
	return text.Bytes(), err
}
