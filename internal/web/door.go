package web

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"

	"ota/internal/kit/handover"
)

// doorway is the listener of the page, which may be that of another ota in this
// process, or become it. Several goroutines use it.
type doorway struct {
	mu     sync.Mutex
	given  net.Listener // of the ota before this one; nil: none, or it is in use
	inUse  net.Listener
	wanted string // the setting that it was opened for
}

// Handed says for which setting the listener was opened that was handed over;
// empty: none was.
type Handed struct {
	Listen string `json:"listen"`
}

// bagName is that of the page's socket among what is handed over.
const bagName = "the page's socket"

// TakeOver makes Run go on with the socket that another ota has opened, unless
// the setting is another one by now.
func (s *Server) TakeOver(handed Handed, from *handover.Received) error {
	if handed.Listen == "" || handed.Listen != s.options.Listen {
		return nil
	}
	file, err := from.Take(bagName)
	if err != nil {
		return err
	}
	defer file.Close()
	s.door.given, err = net.FileListener(file)
	return err
}

// Handed puts the open socket into a bag, if there is one. It is to be asked
// before Run ends.
func (s *Server) Handed(bag *handover.Bag) (Handed, error) {
	s.door.mu.Lock()
	defer s.door.mu.Unlock()
	socket, ok := s.door.inUse.(*net.TCPListener)
	if !ok {
		return Handed{}, nil
	}
	return Handed{s.options.Listen}, bag.Put(bagName, handover.Listener, socket)
}

func (d *doorway) open(listen func() (net.Listener, error)) (listener net.Listener, isNew bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	listener, d.given = d.given, nil
	if isNew = listener == nil; isNew {
		listener, err = listen()
	}
	d.inUse = listener
	return listener, isNew, err
}

func (d *doorway) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inUse = nil
}

// Answers returns when somebody who asks for the login gets an answer.
func (s *Server) Answers(ctx context.Context) error {
	s.door.mu.Lock()
	listener := s.door.inUse
	if listener == nil {
		listener = s.door.given // it is about to be in use
	}
	s.door.mu.Unlock()
	if listener == nil {
		return nil // there is no page
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		// It is us, whoever that is.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
		},
	}}
	scheme := "http"
	if !listener.Addr().(*net.TCPAddr).IP.IsLoopback() {
		scheme = "https"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://localhost/login", nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}
