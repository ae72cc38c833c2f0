package program

import (
	"os"
	"syscall"
)

func endSignal(*os.ProcessState) syscall.Signal { return 0 }

func signalName(signal syscall.Signal) string { return signal.String() }
