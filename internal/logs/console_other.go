//go:build !windows

package logs

import "os"

func knowsColors(*os.File) bool { return true }
