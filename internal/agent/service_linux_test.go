package agent

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ota/internal/api"
	"ota/internal/config"
	"ota/internal/kit/sdnotify"
	"ota/internal/reason"
	"ota/internal/update"
)

// listener makes this process a service, and returns what its manager is told,
// without waiting for it.
func listener(t *testing.T, watchdog string) (told func() string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	address := "@ota-test-" + newStartID()
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: address}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", address)
	t.Setenv("WATCHDOG_USEC", watchdog)
	t.Setenv("WATCHDOG_PID", "")
	return func() string {
		var all []string
		for datagram := make([]byte, 4096); ; {
			n, _, err := syscall.Recvfrom(fd, datagram, 0)
			if err != nil { // EAGAIN: that was all
				return strings.Join(all, "|")
			}
			all = append(all, string(datagram[:n]))
		}
	}
}

// hanging is an ota whose conductor does not answer.
func hanging() *agent {
	program := config.Program{StopSignals: []syscall.Signal{syscall.SIGINT, syscall.SIGKILL}, StopTimeouts: []time.Duration{time.Hour}}
	return &agent{
		log:       slog.New(slog.DiscardHandler),
		outfit:    &outfit{inForce: config.Config{Program: program}},
		conductor: update.New(update.Options{}),
	}
}

// TestServiceIsReadyInTime: what takes long at the start must not be taken for
// a start that failed.
func TestServiceIsReadyInTime(t *testing.T) {
	told := listener(t, "")
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		_, leave := hanging().serveManager(ctx)
		time.Sleep(readyLimit - time.Nanosecond)
		synctest.Wait()
		if got := told(); got != "" {
			t.Errorf("told %q before it is known", got)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := told(); got != "READY=1" {
			t.Errorf("told %q after %v", got, readyLimit)
		}
		end()
		synctest.Wait()
		if got := told(); got != "STOPPING=1\nEXTEND_TIMEOUT_USEC=3630000000" {
			t.Errorf("told %q at the end", got)
		}
		leave()
		if got := told(); got != "" {
			t.Errorf("told %q after it", got)
		}
	})
}

func TestServiceThatEndsByItself(t *testing.T) {
	told := listener(t, "")
	synctest.Test(t, func(t *testing.T) {
		_, leave := hanging().serveManager(t.Context())
		leave()
	})
	if got := told(); got != "STOPPING=1" {
		t.Errorf("told %q", got)
	}
}

// TestWatchdogBites: a conductor that hangs is not covered up.
func TestWatchdogBites(t *testing.T) {
	told := listener(t, "2000000")
	synctest.Test(t, func(t *testing.T) {
		s := &service{agent: hanging(), manager: sdnotify.From(os.Getenv, os.Getpid()), furnished: make(chan struct{})}
		close(s.furnished)
		ctx, end := context.WithCancel(t.Context())
		go s.feed(ctx)
		time.Sleep(5 * time.Second) // five times what it may be silent
		end()
	})
	if got := told(); strings.Contains(got, "WATCHDOG") {
		t.Errorf("told %q", got)
	}
}

func TestServiceStatus(t *testing.T) {
	running := api.Program{State: api.Running, PID: new(7)}
	held := api.Deposit{State: api.Held, Files: 2, Reasons: api.Reasons([]reason.Reason{
		{Path: "main.py", Line: 3, Column: 4, Source: "secret = 1", Message: "invalid syntax", Hint: "mend it"}, {Message: "more"},
	})}
	for want, status := range map[string]api.Status{
		"waiting for the first upload": {Program: api.Program{State: api.Waiting}, Deposit: api.Deposit{State: api.Empty}},
		"the program is running (pid 7); release 3 confirmed": {
			Program: running, Release: &api.Release{Number: 3, State: api.Confirmed},
		},
		"the program is running (pid 7); release 4 on trial; an upload is being switched in": {
			Program: running, Release: &api.Release{Number: 4, State: api.Trial}, Deposit: api.Deposit{State: api.Switching},
		},
		"the program is running (pid 7); the upload of 2 files is held: main.py:3:4: invalid syntax": {Program: running, Deposit: held},
		"the program is being started or stopped":                                                    {Program: api.Program{State: api.Running}},
		"the program crashes again and again; an upload is arriving":                                 {Program: api.Program{State: api.Backoff, CrashLooping: true}, Deposit: api.Deposit{State: api.Receiving}},
		"the program has failed and is started again after a pause":                                  {Program: api.Program{State: api.Backoff}},
		"the environment of the program is being made":                                               {Program: api.Program{State: api.Equipping}},
		"the program has finished":                                                                   {Program: api.Program{State: api.Finished}},
		"the program is stopped on request; an upload is being checked":                              {Program: api.Program{State: api.Stopped}, Deposit: api.Deposit{State: api.Checking}},
		"the program is stopped on request; the upload of 1 file is deferred": {
			Program: api.Program{State: api.Stopped}, Deposit: api.Deposit{State: api.Deferred, Files: 1},
		},
	} {
		if got := serviceStatus(status); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
