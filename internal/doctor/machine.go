package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"ota/internal/device"
)

const setClock = "sudo timedatectl set-ntp true"

// firstYear is that of ota's first release: a clock before it is wrong.
const firstYear = 2024

func (p *patient) lookAtClock(context.Context) []Finding { return clock(p.facts(), time.Now()) }

func clock(facts device.Facts, now time.Time) []Finding {
	switch set := facts.ClockSet; {
	case now.Year() < firstYear:
		return []Finding{problem("clock-wrong", fmt.Sprintf("the clock says that it is %d: no certificate is valid then, so that packages can't be downloaded", now.Year()), setClock)}
	case set == nil:
		return []Finding{unknown("clock-unknown", "this machine does not tell whether its clock was set", "")}
	case !*set:
		return []Finding{notice("clock-free", "the clock has not been compared with another since the start: times in the log, and [update] window, may be wrong", setClock)}
	}
	return fine("the clock is synchronised")
}

func (p *patient) lookAtPower(context.Context) []Finding { return power(p.facts()) }

func power(facts device.Facts) []Finding {
	if facts.Power == nil {
		return fine("this machine does not tell of its power")
	}
	var found []Finding
	var slow []string
	const supply = "use the power supply that the maker names, with a short cable, and take off what draws too much"
	for _, one := range facts.Power.Now {
		if one == device.UnderVoltage {
			found = append(found, problem("power-low", "the voltage is too low now: cards are damaged by that", supply))
			continue
		}
		slow = append(slow, string(one)+" now")
	}
	for _, one := range facts.Power.Before {
		if one == device.UnderVoltage {
			found = append(found, notice("power-was-low", "the voltage was too low since the start: cards are damaged by that", supply))
			continue
		}
		slow = append(slow, string(one)+" since the start")
	}
	if len(slow) > 0 {
		found = append(found, notice("power-slow", "the processor is or was slowed down: "+strings.Join(slow, ", "), "cool it, or give it more power"))
	}
	return otherwise(found, "the power is good")
}
