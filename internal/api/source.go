package api

import (
	"context"
	"net/http"
)

// Fetching is what can be asked about the place that releases are fetched from.
type Fetching interface {
	// Poll looks there now, and returns when what is new is in deposit/.
	Poll(ctx context.Context) (Polled, error)
}

// PollOutcome is what came of a look.
type PollOutcome string

// The outcomes.
const (
	PollBrought   PollOutcome = "brought"   // a release is in deposit/
	PollUnchanged PollOutcome = "unchanged" // there is nothing new
	PollRefused   PollOutcome = "refused"   // what is there is not taken
	PollWaits     PollOutcome = "waits"     // somebody's own upload is in deposit/, and goes first
)

// Polled is what `ota fetch --json` prints.
type Polled struct {
	Outcome PollOutcome `json:"outcome"`
	Release *string     `json:"release"` // its version; nil: there is none, or it is not known
	Reason  *string     `json:"reason"`  // of refused
}

// sourceRoutes are open to who may upload: they can't bring anything else than
// what the owner of the device has chosen.
func (s *Server) sourceRoutes() []route {
	return []route{{http.MethodPost, prefix + "/source/poll", uploading, 0, s.told("fetch", tell(s.house.Poll))}}
}

// Poll looks for a new release.
func (c *Client) Poll(ctx context.Context) (Polled, error) {
	return await[Polled](ctx, c, http.MethodPost, "/source/poll")
}
