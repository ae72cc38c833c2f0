//go:build linux

package push

import (
	"context"
	"os"
	"os/exec"
	"strings"

	"ota/test/ptrace"
)

func init() {
	ptrace.Main()
	killAtFile = killAtCall
}

// killAtCall kills before the next change of deposit/, while that stands still: who
// only looked every now and then could come when all is over.
func killAtCall(side *exec.Cmd, deposit string, count int) (killed bool, err error) {
	_, err = ptrace.Run(context.Background(), side, func(call ptrace.Call) ptrace.Action {
		if !strings.HasPrefix(call.Path, deposit) && !strings.HasPrefix(call.To, deposit) {
			return ptrace.Continue
		}
		if entries, _ := os.ReadDir(deposit); len(entries) < count {
			return ptrace.Continue
		}
		killed = true
		return ptrace.Kill
	})
	return killed, err
}
