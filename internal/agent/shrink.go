package agent

import (
	"runtime"
	"runtime/debug"
)

// shrink gives memory back to the system that nobody needs for as long as nothing
// happens. What is in pools survives one collection (sync.Pool), and goes with
// the second.
func shrink() {
	runtime.GC()
	debug.FreeOSMemory()
	unmapOwnFile()
}
