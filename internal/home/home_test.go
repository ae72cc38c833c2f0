package home

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/api"
)

// TestUpdateShows which release runs and which would be next.
func TestUpdateShows(t *testing.T) {
	on := func(number int, state api.ReleaseState) *api.Release {
		return &api.Release{Number: number, State: state}
	}
	because := api.List[api.Reason]{{Path: new(api.Path("main.py")), Line: new(3), Message: "invalid syntax"}, {Message: "and more"}}
	for name, test := range map[string]struct {
		release *api.Release
		deposit api.Deposit
		next    int
		want    updateState
	}{
		"nothing yet":       {nil, api.Deposit{State: api.Empty}, 1, updateState{Installed: "0", Latest: "0"}},
		"the first is held": {nil, api.Deposit{State: api.Held, Files: 1}, 1, updateState{Installed: "0", Latest: "1"}},
		"nothing new":       {on(7, api.Confirmed), api.Deposit{State: api.Empty}, 8, updateState{Installed: "7", Latest: "7"}},
		"arriving":          {on(7, api.Confirmed), api.Deposit{State: api.Receiving, Files: 2}, 8, updateState{Installed: "7", Latest: "7"}},
		"held": {on(7, api.Confirmed), api.Deposit{State: api.Held, Files: 2, Reasons: because}, 8,
			updateState{Installed: "7", Latest: "8", Summary: "main.py:3: invalid syntax; and more"}},
		"deferred": {on(7, api.Adopted), api.Deposit{State: api.Deferred, Files: 2, Reasons: because[1:]}, 8,
			updateState{Installed: "7", Latest: "8", Summary: "and more"}},
		"checked": {on(7, api.Confirmed), api.Deposit{State: api.Checking, Files: 2, Doing: new("installing numpy")}, 8,
			updateState{Installed: "7", Latest: "8", Summary: "installing numpy", InProgress: true}},
		"switched": {on(7, api.Confirmed), api.Deposit{State: api.Switching, Files: 2}, 8, updateState{Installed: "7", Latest: "8", InProgress: true}},
		"going back": {on(7, api.Confirmed), api.Deposit{State: api.Switching}, 8,
			updateState{Installed: "7", Latest: "7", InProgress: true}},
		"on trial": {on(8, api.Trial), api.Deposit{State: api.Empty}, 9, updateState{Installed: "7", Latest: "8", Summary: "on trial", InProgress: true}},
		"on trial, and the next is there": {on(8, api.Trial), api.Deposit{State: api.Held, Files: 1}, 9,
			updateState{Installed: "7", Latest: "8", Summary: "on trial", InProgress: true}},
		"the first on trial":     {on(1, api.Trial), api.Deposit{State: api.Empty}, 2, updateState{Installed: "0", Latest: "1", Summary: "on trial", InProgress: true}},
		"an old one on trial":    {on(7, api.Trial), api.Deposit{State: api.Empty}, 9, updateState{Installed: "7", Latest: "7", Summary: "on trial", InProgress: true}},
		"failed, and back again": {on(7, api.Confirmed), api.Deposit{State: api.Held, Files: 1, Reasons: because[1:]}, 9, updateState{Installed: "7", Latest: "9", Summary: "and more"}},
	} {
		h := New(Options{Name: "garden", House: newHouse(), Next: func() int { return test.next }})
		test.want.Title = "garden"
		got := h.update(api.Status{Release: test.release, Deposit: test.deposit})
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

// TestUpdateIsWhatHomeAssistantTakes: at most 255 characters, an address only
// where others can open it, and no key without a value.
func TestUpdateIsWhatHomeAssistantTakes(t *testing.T) {
	h := New(Options{Name: "garden", House: newHouse(), Next: func() int { return 8 }})
	long := api.List[api.Reason]{{Message: strings.Repeat("ä", 300)}}
	for address, want := range map[string]string{
		"http://127.0.0.1:8484": "", "http://localhost:1": "", "https://[::1]:8484": "", "https://garden:8484": "https://garden:8484",
	} {
		shown := h.update(api.Status{Deposit: api.Deposit{State: api.Held, Reasons: long}, Web: api.Web{Address: &address}})
		if shown.URL != want || len([]rune(shown.Summary)) != 255 {
			t.Errorf("%s: %q, %d characters", address, shown.URL, len([]rune(shown.Summary)))
		}
	}
	var keys map[string]any
	if err := json.Unmarshal(encode(h.update(api.Status{})), &keys); err != nil {
		t.Fatal(err)
	}
	for key, value := range keys {
		if value == nil {
			t.Errorf("%s is null", key)
		}
	}
}

func TestProblem(t *testing.T) {
	held := api.Status{Deposit: api.Deposit{State: api.Held, Reasons: api.List[api.Reason]{{Message: "cut off"}}}}
	for want, status := range map[problemState]api.Status{
		{"OFF", ""}:                                   {Deposit: api.Deposit{State: api.Deferred}},
		{"ON", "the upload is held: cut off"}:         {Deposit: held.Deposit},
		{"ON", "the program crashes again and again"}: {Deposit: held.Deposit, Program: api.Program{CrashLooping: true}},
		{"ON", "the program has failed and is started again after a pause"}: {Program: api.Program{State: api.Backoff}},
	} {
		if got := problemOf(status); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// TestStateIsBounded: an upload with a thousand mistakes is no large message.
func TestStateIsBounded(t *testing.T) {
	status := api.Status{Deposit: api.Deposit{State: api.Held}, MQTT: &api.MQTT{}}
	for range 1000 {
		status.Deposit.Reasons = append(status.Deposit.Reasons, api.Reason{Message: "wrong"})
	}
	var shown api.Status
	if err := json.Unmarshal(state(status), &shown); err != nil {
		t.Fatal(err)
	}
	if len(shown.Deposit.Reasons) != 20 || shown.MQTT != nil || len(status.Deposit.Reasons) != 1000 {
		t.Errorf("%d reasons, %+v", len(shown.Deposit.Reasons), shown.MQTT)
	}
}

// TestADayWithoutAChange costs a sign of life every five minutes, and nothing
// else.
func TestADayWithoutAChange(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		defer s.run()()
		passes(2 * time.Second)
		before := len(s.since(0))
		passes(24 * time.Hour)
		day := s.since(before)
		if len(day) != 24*12 {
			t.Errorf("%d messages", len(day))
		}
		for _, one := range day {
			if one != "ping" {
				t.Fatal(one)
			}
		}
	})
}

// TestChangesAreGathered: the first at once, then one a second, and the last
// always.
func TestChangesAreGathered(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		defer s.run()()
		passes(time.Minute)
		before := len(s.since(0))
		for i := range 1000 {
			s.set(func(status *api.Status) { status.Program.Restarts = i + 1 })
			passes(10 * time.Millisecond)
		}
		passes(time.Second)
		told := s.since(before)
		if len(told) < 9 || len(told) > 12 {
			t.Errorf("%d messages in ten seconds", len(told))
		}
		if !strings.Contains(told[0], `"restarts":1,`) || !strings.Contains(told[len(told)-1], `"restarts":1000,`) {
			t.Errorf("from %s\nto %s", told[0], told[len(told)-1])
		}
	})
}

// TestCrashLoopEnds without anything that tells of it.
func TestCrashLoopEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		defer s.run()()
		s.set(func(status *api.Status) { status.Program.CrashLooping = true })
		passes(2 * time.Second)
		if got := s.holds("ota/garden/problem"); !strings.Contains(got, `"ON"`) {
			t.Error(got)
		}
		s.house.mutex.Lock()
		s.house.status.Program.CrashLooping = false
		s.house.mutex.Unlock()
		passes(time.Minute)
		if got := s.holds("ota/garden/problem"); !strings.Contains(got, `"OFF"`) {
			t.Error(got)
		}
	})
}

// TestBrokerAwayForAnHour is tried with growing pauses, told once, and is told
// everything when it is back.
func TestBrokerAwayForAnHour(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		s.away = errors.New("no route to host")
		defer s.run()()
		passes(time.Hour)
		s.broker.mutex.Lock()
		dials := len(s.dials)
		for i := 1; i < dials; i++ {
			if pause := s.dials[i].Sub(s.dials[i-1]); pause > lastPause*5/4 || pause < firstPause*3/4 {
				t.Errorf("a pause of %s", pause)
			}
		}
		s.away = nil
		s.broker.mutex.Unlock()
		if dials < 15 || dials > 30 {
			t.Errorf("%d tries in an hour", dials)
		}
		if told := strings.Count(s.log.String(), "not reached"); told != 1 {
			t.Errorf("told %d times:\n%s", told, s.log.String())
		}
		if state := s.face.State(); state.State != api.Disconnected || *state.Problem != "no route to host" {
			t.Errorf("%+v", state)
		}
		passes(lastPause * 5 / 4)
		if s.face.State().State != api.Connected || s.holds("ota/garden/availability") != online || s.update().Installed != "7" {
			t.Errorf("%+v, %q", s.face.State(), s.holds("ota/garden/availability"))
		}
		passes(time.Minute)
		s.current.Close() // it is started anew
		passes(firstPause * 5 / 4)
		if s.face.State().State != api.Connected {
			t.Error("after a good connection the pauses begin anew")
		}
	})
}

// TestConnectionsThatEndAtOnce, as when two devices have the same name, are not
// made anew every second.
func TestConnectionsThatEndAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		defer s.run()()
		for range 3600 {
			passes(time.Second)
			s.broker.mutex.Lock()
			s.current.Close()
			s.broker.mutex.Unlock()
		}
		if len(s.dials) > 40 {
			t.Errorf("%d connections in an hour", len(s.dials))
		}
	})
}

// TestDeafBroker holds nothing up: neither a change nor the end.
func TestDeafBroker(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		end := s.run()
		passes(time.Minute)
		s.broker.mutex.Lock()
		s.deaf = true
		s.broker.mutex.Unlock()
		for range 100 {
			s.set(func(status *api.Status) { status.Program.Restarts++ })
		}
		passes(35 * time.Second)
		if state := s.face.State(); state.State == api.Connected {
			t.Errorf("%+v", state)
		}
		began := time.Now()
		end()
		if time.Since(began) > 3*time.Second {
			t.Errorf("the end took %s", time.Since(began))
		}
	})
}

// TestStuckBroker reads no more: the end does not wait for it.
func TestStuckBroker(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		end := s.run()
		passes(time.Minute)
		s.broker.mutex.Lock()
		s.stuck = true
		s.broker.mutex.Unlock()
		s.set(func(status *api.Status) { status.Program.Restarts++ })
		passes(time.Second) // it is being written
		s.set(func(status *api.Status) { status.Program.Restarts++ })
		began := time.Now()
		end()
		if passed := time.Since(began); passed > farewellTime+time.Second {
			t.Errorf("the end took %s", passed)
		}
	})
}

// TestEndIsTold, and a connection that is lost tells it too.
func TestEndIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		end := s.run()
		if got := s.holds("ota/garden/availability"); got != online {
			t.Error(got)
		}
		s.broker.mutex.Lock()
		will := s.will
		s.broker.mutex.Unlock()
		if will != "ota/garden/availability offline" {
			t.Error(will)
		}
		end()
		if got := s.holds("ota/garden/availability"); got != offline {
			t.Error(got)
		}
		s.broker.mutex.Lock()
		defer s.broker.mutex.Unlock()
		if s.will != "" {
			t.Error("it left without a goodbye")
		}
	})
}

// TestNotAllowedToHear is told, and keeps the device from nothing else.
func TestNotAllowedToHear(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		s.closed = true
		defer s.run()()
		if s.holds("ota/garden/availability") != online || strings.Count(s.log.String(), "does not let this device hear a topic") != 2 {
			t.Error(s.log.String())
		}
	})
}

// TestHomeAssistantStarts: it is told anew, a flood of its word once a second at
// most.
func TestHomeAssistantStarts(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		defer s.run()()
		passes(time.Minute)
		before := len(s.since(0))
		s.say("homeassistant/status", "offline", false)
		s.say("homeassistant/status", "online?", false)
		passes(10 * time.Second)
		if told := s.since(before); len(told) != 0 {
			t.Errorf("%q", told)
		}
		for range 100 {
			s.say("homeassistant/status", "online", false)
			passes(20 * time.Millisecond)
		}
		passes(5 * time.Second)
		told := strings.Join(s.since(before), "\n")
		if times := strings.Count(told, "homeassistant/update/ota_garden/program/config"); times < 2 || times > 4 {
			t.Errorf("announced %d times", times)
		}
		if !strings.Contains(told, "ota/garden/state {") || !strings.Contains(told, "ota/garden/availability online") {
			t.Error(told)
		}
	})
}

// TestNoGhosts: what was announced under another name, or to another broker, is
// taken away; and all of it where there is no broker any more.
func TestNoGhosts(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		s.run()()
		if got := len(s.topics()); got != 9 {
			t.Errorf("%q", s.topics())
		}
		s.options.Name, s.options.Prefix = "shed", ""
		s.run()()
		want := []string{"ota/shed/availability", "ota/shed/problem", "ota/shed/state", "ota/shed/update"}
		if diff := cmp.Diff(want, s.topics()); diff != "" {
			t.Errorf("another name: -want +got\n%s", diff)
		}
		other := newBroker(t)
		s.options.Broker.Address = "mqtt://other:1883"
		first := s.broker
		s.options.Dial = func(ctx ctx, network, address string) (conn, error) {
			if strings.HasPrefix(address, "other") {
				return other.dial(ctx, network, address)
			}
			return first.dial(ctx, network, address)
		}
		s.run()()
		if len(s.topics()) != 0 || len(other.topics()) != 4 {
			t.Errorf("another broker: %q, %q", s.topics(), other.topics())
		}
		s.options.Broker = Broker{}
		end := s.run()
		if s.face.State() != nil {
			t.Error("there is none")
		}
		end()
		if len(other.topics()) != 0 {
			t.Errorf("no broker: %q", other.topics())
		}
		if _, err := os.Stat(s.options.Record); !os.IsNotExist(err) {
			t.Errorf("the record is left: %v", err)
		}
	})
}

// TestGhostsOfABrokerThatIsGone are tried a few times at each start, and not
// forgotten.
func TestGhostsOfABrokerThatIsGone(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		s.run()()
		s.options.Broker = Broker{}
		s.away = errors.New("no route to host")
		before := len(s.dials)
		end := s.run()
		passes(24 * time.Hour)
		end()
		if tries := len(s.dials) - before; tries != leaveTries {
			t.Errorf("%d tries", tries)
		}
		s.away = nil
		s.run()()
		if len(s.topics()) != 0 {
			t.Errorf("%q", s.topics())
		}
	})
}

// TestDamagedRecord does not keep the broker from being told.
func TestDamagedRecord(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		if err := os.WriteFile(s.options.Record, []byte("\x00\x00"), 0o600); err != nil {
			t.Fatal(err)
		}
		defer s.run()()
		if s.holds("ota/garden/availability") != online || !strings.Contains(s.log.String(), "is not known") {
			t.Error(s.log.String())
		}
	})
}
