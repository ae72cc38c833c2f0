package agent

import (
	"context"
	"time"

	"ota/internal/api"
	"ota/internal/device"
	"ota/internal/program"
)

// vitals are the machine, and what the program uses of it.
type vitals struct {
	machine *device.Machine
	sampler *device.Sampler
}

func newVitals(dir string, room *program.Room) vitals {
	meter := func() (int64, time.Duration, bool) {
		used, ok := room.Usage()
		return used.Memory, used.CPU, ok
	}
	return vitals{device.New(dir), device.NewSampler(meter)}
}

// run collects samples until ctx ends, if there is a page to show them.
func (v vitals) run(ctx context.Context, page bool) {
	if page {
		v.sampler.Run(ctx)
	}
}

// Device is what is known of the machine and of what the program uses of it.
func (a *agent) Device() api.Device { return a.vitals.device() }

func (v vitals) device() api.Device {
	facts, usage := v.machine.Facts(), v.sampler.Now()
	shown := api.Device{
		Name:        facts.Name,
		Temperature: facts.Temperature,
		Power:       facts.Power.Words(),
		PowerKnown:  facts.Power != nil,
		Load:        facts.Load,
		Processors:  facts.Processors,
		Booted:      facts.Booted,
		ClockSet:    facts.ClockSet,
		Model:       textOf(facts.Model),
		Usage:       api.Usage(usage),
	}
	if disk := facts.Disk; disk != nil {
		shown.DiskFree, shown.DiskTotal = &disk.Free, &disk.Total
	}
	if memory := facts.Memory; memory != nil {
		shown.MemoryFree, shown.MemoryTotal = &memory.Free, &memory.Total
	}
	for _, one := range v.sampler.Samples() {
		shown.Samples = append(shown.Samples, api.Usage(one))
	}
	if spent := v.sampler.Spent(); spent > 0 || usage.Memory != nil {
		shown.CPUSeconds = new(spent.Seconds())
	}
	return shown
}
