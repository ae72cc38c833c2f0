package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"ota/internal/kit/handover"
)

const (
	// takenLook is the pause between two looks at what became of a takeover.
	takenLook = 50 * time.Millisecond
	// takenLimit is for a new ota that does not come up, and for the old one to
	// come back.
	takenLimit = 3 * handover.Limit
)

// TakeOver asks the ota of the folder to let binary take its place ("": the file
// that it was started from), gives waits what is waited for, and returns what
// became of it.
func (c *Client) TakeOver(ctx context.Context, binary string, waits func(reason string)) (TakenOver, error) {
	text, err := json.Marshal(heirWanted{binary})
	if err != nil {
		return TakenOver{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://ota"+prefix+"/takeover", bytes.NewReader(text))
	if err != nil {
		return TakenOver{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.do(ctx, request)
	if err != nil {
		return TakenOver{}, olderOta(err)
	}
	defer answer.Body.Close()
	for steps := json.NewDecoder(answer.Body); ; {
		var step takeoverStep
		if err := steps.Decode(&step); err != nil {
			return TakenOver{}, c.reasonFor(ctx, err)
		}
		switch {
		case step.WaitsFor != nil:
			waits(*step.WaitsFor)
		case step.Problem != nil:
			return TakenOver{}, step.Problem
		case step.Leaves != nil:
			return c.awaitTakenOver(ctx, *step.Leaves)
		}
	}
}

// errOlder is of an ota that knows nothing of being replaced.
var errOlder = errors.New("the ota that is running is too old to be replaced while the program runs")

func olderOta(err error) error {
	if problem, ok := errors.AsType[*Problem](err); ok && (problem.Status == http.StatusNotFound || problem.Status == http.StatusMethodNotAllowed) {
		return NewProblem(problem.Status, errOlder.Error(), "stop it and start it again, once; with systemd: sudo systemctl restart ota@NAME")
	}
	return err
}

// awaitTakenOver looks until one of the two answers for good. Connections wait
// meanwhile; they are not refused.
func (c *Client) awaitTakenOver(ctx context.Context, id string) (TakenOver, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, takenLimit, errors.New("neither the new ota nor the old one answers"))
	defer cancel()
	again := time.NewTicker(takenLook)
	defer again.Stop()
	for {
		var found *TakenOver
		err := c.look(ctx, "/takeover", &found)
		switch {
		case err == nil && (found == nil || found.ID != id):
			return TakenOver{}, errors.New("the new ota has ended outright, and ota was started anew; its log says more")
		case err == nil && found.Outcome != TakingOver:
			return *found, nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return TakenOver{}, context.Cause(ctx)
		}
	}
}
