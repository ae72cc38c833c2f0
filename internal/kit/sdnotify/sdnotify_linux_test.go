package sdnotify_test

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ota/internal/kit/sdnotify"
)

func from(env ...string) sdnotify.Manager {
	return sdnotify.From(func(name string) string {
		for _, one := range env {
			if value, is := strings.CutPrefix(one, name+"="); is {
				return value
			}
		}
		return ""
	}, 42)
}

// manager listens at an address and returns what is told there.
func manager(t *testing.T, address string) (from string, heard func() string) {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().String(), func() string {
		datagram := make([]byte, 4096)
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := conn.Read(datagram)
		if err != nil {
			t.Fatal(err)
		}
		return string(datagram[:n])
	}
}

func TestTell(t *testing.T) {
	for name, address := range map[string]string{"path": filepath.Join(t.TempDir(), "notify"), "abstract": ""} {
		t.Run(name, func(t *testing.T) {
			address, heard := manager(t, address)
			if name == "abstract" && address[0] != '@' {
				t.Fatalf("%q is not abstract", address)
			}
			if err := from("NOTIFY_SOCKET="+address).Tell(sdnotify.Ready, sdnotify.Status("a\nb\x7f"), sdnotify.Extend(2*time.Second)); err != nil {
				t.Fatal(err)
			}
			if got, want := heard(), "READY=1\nSTATUS=a b \nEXTEND_TIMEOUT_USEC=2000000"; got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	if err := from().Tell(sdnotify.Ready); err != nil || from().Listens() {
		t.Errorf("nobody is told: %v", err)
	}
	for _, address := range []string{"vsock:2:1", "relative", filepath.Join(t.TempDir(), "gone"), "/" + strings.Repeat("x", 200)} {
		if err := from("NOTIFY_SOCKET=" + address).Tell(sdnotify.Ready); err == nil {
			t.Errorf("%s was told", address)
		}
	}
}

// TestManagerThatDoesNotRead: a full queue is an error soon, and no wait.
func TestManagerThatDoesNotRead(t *testing.T) {
	address, _ := manager(t, "")
	to := from("NOTIFY_SOCKET=" + address)
	for range 10_000 { // net.unix.max_dgram_qlen is 10, with systemd 512
		if err := to.Tell(sdnotify.Alive); err != nil {
			return
		}
	}
	t.Error("the queue has no end")
}

func TestWatchdog(t *testing.T) {
	const socket, second = "NOTIFY_SOCKET=/run/notify", "WATCHDOG_USEC=1000000"
	for _, test := range []struct {
		env  string
		want time.Duration
	}{
		{socket + " " + second, time.Second},
		{socket + " " + second + " WATCHDOG_PID=42", time.Second},
		{socket + " " + second + " WATCHDOG_PID=43", 0},
		{socket + " WATCHDOG_PID=42", 0},
		{second, 0},
		{socket + " WATCHDOG_USEC=0", 0},
		{socket + " WATCHDOG_USEC=-1", 0},
		{socket + " WATCHDOG_USEC=soon", 0},
		{socket + " WATCHDOG_USEC=" + strconv.FormatInt(1<<62, 10), 0},
	} {
		if got := from(strings.Fields(test.env)...).Watchdog(); got != test.want {
			t.Errorf("%s: %v, want %v", test.env, got, test.want)
		}
	}
}
