package owner

import "os/exec"

// dress does nothing here: nobody can be looked up who would be another user.
func dress(*exec.Cmd, *Owner) {}
