package doctor

import (
	"context"

	"ota/internal/kit/escape"
)

// Service is what starts the ota of a folder with the machine.
type Service struct {
	State         ServiceState
	Unit          string // its name
	Enable, Start string // commands
}

// ServiceState is how it is met.
type ServiceState string

// The states.
const (
	ServiceUnknown  ServiceState = ""     // of this machine nothing of the kind is known
	ServiceNone     ServiceState = "none" // there could be one
	ServiceDisabled ServiceState = "disabled"
	ServiceDown     ServiceState = "down"
	ServiceUp       ServiceState = "up"
)

func (p *patient) lookAtService(context.Context) []Finding {
	unit := escape.Name(p.Service.Unit)
	switch p.Service.State {
	case ServiceNone:
		return []Finding{notice("service-none", "nothing starts ota with the device", "sudo ota install "+shell(p.Dir))}
	case ServiceDisabled:
		return []Finding{notice("service-disabled", "the service "+unit+" is running, and not started with the device", p.Service.Enable)}
	case ServiceDown:
		if p.runs() {
			return []Finding{notice("service-beside", "ota is running here, and not as the service "+unit+": it can't start", "stop that ota, and then: "+p.Service.Start)}
		}
		return []Finding{problem("service-down", "the service "+unit+" is not running", p.Service.Start)}
	case ServiceUp:
		return fine("the service " + unit + " is running, and started with the device")
	}
	return fine("no service is known of here")
}
