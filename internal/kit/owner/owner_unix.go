//go:build unix

package owner

import (
	"os/exec"
	"syscall"
)

func dress(cmd *exec.Cmd, o *Owner) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: o.UID, Gid: o.GID, Groups: o.Groups}
}
