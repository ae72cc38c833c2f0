package mdns

import (
	"net"
	"net/netip"
	"testing"
)

// TestASocketThatFailed goes on: an answer that nobody was there any more is not
// the last word.
func TestASocketThatFailed(t *testing.T) {
	peer := listenLocally(t)
	at := peer.LocalAddr().(*net.UDPAddr)
	conn, err := net.DialUDP("udp4", nil, at)
	if err != nil {
		t.Fatal(err)
	}
	packets, ended := make(chan string), make(chan struct{})
	go func() {
		defer close(ended)
		receive(conn, func(_ netip.AddrPort, data []byte) bool {
			packets <- string(data)
			return true
		})
	}()
	hears := func(text string) {
		t.Helper()
		if _, err := peer.WriteTo([]byte(text), conn.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		select {
		case heard := <-packets:
			if heard != text {
				t.Errorf("heard: %q", heard)
			}
		case <-ended:
			t.Fatal("it has ended")
		}
	}
	hears("first")
	peer.Close()
	for range 3 { // each is refused, or says that the one before was
		_, _ = conn.Write([]byte("is anybody there?"))
	}
	if peer, err = net.ListenUDP("udp4", at); err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	hears("second")
	conn.Close()
	<-ended
}

func listenLocally(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
