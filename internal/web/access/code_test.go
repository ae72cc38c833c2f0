package access

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPairingCodeAsPeopleTypeIt(t *testing.T) {
	for _, change := range []func(string) string{
		strings.ToLower,
		func(code string) string { return strings.ReplaceAll(code, "-", "") },
		func(code string) string { return strings.ReplaceAll(code, "-", " ") },
		func(code string) string { return " " + code + "\n" },
		func(code string) string {
			return strings.Join(strings.Split(strings.ReplaceAll(code, "-", ""), ""), "-")
		},
	} {
		k := fresh(t)
		code, _ := k.Pair()
		if len(code) != 9 || code[4] != '-' {
			t.Fatalf("code %q", code)
		}
		if _, err := k.Login(garden, change(code)); err != nil {
			t.Errorf("%q for %q: %v", change(code), code, err)
		}
	}
}

func TestOneCodeAtATime(t *testing.T) {
	k := fresh(t)
	first, _ := k.Pair()
	second, _ := k.Pair()
	if _, err := k.Login(garden, first); !errors.Is(err, ErrWrong) {
		t.Errorf("the code before it: %v", err)
	}
	k.mustLogin(t, second)
}

// otherCode looks like the code and is another.
func otherCode(code string) string {
	letter := "B"
	if code[0] == 'B' {
		letter = "C"
	}
	return letter + code[1:]
}

// TestCodesCantBeTried: the fifth wrong try, from wherever, is the last. What
// does not look like a code is none.
func TestCodesCantBeTried(t *testing.T) {
	k := fresh(t)
	if err := k.SetPassword(secretWord); err != nil {
		t.Fatal(err)
	}
	code, _ := k.Pair()
	for i := range pairTries - 1 {
		if _, err := k.Login(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), otherCode(code)); !errors.Is(err, ErrWrong) {
			t.Fatal(err)
		}
		k.mustLogin(t, secretWord)
	}
	if k.pair == nil {
		t.Fatal("it is void too early")
	}
	k.Login(street, otherCode(code))
	if _, err := k.Login(garden, code); !errors.Is(err, ErrWrong) {
		t.Errorf("error %v", err)
	}
}

func TestCodesGetOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := freshIn2026(t)
		code, until := k.Pair()
		if want := k.wall().Add(5 * time.Minute); !until.Equal(want) {
			t.Errorf("until %v, want %v", until, want)
		}
		links := []string{k.NewLink(), k.NewLink()}
		time.Sleep(pairTime)
		if _, err := k.Login(garden, code); !errors.Is(err, ErrWrong) {
			t.Errorf("code: %v", err)
		}
		k.clock = -30 * 365 * 24 * time.Hour // of no interest to a link
		time.Sleep(linkTime - pairTime - time.Nanosecond)
		k.mustLogin(t, links[0])
		time.Sleep(time.Nanosecond)
		if _, err := k.Login(garden, links[1]); !errors.Is(err, ErrLink) {
			t.Errorf("link: %v", err)
		}
	})
}

func TestLinksAreBounded(t *testing.T) {
	k := fresh(t)
	first := k.NewLink()
	var links []string
	for range maxLinks {
		links = append(links, k.NewLink())
	}
	if _, err := k.Login(garden, first); !errors.Is(err, ErrLink) {
		t.Errorf("the oldest of too many: %v", err)
	}
	for _, link := range links {
		k.mustLogin(t, link)
	}
}
