package home

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/api"
)

type (
	ctx  = context.Context
	conn = net.Conn
)

const commands = "ota/garden/command"

// TestInstall is done for what is held or deferred, as its button means it.
func TestInstall(t *testing.T) {
	for state, want := range map[api.DepositState][]string{
		api.Held: {"apply"}, api.Deferred: {"apply --now"},
		api.Empty: nil, api.Receiving: nil, api.Checking: nil, api.Switching: nil,
	} {
		inBubble(t, func(t *testing.T, s *scene) {
			defer s.run()()
			s.set(func(status *api.Status) { status.Deposit.State = state })
			s.say(commands, "install", false)
			passes(time.Second)
			if diff := cmp.Diff(want, s.asked()); diff != "" {
				t.Errorf("%s: -want +got\n%s", state, diff)
			}
			if asked := strings.Contains(s.log.String(), `msg="asked over MQTT" action=install release=8 deposit=`+string(state)); asked != (want != nil) {
				t.Errorf("%s: %s", state, s.log.String())
			}
		})
	}
}

// TestOnlyTheWord is a command.
func TestOnlyTheWord(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		defer s.run()()
		s.set(func(status *api.Status) { status.Deposit.State = api.Held })
		for _, payload := range []string{"", "Install", "install\n", " install", `{"action":"install"}`, "install" + strings.Repeat(" ", 2000)} {
			s.say(commands, payload, false)
		}
		s.say(commands, "install", true) // had been kept
		s.say("ota/garden/commands", "install", false)
		s.say("ota/garden/state", "install", false)
		passes(time.Minute)
		if got := s.asked(); got != nil {
			t.Errorf("%q", got)
		}
		if told := strings.Count(s.log.String(), "is ignored"); told != 1 {
			t.Errorf("told %d times in a moment:\n%s", told, s.log.String())
		}
		s.say(commands, "install", true)
		passes(time.Second)
		if !strings.Contains(s.log.String(), "publish it without retain") || !strings.Contains(s.log.String(), "ignored_before=6") {
			t.Error(s.log.String())
		}
	})
}

// TestOneAtATime, whoever floods.
func TestOneAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		defer s.run()()
		s.set(func(status *api.Status) { status.Deposit.State = api.Held })
		s.block = make(chan struct{})
		for range 1000 {
			s.say(commands, "install", false)
		}
		passes(time.Minute)
		if got := s.asked(); len(got) != 1 {
			t.Errorf("%q", got)
		}
		close(s.block)
		passes(time.Second)
		s.say(commands, "install", false)
		passes(installPause)
		if got := s.asked(); len(got) != 1 {
			t.Errorf("at once: %q", got)
		}
		s.say(commands, "install", false)
		passes(time.Second)
		if got := s.asked(); len(got) != 2 {
			t.Errorf("later: %q", got)
		}
		if lines := strings.Count(s.log.String(), "\n"); lines > 10 {
			t.Errorf("%d lines in the log", lines)
		}
	})
}

// TestSomebodyElseSteers: then nothing is done.
func TestSomebodyElseSteers(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		s.options.Turn = func(act, by string) (func(), error) {
			if act != "install" || by != "MQTT" {
				t.Errorf("%s by %s", act, by)
			}
			return nil, errors.New(`the page is just doing "rollback"`)
		}
		defer s.run()()
		s.set(func(status *api.Status) { status.Deposit.State = api.Held })
		s.say(commands, "install", false)
		passes(time.Second)
		if got := s.asked(); got != nil || !strings.Contains(s.log.String(), "rollback") {
			t.Errorf("%q\n%s", got, s.log.String())
		}
	})
}

// TestWithoutControl nothing is listened to, and no button is announced.
func TestWithoutControl(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		s.options.Control = false
		defer s.run()()
		s.set(func(status *api.Status) { status.Deposit.State = api.Held })
		s.say(commands, "install", false) // no broker would
		passes(time.Second)
		if got := s.asked(); got != nil {
			t.Errorf("%q", got)
		}
		if heard := strings.Join(s.since(0), "\n"); strings.Contains(heard, "subscribe ota/") || strings.Contains(heard, `"install"`) {
			t.Error(heard)
		}
	})
}
