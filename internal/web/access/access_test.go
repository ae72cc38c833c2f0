package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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

func TestTokens(t *testing.T) {
	k := fresh(t)
	names := []string{"b", "ci", "A.b_c-9", strings.Repeat("x", 40)}
	for _, name := range names {
		if secret, err := k.NewToken(name, api.Rights); err != nil || !strings.HasPrefix(secret, "ota_") || len(secret) != 30 {
			t.Errorf("%s: %q, %v", name, secret, err)
		}
	}
	slices.Sort(names)
	var listed []string
	for _, one := range k.Tokens() {
		listed = append(listed, one.Name)
	}
	if diff := cmp.Diff(names, listed); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	unfit := []struct {
		name  string
		allow []api.Right
		want  string
	}{
		{"ci", api.Rights, "there is a token ci already"},
		{"", api.Rights, `a token can't be called ""`},
		{".", api.Rights, `a token can't be called "."`},
		{"..", api.Rights, `a token can't be called ".."`},
		{"-rf", api.Rights, `a token can't be called "-rf"`},
		{"a/b", api.Rights, `a token can't be called "a/b"`},
		{"ä", api.Rights, `a token can't be called "ä"`},
		{strings.Repeat("x", 41), api.Rights, `a token can't be called "` + strings.Repeat("x", 41) + `"`},
		{"new", nil, "a token must allow something"},
		{"new", []api.Right{api.Read, api.Owner}, `a token can't allow "owner"`},
		{"new", []api.Right{"everything"}, `a token can't allow "everything"`},
	}
	for _, test := range unfit {
		if _, err := k.NewToken(test.name, test.allow); err == nil || err.Error() != test.want {
			t.Errorf("%q %v: %v", test.name, test.allow, err)
		}
	}
	for i := len(names); i < maxTokens; i++ {
		k.tokens = append(k.tokens, newToken(fmt.Sprintf("z%03d", i), api.Rights, time.Time{}, digest{byte(i)}))
	}
	if _, err := k.NewToken("new", api.Rights); err == nil || err.Error() != "there are 100 tokens already" {
		t.Errorf("error %v", err)
	}
}

func TestRevoke(t *testing.T) {
	k := fresh(t)
	secret, err := k.NewToken("ci", api.Rights)
	if err != nil {
		t.Fatal(err)
	}
	k = opened(k.path, 0)
	open, err := k.Token(t.Context(), garden, secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Revoke("ci"); err != nil {
		t.Fatal(err)
	}
	<-open.Done()
	for _, again := range []*kept{k, opened(k.path, 0)} {
		if _, err := again.Token(t.Context(), garden, secret); !errors.Is(err, ErrToken) {
			t.Errorf("error %v", err)
		}
	}
	if _, ok := errors.AsType[*api.NoToken](k.Revoke("ci")); !ok {
		t.Error("it was revoked twice")
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
