package page

import (
	"fmt"
	"strings"

	"ota/internal/api"
	"ota/internal/kit/amount"
)

// What a device can bear, and when its owner should know.
const (
	warm     = 70.0 // °C; a Pi slows itself down from 80 on
	hot      = 80.0
	scarce   = 0.10 // of what there is of the disk
	veryLow  = 0.05
	lowInRAM = 0.08 // of memory, which is used up on purpose
)

// deviceBody is what is known of the machine; what it can't tell is left out.
func deviceBody(v View) []part {
	device := v.Device
	var facts []part
	add := func(known bool, fact func() part) {
		if known {
			facts = append(facts, fact())
		}
	}
	add(device.Temperature != nil, func() part { return temperatureFact(*device.Temperature) })
	add(device.PowerKnown, func() part { return powerFact(device.Power) })
	add(device.DiskFree != nil && device.DiskTotal != nil, func() part {
		return roomFact("Free space", *device.DiskFree, *device.DiskTotal, scarce, veryLow)
	})
	add(device.MemoryFree != nil && device.MemoryTotal != nil, func() part {
		return roomFact("Free memory", *device.MemoryFree, *device.MemoryTotal, lowInRAM, lowInRAM/2)
	})
	add(device.Load != nil, func() part {
		return fact("Load", text(fmt.Sprintf("%.2f", *device.Load)),
			el("span", class("muted"), text(" on "+amount.Count(device.Processors, "processor", "processors"))))
	})
	add(device.Booted != nil, func() part {
		return fact("Up", text("for "+age(*device.Booted, v.Now)))
	})
	add(device.ClockSet != nil, func() part { return clockFact(*device.ClockSet) })
	facts = append(facts, fact("Folder", wholePath(v.Status.Dir)))
	return []part{
		el("div", class("card-head"), heading("device", "Device")),
		el("p", class("device-name"), el("bdi", text(device.Name))),
		when(device.Model != nil, modelWords(device.Model)),
		webNote(v.Status.Web),
		el("dl", class("rows"), all(facts...)),
	}
}

// alarmOf is what a program can't run well with, in words.
func alarmOf(device api.Device) string {
	var alarms []string
	for _, one := range device.Power {
		if strings.HasSuffix(one, now) {
			alarms = append(alarms, one)
		}
	}
	if device.Temperature != nil && *device.Temperature >= hot {
		alarms = append(alarms, "too hot")
	}
	if free, total := device.DiskFree, device.DiskTotal; free != nil && total != nil && float64(*free) < veryLow*float64(*total) {
		alarms = append(alarms, "nearly no free space")
	}
	return strings.Join(alarms, ", ")
}

// now is the end of what is so now; other words are about what was.
const now = " now"

func modelWords(model *string) part {
	if model == nil {
		return nil
	}
	return el("p", class("muted"), text(*model))
}

func webNote(web api.Web) part {
	if web.Problem == nil {
		return nil
	}
	return note(notice, text("The page is not where it should be: "+*web.Problem))
}

func temperatureFact(celsius float64) part {
	tone, words := plain, ""
	switch {
	case celsius >= hot:
		tone, words = bad, "too hot"
	case celsius >= warm:
		tone, words = notice, "hot"
	}
	return fact("Temperature", text(fmt.Sprintf("%.1f °C", celsius)),
		when(words != "", all(text(" "), badge(tone, words))),
		bar(tone, celsius/100))
}

// powerFact tells what is so now from what was.
func powerFact(power []string) part {
	if len(power) == 0 {
		return fact("Power", badge(good, "good"))
	}
	var words []part
	for i, one := range power {
		tone := notice
		if strings.HasSuffix(one, now) {
			tone = bad
		}
		words = append(words, when(i > 0, text(" ")), badge(tone, one))
	}
	return fact("Power", words...)
}

func roomFact(name string, free, total int64, low, veryLow float64) part {
	share := float64(free) / float64(max(total, 1))
	tone, words := plain, ""
	switch {
	case share < veryLow:
		tone, words = bad, "nearly none"
	case share < low:
		tone, words = notice, "low"
	}
	return fact(name, text(amount.Size(free)), el("span", class("muted"), text(" of "+amount.Size(total))),
		when(words != "", all(text(" "), badge(tone, words))),
		bar(tone, 1-share))
}

func clockFact(set bool) part {
	if set {
		return fact("Clock", text("set"))
	}
	return fact("Clock", badge(notice, "not set"), el("span", class("muted"), text(" so times may be wrong")))
}
