package logs

import (
	"os"

	"golang.org/x/sys/windows"
)

// knowsColors asks the console to obey sequences; those before Windows 10 can't.
func knowsColors(file *os.File) bool {
	handle := windows.Handle(file.Fd())
	var mode uint32
	if windows.GetConsoleMode(handle, &mode) != nil {
		return false
	}
	return windows.SetConsoleMode(handle, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
