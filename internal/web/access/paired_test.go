package access

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/api"
)

// TestPaired: the code gets a token, once, which lets in and can be revoked.
func TestPaired(t *testing.T) {
	k := fresh(t)
	code, _ := k.Pair()
	token, err := k.Paired(garden, strings.ToLower(code)+"\n", "ann@laptop")
	if err != nil || token.Name != "ann@laptop" {
		t.Fatal(token, err)
	}
	ctx, err := k.Token(t.Context(), garden, token.Secret)
	want := api.Caller{Name: "token ann@laptop", Rights: []api.Right{api.Read, api.Upload}}
	if diff := cmp.Diff(want, api.CallerOf(ctx)); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if _, err := k.Paired(garden, code, "again"); !errors.Is(err, ErrWrong) {
		t.Errorf("used twice: %v", err)
	}
	if _, err := k.Login(garden, code); !errors.Is(err, ErrWrong) {
		t.Errorf("it logs in after that: %v", err)
	}
	if err := k.Revoke("ann@laptop"); err != nil || ctx.Err() == nil {
		t.Errorf("revoked: %v, its request: %v", err, ctx.Err())
	}
}

// TestPairingIsSlowedDown: wrong codes cost as much here as at the login, and
// together with those there.
func TestPairingIsSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := freshIn2026(t)
		for range freeTries - 1 {
			if _, err := k.Login(street, "wrong"); !errors.Is(err, ErrWrong) {
				t.Fatal(err)
			}
		}
		code, _ := k.Pair()
		if _, err := k.Paired(street, otherCode(code), "x"); !errors.Is(err, ErrWrong) {
			t.Fatal(err)
		}
		if _, err := k.Paired(street, code, "x"); !isSlowed(err) {
			t.Errorf("error %v", err)
		}
		if _, err := k.Paired(garden, code, "x"); err != nil {
			t.Errorf("another address: %v", err)
		}
		if tokens := k.Tokens(); len(tokens) != 1 {
			t.Errorf("tokens %+v", tokens)
		}
	})
}

func isSlowed(err error) bool {
	_, ok := errors.AsType[*SlowDown](err)
	return ok
}

// TestPairingEnds: by its time, and by five wrong tries from anywhere.
func TestPairingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := freshIn2026(t)
		code, _ := k.Pair()
		time.Sleep(pairTime)
		if _, err := k.Paired(garden, code, "late"); !errors.Is(err, ErrWrong) {
			t.Errorf("too late: %v", err)
		}
		code, _ = k.Pair()
		for i := range pairTries {
			k.Paired(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), otherCode(code), "x")
		}
		if _, err := k.Paired(street, code, "x"); !errors.Is(err, ErrWrong) {
			t.Errorf("tried too often: %v", err)
		}
	})
}

// TestNamesOfComputers: whatever a computer is called, its token has a name.
func TestNamesOfComputers(t *testing.T) {
	k := fresh(t)
	for _, test := range []struct{ wanted, want string }{
		{"ann@laptop", "ann@laptop"}, {"ann@laptop", "ann@laptop-2"}, {"ann@laptop", "ann@laptop-3"},
		{"", "computer"}, {"../-x", "x"}, {"Jörg Müller@büro", "J-rg-M-ller@b-ro"}, {"-rf", "rf"}, {"\x00\n", "computer-2"},
		{strings.Repeat("x", 500), strings.Repeat("x", 36)}, {strings.Repeat("x", 50), strings.Repeat("x", 36) + "-2"},
	} {
		code, _ := k.Pair()
		token, err := k.Paired(garden, code, test.wanted)
		if err != nil || token.Name != test.want || !isTokenName(token.Name) {
			t.Errorf("%q: %q, %v", test.wanted, token.Name, err)
		}
	}
}
