package doctor

import (
	"context"
	"errors"
	"os"

	"ota/internal/config"
	"ota/internal/kit/escape"
)

// readSettings keeps what is in force, and what is wrong with it: other checks
// go by the defaults then, or by the settings of the device.
func (p *patient) readSettings() {
	layers, err := config.LoadLayers(p.Dir + "/ota.toml")
	if err != nil {
		p.settings = config.Default()
		p.blame("ota.toml", err, `correct it: "ota run" does not start before; see "ota config"`)
		return
	}
	inForce, warnings, err := layers.Load(p.main())
	p.settings = inForce
	if info, failed := os.Stat(p.main()); failed == nil && !info.IsDir() {
		return // that is told of main/ itself
	}
	if err != nil {
		p.blame("main/ota.toml", err, "upload a corrected ota.toml: this one does not count")
	}
	for _, one := range warnings {
		p.faults = append(p.faults, notice("settings-left-out", one.String(), `see "ota config"`))
	}
}

func (p *patient) blame(file string, err error, advice string) {
	wrong, ok := errors.AsType[*config.Error](err)
	if !ok {
		p.faults = append(p.faults, problem("settings-wrong", file+": "+escape.Name(err.Error()), advice))
		return
	}
	for _, one := range wrong.Problems {
		if file != one.File && file == string(config.Travelling) {
			one.File = file
		}
		p.faults = append(p.faults, problem("settings-wrong", one.String(), advice))
	}
}

func (p *patient) lookAtSettings(context.Context) []Finding {
	return otherwise(p.faults, "ota.toml and main/ota.toml are in order, or not there")
}
