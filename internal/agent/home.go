package agent

import (
	"os"
	"path/filepath"

	"ota/internal/api"
	"ota/internal/config"
	"ota/internal/home"
)

// newHome makes the face that home automations see.
func (a *agent) newHome(server *api.Server) *home.Home {
	set := a.config.MQTT
	return home.New(home.Options{
		Broker: home.Broker{
			Address: set.Broker, User: set.User,
			PasswordFile: a.folder.beside(set.PasswordFile), CA: a.folder.beside(set.CA),
		},
		Name:    a.folder.nameAtHome(set),
		Prefix:  set.Prefix,
		Topic:   set.Topic,
		Control: set.Control,
		Version: a.options.Version,
		Record:  a.folder.announced(),
		House:   api.Veiled(a),
		Next:    a.releases.Next,
		Turn:    server.Turn,
		Changed: a.changed,
		Log:     a.log,
	})
}

// nameAtHome is what the device is called where nobody has given it a name.
func (f folder) nameAtHome(set config.MQTT) string {
	if set.Name != "" {
		return set.Name
	}
	host, _ := os.Hostname()
	if name := config.MQTTName(host, filepath.Base(f.dir)); name != "" {
		return name
	}
	return "device"
}

// mqtt says how things stand with the broker; nil: there is none.
func (a *agent) mqtt() *api.MQTT {
	if a.home == nil {
		return nil
	}
	return a.home.State()
}
