package access

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/api"
	"ota/internal/kit/hint"
)

// slowed is for how long an address has to wait with a wrong try; 0: it was
// looked at.
func slowed(t *testing.T, err error) time.Duration {
	t.Helper()
	slow, isSlow := errors.AsType[*SlowDown](err)
	if err == nil || !isSlow && !errors.Is(err, ErrWrong) && !errors.Is(err, ErrToken) {
		t.Fatalf("error %v", err)
	}
	if !isSlow {
		return 0
	}
	return slow.After
}

// TestPauses: five tries are free, then each costs twice the pause before.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := freshIn2026(t)
		var pauses []time.Duration
		for range 16 {
			_, err := k.Login(street, "wrong")
			wait := slowed(t, err)
			pauses = append(pauses, wait)
			if wait == 0 {
				continue
			}
			time.Sleep(wait - time.Nanosecond)
			if _, err := k.Login(street, "wrong"); slowed(t, err) != time.Nanosecond {
				t.Error("a try in the pause was looked at")
			}
			time.Sleep(time.Nanosecond)
			if _, err := k.Login(street, "wrong"); slowed(t, err) != 0 {
				t.Error("a try after the pause was not looked at")
			}
		}
		want := []time.Duration{0, 0, 0, 0, 0}
		for _, s := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
			want = append(want, s*time.Second)
		}
		if diff := cmp.Diff(want, pauses); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		time.Sleep(forgetAfter)
		if _, err := k.Login(street, "wrong"); slowed(t, err) != 0 {
			t.Error("it is never forgotten")
		}
		if _, err := k.Login(street, "wrong"); slowed(t, err) != 0 {
			t.Error("it is not forgotten")
		}
	})
}

// TestWhoGetsInIsForgiven, and others are not slowed at all by somebody's tries.
func TestWhoGetsInIsForgiven(t *testing.T) {
	k := fresh(t)
	for range 3 {
		for range freeTries - 1 {
			if _, err := k.Login(garden, "wrong"); slowed(t, err) != 0 {
				t.Fatal("slowed down too early")
			}
		}
		k.mustLogin(t, k.NewLink())
	}
}

func TestWhichAddressesAreOne(t *testing.T) {
	tests := []struct {
		one, other string
		same       bool
	}{
		{"192.0.2.7", "::ffff:192.0.2.7", true},
		{"192.0.2.7", "192.0.2.8", false},
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2%wlan0", true},
		{"0.0.0.0", "::", false},
	}
	for _, test := range tests {
		if got := sourceOf(netip.MustParseAddr(test.one)) == sourceOf(netip.MustParseAddr(test.other)); got != test.same {
			t.Errorf("%s, %s: %t", test.one, test.other, got)
		}
	}
	k := fresh(t)
	for range freeTries {
		k.Login(netip.Addr{}, "wrong")
	}
	if _, err := k.Login(netip.Addr{}, "wrong"); slowed(t, err) == 0 {
		t.Error("who has no address is not slowed down")
	}
}

// network is one of as many as there are.
func network(i int) netip.Addr {
	var bytes [16]byte
	binary.BigEndian.PutUint64(bytes[:8], 0x2001_0db8_0000_0000|uint64(i))
	return netip.AddrFrom16(bytes)
}

// TestFromEverywhere: who has many addresses is bounded too, and keeps nobody
// out who has a link, a session or a token.
func TestFromEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := freshIn2026(t)
		if err := k.SetPassword(secretWord); err != nil {
			t.Fatal(err)
		}
		cookie := k.mustLogin(t, secretWord)
		token, err := k.NewToken("ci", api.Rights)
		if err != nil {
			t.Fatal(err)
		}
		attack := func(from, to int) (looked int) {
			for i := from; i < to; i++ {
				if _, err := k.Login(network(i), "wrong"); slowed(t, err) == 0 {
					looked++
				}
				if _, err := k.Token(t.Context(), network(i), "wrong"); slowed(t, err) == 0 {
					looked++
				}
			}
			return looked
		}
		if looked := attack(0, 2000); looked != allTries {
			t.Errorf("%d tries at once were looked at", looked)
		}
		if len(k.brake.addresses) > maxAddresses {
			t.Errorf("%d addresses are remembered", len(k.brake.addresses))
		}
		if _, err := k.Login(garden, secretWord); slowed(t, err) != allPause {
			t.Errorf("the password: %v", err)
		}
		code, _ := k.Pair()
		if _, err := k.Login(garden, code); slowed(t, err) != allPause {
			t.Errorf("the code: %v", err)
		}
		if _, err := k.Token(t.Context(), street, token); err != nil {
			t.Errorf("the token: %v", err)
		}
		if !k.isIn(cookie) {
			t.Error("the session was slowed down")
		}
		k.mustLogin(t, k.NewLink())
		looked := 0
		for i := range 60 {
			time.Sleep(time.Minute)
			looked += attack(2000+100*i, 2100+100*i)
		}
		if looked != 300 {
			t.Errorf("%d tries in an hour were looked at", looked)
		}
		if said := strings.Count(k.said.String(), "slowed down for everybody"); said != 1 {
			t.Errorf("it was logged %d times", said)
		}
		time.Sleep(allTries * allPause)
		k.mustLogin(t, secretWord)
	})
}

func TestMemoryIsBounded(t *testing.T) {
	var b brake
	for i := range 10 * maxAddresses {
		b.wrong(network(i), time.Duration(i)*time.Hour/10)
	}
	if len(b.addresses) != maxAddresses || b.addresses[sourceOf(network(10*maxAddresses-1))] == nil {
		t.Errorf("%d are remembered", len(b.addresses))
	}
}

// TestOnePasswordAtATime: the second has to come again, and that is no try.
func TestOnePasswordAtATime(t *testing.T) {
	k := fresh(t)
	if err := k.SetPassword(secretWord); err != nil {
		t.Fatal(err)
	}
	k.verifying.Lock() // by somebody who just tries one
	for range 2 * allTries {
		if _, err := k.Login(garden, secretWord); slowed(t, err) != time.Second {
			t.Fatal("two passwords at a time")
		}
	}
	cookie := k.mustLogin(t, k.NewLink())
	if !k.isIn(cookie) {
		t.Error("a session waits for a password")
	}
	k.verifying.Unlock()
	k.mustLogin(t, secretWord)
}

func TestSlowDownSaysWhatToDo(t *testing.T) {
	err := &SlowDown{After: 1100 * time.Millisecond}
	if err.Error() != "too many tries: try again in 2 s" || hint.Of(err) == "" {
		t.Errorf("%q", err)
	}
}

func TestIterations(t *testing.T) {
	for took, want := range map[time.Duration]int{
		0: mostIterations, time.Millisecond: mostIterations,
		20 * time.Millisecond: 250_000, time.Second: leastIterations, time.Hour: leastIterations,
	} {
		if got := iterationsFor(took, 10_000); got != want {
			t.Errorf("%v: %d, want %d", took, got, want)
		}
	}
	began := time.Now()
	n := iterations()
	if n < leastIterations || n > mostIterations {
		t.Errorf("%d iterations", n)
	}
	t.Logf("%d, found in %v", n, time.Since(began))
}
