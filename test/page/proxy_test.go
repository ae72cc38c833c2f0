//go:build linux

package page

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// proxy is a network between a client and a device that can be bad. Its methods
// may be called by several goroutines.
type proxy struct {
	address string // host:port, for clients
	target  string

	mu      sync.Mutex
	quality quality
	most    int64         // bytes that one connection brings before that shows
	brought int64         // by all clients
	breaks  int           // connections that have broken
	shows   chan struct{} // closed when it shows first
	better  chan struct{} // closed when the quality changes
}

// quality is what becomes of a connection that has brought much.
type quality string

const (
	good     quality = "good"
	breaking quality = "breaking" // it breaks
	stalling quality = "stalling" // nothing more gets through, and nobody is told
)

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: listener.Addr().String(), target: target, quality: good, better: make(chan struct{})}
	var all sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		p.becomes(good, 0)
		all.Wait()
	})
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.carry(conn) })
		}
	})
	return p
}

// becomes changes the quality for all connections. The channel is closed when
// one of them has felt it.
func (p *proxy) becomes(q quality, most int64) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.quality, p.most, p.shows = q, most, make(chan struct{})
	close(p.better)
	p.better = make(chan struct{})
	return p.shows
}

// seen is how many bytes clients have brought, and how many connections broke.
func (p *proxy) seen() (brought int64, breaks int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.brought, p.breaks
}

func (p *proxy) carry(client net.Conn) {
	defer client.Close()
	device, err := net.Dial("tcp", p.target)
	if err != nil {
		return // as if nobody were there
	}
	defer device.Close()
	gone := make(chan struct{})
	var both sync.WaitGroup
	both.Go(func() {
		defer close(gone)
		defer client.Close()
		io.Copy(client, device)
	})
	p.bring(device, client, gone)
	device.Close()
	both.Wait()
}

// bring carries what comes from a client, until the connection ends or breaks.
func (p *proxy) bring(device, client net.Conn, gone <-chan struct{}) {
	buffer := make([]byte, 16<<10)
	for all := int64(0); ; {
		n, err := client.Read(buffer)
		all += int64(n)
		if !p.passes(all, gone) {
			return
		}
		if _, failed := device.Write(buffer[:n]); errors.Join(err, failed) != nil {
			return
		}
		p.mu.Lock()
		p.brought += int64(n)
		p.mu.Unlock()
	}
}

// passes waits as long as the network stalls. False: the connection breaks.
func (p *proxy) passes(all int64, gone <-chan struct{}) bool {
	for {
		p.mu.Lock()
		better, isFelt := p.better, p.quality != good && all > p.most
		if isFelt {
			select {
			case <-p.shows:
			default:
				close(p.shows)
			}
		}
		if isFelt && p.quality == breaking {
			p.breaks++
			p.mu.Unlock()
			return false
		}
		p.mu.Unlock()
		if !isFelt {
			return true
		}
		select {
		case <-better:
		case <-gone:
			return false
		}
	}
}
