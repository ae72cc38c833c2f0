package agent

import (
	"errors"

	"ota/internal/api"
	"ota/internal/config"
)

// Settings are what `ota config --json` prints: what is in force in a folder,
// whether an ota looks after it or not.
type Settings struct {
	Settings api.List[Setting]        `json:"settings"`
	Warnings api.List[SettingProblem] `json:"warnings"` // about what stands in a file and does not count there
	Problems api.List[SettingProblem] `json:"problems"` // of main/ota.toml, because of which it does not count
}

// Setting is one value in force.
type Setting struct {
	Table  string `json:"table"`
	Key    string `json:"key"`    // in its table; env.LANG for a variable
	Value  any    `json:"value"`  // as it is written; nil: not set
	Origin string `json:"origin"` // "default", "main/ota.toml" or "ota.toml"
	TOML   string `json:"-"`      // it as a line of its table
}

// SettingProblem is one thing in a file that is not as it should be.
type SettingProblem struct {
	File    api.Path `json:"file"`
	Line    *int     `json:"line"` // from 1; nil: no line
	Message string   `json:"message"`
	Hint    *string  `json:"hint"` // what to do about it; nil: not known
	Text    string   `json:"-"`    // all of it as a person reads it
}

// Secrets says whether values that look like secrets are shown.
type Secrets string

// What can be done with secrets.
const (
	HideSecrets Secrets = "hide"
	ShowSecrets Secrets = "show"
)

// SettingsOf reads what is in force in a folder. With an error of main/ota.toml
// that is what is in force without it; with one of the device's file, nothing.
func SettingsOf(dir string, secrets Secrets) (Settings, error) {
	place, err := folderAt(dir)
	if err != nil {
		return Settings{}, err
	}
	layers, err := config.LoadLayers(place.config())
	if err != nil {
		return Settings{}, err
	}
	inForce, warnings, err := layers.Load(place.main())
	settings := Settings{Warnings: problemsOf(warnings)}
	switch wrong, ok := errors.AsType[*config.Error](err); {
	case ok:
		settings.Problems = problemsOf(wrong.Problems)
	case err != nil:
		settings.Problems = api.List[SettingProblem]{{File: api.Path(travelling), Message: err.Error(), Text: err.Error()}}
	}
	for _, one := range inForce.Settings() {
		if secrets != ShowSecrets {
			one = one.Masked()
		}
		settings.Settings = append(settings.Settings, Setting{one.Table, one.Key(), one.Value, string(one.Origin), one.TOML()})
	}
	return settings, err
}

// travelling is what the file that travels with the program is called.
const travelling = string(config.Travelling)

func problemsOf(from []config.Problem) api.List[SettingProblem] {
	list := make(api.List[SettingProblem], len(from))
	for i, one := range from {
		list[i] = SettingProblem{File: api.Path(one.File), Message: one.Message, Hint: textOf(one.Hint), Text: one.String()}
		if one.Line > 0 {
			list[i].Line = new(one.Line)
		}
	}
	return list
}
