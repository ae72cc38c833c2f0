package api

import (
	"errors"
	"net"
	"sync"

	"ota/internal/kit/handover"
)

// door is the listener of the control socket, which may be that of another ota
// in this process, or become it. Several goroutines use it.
type door struct {
	mu       sync.Mutex
	given    net.Listener // of the ota before this one; nil: none, or it is in use
	listener net.Listener // in use
	kept     bool         // it goes on after us
}

// bagName is that of the control socket among what is handed over.
const bagName = "the control socket"

// TakeOver makes Run go on with the socket that another ota has opened, and leave
// it where it is until [Server.Own] is called.
func (s *Server) TakeOver(from *handover.Received) error {
	file, err := from.Take(bagName)
	if err != nil {
		return err
	}
	defer file.Close()
	s.door.given, err = net.FileListener(file)
	s.door.kept = true
	return err
}

// Own makes the socket one that ends with Run, as there is no way back to the ota
// that has opened it.
func (s *Server) Own() {
	s.door.mu.Lock()
	defer s.door.mu.Unlock()
	s.door.kept = false
}

// Peek puts the open socket into a bag.
func (s *Server) Peek(bag *handover.Bag) error { return s.door.put(bag) }

// Leave does so, and leaves the socket where it is when Run ends.
func (s *Server) Leave(bag *handover.Bag) error {
	err := s.door.put(bag)
	s.door.mu.Lock()
	defer s.door.mu.Unlock()
	s.door.kept = err == nil
	return err
}

func (d *door) put(bag *handover.Bag) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	socket, ok := d.listener.(*net.UnixListener)
	if !ok {
		return errors.New("the control socket is not open")
	}
	return bag.Put(bagName, handover.Listener, socket)
}

func (d *door) open(listen func() (net.Listener, error)) (listener net.Listener, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	listener, d.given = d.given, nil
	if listener == nil {
		listener, err = listen()
	}
	d.listener = listener
	return listener, err
}

func (d *door) close(remove func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listener = nil
	if !d.kept {
		remove()
	}
}
