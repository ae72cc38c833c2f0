package agent

import (
	"context"
	"errors"

	"ota/internal/api"
)

// errNotSteered is the answer until the conductor is asked.
var errNotSteered = errors.New("this can't be asked for yet")

// Retry tries again what is held.
func (a *agent) Retry(context.Context) (api.ApplyResult, error) {
	return api.ApplyResult{}, errNotSteered
}

// Discard moves what is in deposit/ out of the way.
func (a *agent) Discard(context.Context) (api.Discarded, error) {
	return api.Discarded{}, errNotSteered
}

// Rollback goes back to an earlier release.
func (a *agent) Rollback(context.Context, api.Rollback) (api.WentBack, error) {
	return api.WentBack{}, errNotSteered
}

// Pin makes a release one that is never dropped, or takes that back.
func (a *agent) Pin(_ context.Context, number int, pinned bool) error {
	return pin(a.folder, a.releases, number, pinned)
}

// Why says why a release failed; 0: what is held, else the last that failed.
func (a *agent) Why(number int) (api.Why, error) {
	return whyOf(a.releases, number, a.conductor.Report().Reasons)
}

// Diff says by what two releases differ.
func (a *agent) Diff(request api.DiffRequest) (api.Diff, error) {
	return diffOf(a.releases, a.folder.main(), request)
}
