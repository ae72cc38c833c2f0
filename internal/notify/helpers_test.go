package notify

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// trust lets a webhook take the certificate of a server, in a year.
func trust(webhook *Webhook, server *httptest.Server, year int) {
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	webhook.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{
		RootCAs: roots,
		Time:    func() time.Time { return time.Date(year, 1, 1, 0, 0, 10, 0, time.UTC) },
	}
}
