//go:build unix

package release

import "syscall"

const errCrossDevice = syscall.EXDEV
