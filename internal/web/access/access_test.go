package access

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/api"
)

const secretWord = "correct horse 🐎"

var (
	garden = netip.MustParseAddr("192.0.2.7")
	street = netip.MustParseAddr("203.0.113.9")
)

// kept is a keeper whose wall clock and log the test has.
type kept struct {
	*Keeper
	clock time.Duration // by how much the wall clock is wrong
	said  *said
}

// said is a log; several goroutines may write it.
type said struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (s *said) Write(text []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.text.Write(text)
}

func (s *said) String() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.text.String()
}

// opened is a start of ota with a wall clock that is wrong by that much.
// Passwords are cheap.
func opened(path string, clock time.Duration) *kept {
	k := &kept{clock: clock, said: &said{}}
	k.Keeper = newKeeper(path, slog.New(slog.NewTextHandler(k.said, nil)))
	k.wall = func() time.Time { return wallClock().Add(k.clock) }
	k.cost = func() int { return 10 }
	k.load()
	return k
}

func fresh(t *testing.T) *kept {
	t.Helper()
	return opened(filepath.Join(t.TempDir(), "access.json"), 0)
}

// in2026 puts the clock of a bubble, which begins in 2000, into a time in which
// there is an ota.
const in2026 = 27 * 365 * 24 * time.Hour

func freshIn2026(t *testing.T) *kept {
	t.Helper()
	return opened(filepath.Join(t.TempDir(), "access.json"), in2026)
}

func (k *kept) mustLogin(t *testing.T, secret string) (cookie string) {
	t.Helper()
	cookie, err := k.Login(garden, secret)
	if err != nil {
		t.Fatal(err)
	}
	return cookie
}

// isIn looks whether a cookie lets in, with a request that ends at once.
func (k *kept) isIn(cookie string) bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, ok := k.Session(ctx, cookie)
	return ok
}

func TestLogin(t *testing.T) {
	k := fresh(t)
	if err := k.SetPassword(secretWord); err != nil {
		t.Fatal(err)
	}
	code, _ := k.Pair()
	link := k.NewLink()
	tests := []struct {
		name, secret string
		want         error
	}{
		{"nothing", "", ErrWrong},
		{"blanks", " \t\n", ErrWrong},
		{"a wrong password", "correct horse", ErrWrong},
		{"the password with a blank more", secretWord + " ", ErrWrong},
		{"the password", secretWord, nil},
		{"the password again", secretWord, nil},
		{"the pairing code", code, nil},
		{"the pairing code again", code, ErrWrong},
		{"the link", link, nil},
		{"the link again", link, ErrLink},
		{"a link that never was", linkPrefix + newSecret(), ErrLink},
		{"a part of a link", link[:20], ErrWrong},
		{"more than a password may have", strings.Repeat("a", mostPassword+1), ErrWrong},
		{"what the file has of the password", string(k.password.Key), ErrWrong},
	}
	for _, test := range tests {
		cookie, err := k.Login(garden, test.secret)
		if !errors.Is(err, test.want) || (err == nil) != k.isIn(cookie) {
			t.Errorf("%s: cookie %q, %v, want %v", test.name, cookie, err, test.want)
		}
		k.brake = brake{}
	}
}

func TestWhoIsIn(t *testing.T) {
	k := fresh(t)
	cookie := k.mustLogin(t, k.NewLink())
	ctx, ok := k.Session(t.Context(), cookie)
	if diff := cmp.Diff(api.Caller{Name: "the page", Rights: []api.Right{"read", "upload", "control"}}, api.CallerOf(ctx)); !ok || diff != "" {
		t.Error(ok, diff)
	}
	secret, err := k.NewToken("ci", []api.Right{api.Upload, api.Read, api.Upload})
	if err != nil {
		t.Fatal(err)
	}
	ctx, err = k.Token(t.Context(), garden, secret)
	if diff := cmp.Diff(api.Caller{Name: "token ci", Rights: []api.Right{"read", "upload"}}, api.CallerOf(ctx)); err != nil || diff != "" {
		t.Error(err, diff)
	}
	// Each secret is good for one thing.
	if _, ok := k.Session(t.Context(), secret); ok {
		t.Error("a token is a cookie")
	}
	if _, err := k.Token(t.Context(), garden, cookie); !errors.Is(err, ErrToken) {
		t.Error("a cookie is a token")
	}
	if _, err := k.Login(garden, secret); !errors.Is(err, ErrWrong) {
		t.Error("a token logs in")
	}
	if ctx, ok := k.Session(t.Context(), ""); ok || len(api.CallerOf(ctx).Rights) != 0 {
		t.Error("no cookie lets in")
	}
}

func TestPasswords(t *testing.T) {
	tests := []struct {
		password, want string
	}{
		{"1234567", "the password has fewer than 8 characters"},
		{"ääää", "the password has fewer than 8 characters"},
		{"ääääßßßß", ""},
		{"        ", "the password has nothing but blanks"},
		{"\u3000\u3000\u3000\u3000\u3000\u3000\u3000\u3000", "the password has nothing but blanks"},
		{" a      ", ""},
		{strings.Repeat("a", 1024), ""},
		{strings.Repeat("a", 1025), "the password is longer than 1024 bytes"},
		{"long enough \xff", "the password is not text in UTF-8"},
		{linkPrefix + newSecret(), "the password looks like the code of a link"},
		{"BCDF-GHJK", ""},
		{"🐎🐎🐎🐎🐎🐎🐎🐎", ""},
	}
	for _, test := range tests {
		k := fresh(t)
		err := k.SetPassword(test.password)
		unfit, isUnfit := errors.AsType[*api.Unfit](err)
		switch {
		case test.want != "" && (!isUnfit || unfit.Reason != test.want):
			t.Errorf("%.40q: %v, want %q", test.password, err, test.want)
		case test.want == "" && err != nil:
			t.Errorf("%.40q: %v", test.password, err)
		case test.want == "":
			k.mustLogin(t, test.password)
		}
		if k.HasPassword() != (test.want == "") {
			t.Errorf("%.40q: has a password: %t", test.password, k.HasPassword())
		}
	}
}

// TestTheEndForAll: a new password, none any more and a logout of everybody end
// all sessions, open requests and codes, but no token.
func TestTheEndForAll(t *testing.T) {
	ends := map[string]func(*kept) error{
		"new password": func(k *kept) error { return k.SetPassword("another one") },
		"no password":  func(k *kept) error { return k.SetPassword("") },
		"logout":       func(k *kept) error { return k.EndSessions() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			k := fresh(t)
			if err := k.SetPassword(secretWord); err != nil {
				t.Fatal(err)
			}
			token, err := k.NewToken("ci", []api.Right{api.Read})
			if err != nil {
				t.Fatal(err)
			}
			cookie, link := k.mustLogin(t, secretWord), k.NewLink()
			code, _ := k.Pair()
			open, _ := k.Session(t.Context(), cookie)
			if err := end(k); err != nil {
				t.Fatal(err)
			}
			<-open.Done()
			if !errors.Is(context.Cause(open), ErrEnded) {
				t.Errorf("it ended by %v", context.Cause(open))
			}
			for _, again := range []*kept{k, opened(k.path, 0)} {
				if again.isIn(cookie) {
					t.Error("the cookie lets in")
				}
				for _, secret := range []string{link, code} {
					if _, err := again.Login(street, secret); err == nil {
						t.Errorf("%s lets in", secret)
					}
				}
				if _, err := again.Token(t.Context(), garden, token); err != nil {
					t.Error(err)
				}
			}
			if _, err := k.Login(garden, secretWord); (err == nil) != (name == "logout") {
				t.Errorf("the password: %v", err)
			}
		})
	}
}

// TestAnotherPasswordMeanwhile: the one that is being checked when another is set
// does not let in.
func TestAnotherPasswordMeanwhile(t *testing.T) {
	k := fresh(t)
	k.cost = func() int { return 300_000 }
	if err := k.SetPassword(secretWord); err != nil {
		t.Fatal(err)
	}
	k.cost = func() int { return 10 }
	ended := make(chan error, 1)
	go func() {
		_, err := k.Login(garden, secretWord)
		ended <- err
	}()
	for k.verifying.TryLock() { // not yet
		k.verifying.Unlock()
		runtime.Gosched()
	}
	if err := k.SetPassword("another one"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, ErrWrong) && slowed(t, err) == 0 {
		t.Errorf("error %v", err)
	}
	if len(k.sessions) > 0 {
		t.Error("somebody is in")
	}
}

// TestNoSecretIsWritten: what lets in is in no file and in no log.
func TestNoSecretIsWritten(t *testing.T) {
	k := fresh(t)
	if err := k.SetPassword(secretWord); err != nil {
		t.Fatal(err)
	}
	token, err := k.NewToken("ci", api.Rights)
	if err != nil {
		t.Fatal(err)
	}
	link := k.NewLink()
	code, _ := k.Pair()
	secrets := []string{secretWord, "correct horse", token, strings.TrimPrefix(token, tokenPrefix), link, code, strings.ReplaceAll(code, "-", "")}
	for _, secret := range []string{secretWord, link, code} {
		secrets = append(secrets, k.mustLogin(t, secret))
	}
	for _, wrong := range []string{"wrong-password", otherCode(code), link, token + "x"} {
		for range 9 {
			k.Login(street, wrong)
			k.Token(t.Context(), street, wrong)
		}
		secrets = append(secrets, wrong)
	}
	for _, end := range []error{k.Revoke("ci"), k.Logout(secrets[len(secrets)-5])} {
		if end != nil {
			t.Fatal(end)
		}
	}
	again := opened(k.path, 0)
	if err := again.EndSessions(); err != nil {
		t.Fatal(err)
	}
	k.mustLogin(t, secretWord)
	file, err := os.ReadFile(k.path)
	if err != nil {
		t.Fatal(err)
	}
	written := strings.ToLower(string(file) + k.said.String() + again.said.String())
	for _, secret := range secrets {
		if strings.Contains(written, strings.ToLower(secret)) {
			t.Errorf("%q is in\n%s", secret, written)
		}
	}
	if !strings.Contains(k.said.String(), "somebody has logged in") || !strings.Contains(k.said.String(), "slowed down") {
		t.Errorf("the log says only\n%s", k.said)
	}
	if info, err := os.Stat(k.path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
}

// TestNothingCanBeWritten: who logs in is in, who is thrown out is out, and what
// was to last is refused.
func TestNothingCanBeWritten(t *testing.T) {
	k := fresh(t)
	if err := k.SetPassword(secretWord); err != nil {
		t.Fatal(err)
	}
	token, err := k.NewToken("ci", api.Rights)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(k.path+".new", "in the way"), 0o700); err != nil { // where the next one would be written
		t.Fatal(err)
	}
	cookie := k.mustLogin(t, secretWord)
	if !k.isIn(cookie) {
		t.Error("nobody gets in")
	}
	if err := k.SetPassword("another one"); err == nil || !k.isIn(cookie) {
		t.Errorf("password: %v", err)
	}
	k.mustLogin(t, secretWord)
	if _, err := k.NewToken("two", api.Rights); err == nil || len(k.Tokens()) != 1 {
		t.Errorf("token: %v", err)
	}
	if err := k.Revoke("ci"); err == nil {
		t.Error("nobody is told that a token will be back")
	}
	if _, err := k.Token(t.Context(), garden, token); err == nil {
		t.Error("the token lets in")
	}
	if err := k.Logout(cookie); err == nil || k.isIn(cookie) {
		t.Errorf("logout: %v", err)
	}
	if err := k.EndSessions(); err == nil || len(k.sessions) > 0 {
		t.Errorf("end of all: %v", err)
	}
}

// TestManyAtOnce is for the race detector; of a link one has the use.
func TestManyAtOnce(t *testing.T) {
	k := fresh(t)
	if err := k.SetPassword(secretWord); err != nil {
		t.Fatal(err)
	}
	token, err := k.NewToken("ci", api.Rights)
	if err != nil {
		t.Fatal(err)
	}
	link := k.NewLink()
	var in sync.Map
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if cookie, err := k.Login(garden, link); err == nil {
				in.Store(i, cookie)
			}
			for range 20 {
				ctx, cancel := context.WithCancel(t.Context())
				cookie, _ := k.Login(garden, secretWord)
				k.Session(ctx, cookie)
				k.Token(ctx, street, token)
				k.Token(ctx, street, "wrong")
				k.Login(street, k.NewLink())
				k.Pair()
				k.Tokens()
				cancel()
				if err := k.Logout(cookie); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	var with []string
	in.Range(func(_, cookie any) bool { with = append(with, cookie.(string)); return true })
	if len(with) != 1 {
		t.Errorf("%d were let in by one link", len(with))
	}
	if _, err := decodeFile(k.path); err != nil {
		t.Error(err)
	}
}

func decodeFile(path string) (stored, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return stored{}, err
	}
	return decode(data)
}

// FuzzLogin: nothing that somebody may send lets in but what does.
func FuzzLogin(f *testing.F) {
	for _, seed := range []string{"", "BCDF-GHJK", "link_ABCDEFGHIJKLMNOPQRSTUVWXYZ", "correct horse", "ota_x", "\x00", "ſ", "ŁŁŁŁ-ŁŁŁŁ"} {
		f.Add(seed)
	}
	k := opened(filepath.Join(f.TempDir(), "access.json"), 0)
	if err := k.SetPassword(secretWord); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, secret string) {
		k.Pair()
		k.NewLink()
		k.brake = brake{}
		if cookie, err := k.Login(garden, secret); (err == nil) != (secret == secretWord) || (cookie != "") != (err == nil) {
			t.Errorf("%q: %q, %v", secret, cookie, err)
		}
		if _, err := k.Token(t.Context(), garden, secret); err == nil {
			t.Errorf("%q is a token", secret)
		}
		if k.isIn(secret) {
			t.Errorf("%q is a cookie", secret)
		}
	})
}
