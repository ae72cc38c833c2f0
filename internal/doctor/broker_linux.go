package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"ota/internal/kit/escape"
)

// lookAtBroker looks at what [mqtt] names. It does not call the broker: the ota
// of the folder does, and as its own user.
func (p *patient) lookAtBroker(context.Context) []Finding {
	set := p.settings.MQTT
	if set.Broker == "" {
		return fine("no MQTT broker is told anything")
	}
	var found []Finding
	for _, one := range [][2]string{{"password_file", set.PasswordFile}, {"ca", set.CA}} {
		key, name := one[0], one[1]
		if name == "" {
			continue
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(p.Dir, name)
		}
		switch info, err := os.Stat(name); {
		case errors.Is(err, fs.ErrNotExist):
			found = append(found, problem("broker-file", "there is no "+escape.Name(name)+", which [mqtt] "+key+" names", "put it there, or name another one in "+shell(p.Dir+"/ota.toml")))
		case err == nil && key == "password_file" && info.Mode().Perm()&0o077 != 0:
			found = append(found, notice("broker-secret", "others than its owner may read "+escape.Name(name)+", the password for the MQTT broker", "chmod 600 "+shell(name)))
		}
	}
	if p.Told.BrokerProblem != "" {
		found = append(found, problem("broker-away", "the MQTT broker "+escape.Name(set.Broker)+" is not reached: "+escape.Name(p.Told.BrokerProblem),
			"see [mqtt] in "+shell(p.Dir+"/ota.toml")+"; once the broker can be reached it is told everything by itself"))
	}
	return otherwise(found, "the MQTT broker is "+escape.Name(set.Broker))
}
