package agent

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/api"
	"ota/internal/doctor"
)

// TestDoctorMeetsOta in each of its ways.
func TestDoctorMeetsOta(t *testing.T) {
	place := folder{t.TempDir()}
	if met := told(t.Context(), place); met.Presence != doctor.Absent {
		t.Errorf("nobody: %+v", met)
	}
	if err := os.Mkdir(place.own(), 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: place.socket()})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	listener.Close()
	if met := told(t.Context(), place); met.Presence != doctor.Left {
		t.Errorf("a socket that was left: %+v", met)
	}
	lock, err := place.lock()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if met := told(t.Context(), place); met.Presence != doctor.Silent || met.PID != os.Getpid() || met.Why == "" {
		t.Errorf("a lock that is held: %+v", met)
	}
	if os.Geteuid() == 0 {
		return // may do everything
	}
	if err := os.Chmod(place.own(), 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(place.own(), 0o700)
	if met := told(t.Context(), place); met.Presence != doctor.Refuses {
		t.Errorf("a folder that is closed: %+v", met)
	}
}

// TestDoctorIsTold what the status says.
func TestDoctorIsTold(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	met := answer(api.Status{
		PID: new(17),
		Program: api.Program{
			State: api.Backoff, Started: new(now.Add(-time.Minute)),
			LastExit: &api.Exit{Signal: new("SIGKILL"), Cause: new("out of memory")},
		},
		Release: &api.Release{Number: 4, State: api.Trial},
		Deposit: api.Deposit{State: api.Held, Reasons: api.List[api.Reason]{{Path: new(api.Path("main.py")), Line: new(3), Message: "invalid syntax"}}},
		Web:     api.Web{Address: new("http://127.0.0.1:8484"), Problem: new("no certificate")},
		MQTT:    &api.MQTT{Broker: "mqtt://broker.local:1883", State: api.Disconnected, Problem: new("connection refused")},
		Source:  &api.Source{From: "https://a/b.ota", Problem: new("no answer")},
	}, now)
	want := doctor.Told{
		Presence: doctor.Answers, PID: 17, Program: "backoff", Crashes: doctor.Again,
		Ended: "killed by SIGKILL (out of memory)", Trial: 4, TrialFor: time.Minute,
		Held: []string{"main.py:3: invalid syntax"}, Page: "http://127.0.0.1:8484", PageProblem: "no certificate", BrokerProblem: "connection refused",
		Source: "https://a/b.ota", SourceProblem: "no answer",
	}
	if diff := cmp.Diff(want, met); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	crashing := answer(api.Status{Program: api.Program{CrashLooping: true, LastExit: &api.Exit{Code: new(1)}}}, now)
	if crashing.Crashes != doctor.Always || crashing.Ended != "exit code 1" {
		t.Errorf("%+v", crashing)
	}
	// What is received, and what waits for its time, holds nothing.
	if waiting := answer(api.Status{Deposit: api.Deposit{State: api.Deferred, Reasons: api.List[api.Reason]{{Message: "a window"}}}}, now); waiting.Held != nil {
		t.Errorf("%+v", waiting)
	}
}

// TestDoctorExamines a folder in which nothing is yet, and leaves nothing there.
func TestDoctorExamines(t *testing.T) {
	dir := t.TempDir()
	found, err := Doctor(t.Context(), dir, doctor.Service{}, nil)
	if err != nil || len(found) < 10 {
		t.Errorf("%+v, %v", found, err)
	}
	if _, err := Doctor(t.Context(), filepath.Join(dir, "missing"), doctor.Service{}, nil); err == nil {
		t.Error("a folder that is not there is looked at")
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}
