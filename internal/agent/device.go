package agent

import (
	"os"
	"runtime"

	"ota/internal/api"
)

// Device is what is known of the machine.
func (a *agent) Device() api.Device {
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	return api.Device{Name: name, Processors: runtime.NumCPU()}
}
