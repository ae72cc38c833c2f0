package main

import (
	"errors"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this binary be `ota` when a script calls it by that name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ota": main})
}

// TestScripts runs what users see, as scripts.
//
// Commands beside those of testscript:
//
//	exits CODE COMMAND ARGS…      run a command that ends with this exit code
//	up [-deaf] NAME ARGS…         start `ota run ARGS…`; it writes to NAME.out and NAME.err,
//	                              with -deaf to a pipe without a reader
//	signal NAME SIGNAL            send it INT, TERM, HUP or KILL
//	ends NAME CODE                wait for its end, with this exit code (-1: by a signal)
//	waitfor GLOB REGEXP           wait until a file of these matches
//	waitstatus DIR KEY VALUE      wait until `ota status --json` has this value, as in program.state
//	getstatus DIR KEY VARIABLE    put what it has into the environment
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "../../testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Values[processesKey{}] = &processes{env: env.Vars, byName: map[string]*process{}}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":      exits,
			"up":         up,
			"signal":     sendSignal,
			"ends":       ends,
			"waitfor":    waitFor,
			"waitstatus": waitStatus,
			"getstatus":  getStatus,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS...")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		failed, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("cannot run %s: %v", args[1], err)
		}
		code = failed.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}
