package access

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ota/internal/api"
)

// goodFile is one with everything in it.
func goodFile(t testing.TB) (data []byte, cookie, token string) {
	t.Helper()
	k := opened(filepath.Join(t.TempDir(), "access.json"), 0)
	if err := k.SetPassword(secretWord); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ci", "a"} {
		var err error
		if token, err = k.NewToken(name, []api.Right{api.Read, api.Upload}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		var err error
		if cookie, err = k.Login(garden, k.NewLink()); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(k.path)
	if err != nil {
		t.Fatal(err)
	}
	return data, cookie, token
}

func TestTheFileLetsInAgain(t *testing.T) {
	data, cookie, token := goodFile(t)
	path := filepath.Join(t.TempDir(), "access.json")
	// What a newer ota has written beside it does not matter.
	data = bytes.Replace(data, []byte("{"), []byte(`{"new": {"a": 1},`), 1)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	k := opened(path, 0)
	if _, err := k.Token(t.Context(), garden, token); err != nil || !k.isIn(cookie) {
		t.Errorf("nobody gets in: %v", err)
	}
	k.mustLogin(t, secretWord)
	if diff := cmp.Diff([]string{"a", "ci"}, []string{k.Tokens()[0].Name, k.Tokens()[1].Name}); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestDamagedFiles: ota runs, nobody gets in, and what is left of the file is
// there to be looked at.
func TestDamagedFiles(t *testing.T) {
	good, cookie, token := goodFile(t)
	change := func(what, to string) string {
		changed := strings.ReplaceAll(string(good), what, to)
		if changed == string(good) {
			t.Fatalf("there is no %s in\n%s", what, good)
		}
		return changed
	}
	file, err := decode(good)
	if err != nil {
		t.Fatal(err)
	}
	encoded := func(change func(*stored)) string {
		copied := file
		change(&copied)
		data, err := json.Marshal(copied)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	tests := map[string]string{
		"empty":                     "",
		"zeros":                     strings.Repeat("\x00", 4096),
		"cut off":                   string(good[:len(good)/2]),
		"something behind it":       string(good) + "{}",
		"a list":                    "[]",
		"too large":                 strings.Repeat(" ", fileBytes) + string(good),
		"a right that there is not": change(`"upload"`, `"owner"`),
		"a token without rights":    encoded(func(s *stored) { s.Tokens = []storedToken{{Name: "a"}} }),
		"a token without a name":    change(`"ci"`, `""`),
		"a token twice":             change(`"ci"`, `"a"`),
		"a hash too short":          change(`"sha256": "`, `"sha256": "00`),
		"a time that is none":       change(`"created": "2`, `"created": "x2`),
		"a password for ever":       encoded(func(s *stored) { s.Password = &password{s.Password.Salt, mostStoredIterations + 1, s.Password.Key} }),
		"a password for nothing":    encoded(func(s *stored) { s.Password = &password{s.Password.Salt, 0, s.Password.Key} }),
		"a password without salt":   encoded(func(s *stored) { s.Password = &password{nil, 10, s.Password.Key} }),
		"a password without a key":  encoded(func(s *stored) { s.Password = &password{s.Password.Salt, 10, nil} }),
		"a session twice":           encoded(func(s *stored) { s.Sessions = append(s.Sessions, s.Sessions[0]) }),
		"too many sessions":         encoded(func(s *stored) { s.Sessions = make([]storedSession, maxSessions+1) }),
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "access.json")
			if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
			k := opened(path, 0)
			aside, err := os.ReadFile(path + ".damaged")
			if err != nil || string(aside) != data {
				t.Errorf("it was not set aside: %v", err)
			}
			if !strings.Contains(k.said.String(), "level=ERROR") {
				t.Errorf("the log says only %q", k.said)
			}
			if _, err := k.Token(t.Context(), garden, token); err == nil || k.isIn(cookie) || k.HasPassword() || len(k.Tokens()) > 0 {
				t.Error("somebody may come in")
			}
			k.mustLogin(t, k.NewLink())
			if again := opened(path, 0); len(again.sessions) != 1 {
				t.Error("it is not written anew")
			}
		})
	}
}

// TestSomethingElseInItsPlace: a folder is set aside like a damaged file.
func TestSomethingElseInItsPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.json")
	if err := os.MkdirAll(filepath.Join(path, "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	k := opened(path, 0)
	k.mustLogin(t, k.NewLink())
	if _, err := os.Stat(filepath.Join(path+".damaged", "a")); err != nil {
		t.Error(err)
	}
	if again := opened(path, 0); len(again.sessions) != 1 {
		t.Errorf("the log says %s", again.said)
	}
}

// FuzzFile: a file is taken whole or not at all; what it lets in is bounded,
// has no right of the owner, and is written as it was read.
func FuzzFile(f *testing.F) {
	good, _, _ := goodFile(f)
	f.Add(good)
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"sessions": [{"sha256": "", "created": "0001-01-01T00:00:00Z", "expires": "9999-12-31T23:59:59Z"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		k := opened(filepath.Join(t.TempDir(), "access.json"), 0)
		if err := k.take(data); err != nil {
			if k.password != nil || len(k.tokens)+len(k.sessions) > 0 {
				t.Fatalf("%v, and yet somebody may come in", err)
			}
			return
		}
		now := k.now()
		for _, one := range k.sessions {
			if one.created+longest-now > longest || one.expires-now > idle {
				t.Errorf("a session lives for %v, and for ever for %v", one.expires-now, one.created+longest-now)
			}
		}
		for _, one := range k.Tokens() {
			if (api.Caller{Rights: one.Allow}).May(api.Owner) || len(one.Allow) == 0 {
				t.Errorf("token %s may %v", one.Name, one.Allow)
			}
		}
		if k.isIn("") || k.isIn("a") {
			t.Error("nothing lets in")
		}
		written, err := json.Marshal(k.stored(now, k.wall()))
		if err != nil {
			t.Fatal(err)
		}
		again := opened(k.path, 0)
		if err := again.take(written); err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if diff := cmp.Diff(k.Tokens(), again.Tokens()); diff != "" || len(again.sessions) != len(k.sessions) || again.HasPassword() != k.HasPassword() {
			t.Errorf("%s came back as another one: %s", data, diff)
		}
	})
}
