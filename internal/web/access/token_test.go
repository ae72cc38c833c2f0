package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/api"
)

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
