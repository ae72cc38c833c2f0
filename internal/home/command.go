package home

import (
	"context"

	"ota/internal/api"
	"ota/internal/kit/mqtt"
)

// install is the one command, as it has to be on the topic for commands.
const install = "install"

// by is who asks, in the log and for others who steer.
const by = "MQTT"

// command takes what anybody may have sent who reaches the broker.
func (h *Home) command(ctx context.Context, m mqtt.Message) {
	switch {
	case m.Retain:
		h.ignored.say("it was kept by the broker from an earlier time; publish it without retain")
		return
	case m.Cut || string(m.Payload) != install:
		h.ignored.say("it is not " + install)
		return
	}
	select {
	case <-h.install:
	default:
		h.ignored.say("another install is under way, or has just ended")
		return
	}
	h.acts.Go(func() {
		h.applyHeld(ctx)
		wait(ctx, installPause)
		h.install <- struct{}{}
	})
}

// applyHeld takes what is in deposit/: what waits for its time does not wait any
// longer, what is held is looked at anew. What failed its trial stays where it
// is, as with "ota apply": an automation that installs whatever there is would
// try it for ever.
func (h *Home) applyHeld(ctx context.Context) {
	end, err := h.options.Turn(install, by)
	if err != nil {
		h.ignored.say(err.Error())
		return
	}
	defer end()
	state := h.options.House.Status().Deposit.State
	if state != api.Held && state != api.Deferred {
		h.ignored.say("nothing is held or deferred in deposit/")
		return
	}
	h.options.Log.Info("asked over MQTT", "action", install, "release", h.options.Next(), "deposit", string(state))
	result, err := h.options.House.Apply(ctx, state == api.Deferred)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		h.options.Log.Warn("what was asked for over MQTT can't be done", "error", err)
	default:
		h.options.Log.Info("what was asked for over MQTT is done", "outcome", string(result.Outcome))
	}
}
