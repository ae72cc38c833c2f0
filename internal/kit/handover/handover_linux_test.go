package handover

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain makes this binary be what a rehearsal starts.
func TestMain(m *testing.M) {
	received := Receive()
	if received == nil {
		os.Exit(m.Run())
	}
	switch os.Args[1] {
	case "ready":
		if err := received.Check(); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Stdout.WriteString(received.Ready("1.2.3"))
	case "much":
		os.Stdout.WriteString(received.Ready("1.2.3") + strings.Repeat("x", 1<<20))
	case "early":
		os.Stdout.WriteString("ready  1.2.3\n")
	case "fails":
		os.Stdout.WriteString(received.Ready("1.2.3"))
		os.Exit(3)
	case "environment":
		if os.Getenv(variable) == "" && os.Getenv("NOTIFY_SOCKET") == "" {
			os.Stdout.WriteString(received.Ready("1.2.3"))
		}
	}
	os.Exit(0)
}

// fullBag has a file of each kind.
func fullBag(t *testing.T) *Bag {
	t.Helper()
	bag := new(Bag)
	t.Cleanup(bag.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	datagrams, err := net.ListenPacket("unixgram", "")
	if err != nil {
		t.Fatal(err)
	}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	plain, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		bag.Put("listener", Listener, listener.(*net.TCPListener)),
		bag.Put("datagrams", Datagram, datagrams.(*net.UnixConn)),
		bag.Put("pipe", Pipe, out),
		bag.Put("folder", Plain, plain),
		listener.Close(), datagrams.Close(), out.Close(), in.Close(), plain.Close(), // the bag has its own
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return bag
}

func TestRehearse(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "/nowhere")
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ does, refused string }{
		{"ready", ""},
		{"environment", ""},
		{"nothing", "exit code 0"},
		{"early", "exit code 0"},
		{"much", "exit code 0"},
		{"fails", "exit code 3"},
	} {
		version, err := fullBag(t).Rehearse(t.Context(), own, []string{test.does}, Parcel{State: json.RawMessage("{}")})
		refused, isRefused := errors.AsType[*Refused](err)
		switch {
		case test.refused == "" && (err != nil || version != "1.2.3"):
			t.Errorf("%s: %q %v", test.does, version, err)
		case test.refused != "" && (!isRefused || !strings.Contains(refused.Why, test.refused)):
			t.Errorf("%s: %q %v", test.does, version, err)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := fullBag(t).Rehearse(ended, own, []string{"ready"}, Parcel{State: json.RawMessage("{}")}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestAnotherFileIsFound: a descriptor that is another file, or of another kind,
// or none, is seen.
func TestAnotherFileIsFound(t *testing.T) {
	bag, alike := fullBag(t), fullBag(t)
	for i, one := range bag.files {
		if err := one.check(); err != nil {
			t.Errorf("%s: %v", one.Name, err)
		}
		other := bag.files[(i+1)%len(bag.files)]
		moved, kind, none, twin := one, one, one, one
		twin.FD = alike.files[i].FD
		moved.FD, kind.Kind, none.FD = other.FD, other.Kind, 1<<20
		for _, wrong := range []File{moved, kind, none, twin} {
			if wrong.check() == nil {
				t.Errorf("nobody sees that %+v is not %+v", wrong, one)
			}
		}
	}
}

// TestNothingIsInherited: what is in a bag is closed in every other child.
func TestNothingIsInherited(t *testing.T) {
	for _, one := range fullBag(t).files {
		flags, err := unix.FcntlInt(uintptr(one.FD), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s is inherited: %v", one.Name, err)
		}
	}
}

func TestInstant(t *testing.T) {
	begun := time.Now()
	again := InstantOf(begun).Time()
	if !again.Round(0).Equal(begun.Round(0)) || again.Sub(begun).Abs() > time.Millisecond {
		t.Errorf("%v became %v, %v later", begun, again, again.Sub(begun))
	}
	set := InstantOf(begun)
	set.Wall = set.Wall.Add(-time.Hour) // the clock was set since
	if off := set.Time().Sub(begun).Abs(); off > time.Second {
		t.Errorf("it is off by %v", off)
	}
	if !(Instant{}).Time().IsZero() || InstantOf(time.Time{}) != (Instant{}) {
		t.Error("none is some")
	}
}

// TestOwn is the path, also when the file is gone.
func TestOwn(t *testing.T) {
	own, err := Own()
	executable, _ := os.Executable()
	if err != nil || own != executable || filepath.Base(own) == "" {
		t.Errorf("%q %v", own, err)
	}
}

// FuzzParse: no parcel is understood that is not of our format, and none does
// harm.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"format":1,"id":"x","files":[{"name":"a","kind":"pipe","fd":3}],"state":{}}`))
	f.Add([]byte(`{"format":2}`))
	f.Add([]byte(`{"format":1,"files":[{"fd":-1}]}`))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, text []byte) {
		parcel, err := parse(text)
		if err == nil && parcel.Format != format {
			t.Errorf("format %d was taken", parcel.Format)
		}
	})
}
