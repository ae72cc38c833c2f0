package agent

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ota/internal/api"
	"ota/internal/kit/handover"
	"ota/internal/kit/hint"
	"ota/internal/web"
	"ota/internal/web/access"
)

// fixedPage is a page that is always where it is.
type fixedPage api.Web

func (p fixedPage) Web() api.Web              { return api.Web(p) }
func (p fixedPage) Run(context.Context) error { return nil }

func (p fixedPage) TakeOver(web.Handed, *handover.Received) error { return nil }
func (p fixedPage) Handed(*handover.Bag) (web.Handed, error)      { return web.Handed{}, nil }
func (p fixedPage) Answers(context.Context) error                 { return nil }

func gate(t *testing.T, at page) *agent {
	t.Helper()
	return &agent{page: at, access: access.Open(filepath.Join(t.TempDir(), "access.json"), slog.New(slog.DiscardHandler))}
}

// here is where a page is.
var here = api.Web{Address: new("http://127.0.0.1:8484")}

func TestWhereThePageIs(t *testing.T) {
	tests := []struct {
		name string
		page api.Web
		fail string // why nobody can log in
	}{
		{"off", api.Web{}, "the page is off"},
		{"here", here, ""},
		{"with TLS", api.Web{Address: new("https://garden:8484"), Fingerprint: new("AA:BB")}, ""},
		{"taken", api.Web{Problem: new("the port is taken")}, "the page can't be opened: the port is taken"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := gate(t, fixedPage(test.page))
			if diff := cmp.Diff(test.page, a.Web()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			_, linkErr := a.WebLink()
			_, pairErr := a.Pair()
			for _, err := range []error{linkErr, pairErr} {
				if test.fail == "" && err != nil || test.fail != "" && (err == nil || err.Error() != test.fail) {
					t.Errorf("error %v, want %q", err, test.fail)
				}
			}
		})
	}
	if _, err := gate(t, fixedPage{}).WebLink(); hint.Of(err) == "" {
		t.Error("nobody says what to do where the page is off")
	}
}

// TestWhatTheGateGivesOutLetsIn: the link and the code are those of the keeper.
func TestWhatTheGateGivesOutLetsIn(t *testing.T) {
	a := gate(t, fixedPage(here))
	from := netip.MustParseAddr("192.0.2.7")
	link, err := a.WebLink()
	code, ok := strings.CutPrefix(link, "http://127.0.0.1:8484/login?code=")
	if err != nil || !ok {
		t.Fatalf("link %q, %v", link, err)
	}
	pair, err := a.Pair()
	if err != nil || *pair.Address != "http://127.0.0.1:8484" {
		t.Fatalf("%+v, %v", pair, err)
	}
	for _, secret := range []string{code, pair.Code} {
		if _, err := a.access.Login(from, secret); err != nil {
			t.Error(err)
		}
	}
}
