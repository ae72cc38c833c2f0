package home

import (
	"ota/internal/api"
	"ota/internal/kit/mqtt"
)

// entity is a message by which Home Assistant learns of an entity. There is one
// for each, as versions before 2024.11 don't know those for a whole device. Keys
// that a version doesn't know it leaves out; a wrong value makes it refuse the
// entity.
type entity struct {
	Name             string   `json:"name"`
	UniqueID         string   `json:"unique_id"`
	StateTopic       string   `json:"state_topic"`
	ValueTemplate    string   `json:"value_template,omitempty"`
	AttributesTopic  string   `json:"json_attributes_topic,omitempty"`
	DeviceClass      string   `json:"device_class,omitempty"`
	Options          []string `json:"options,omitempty"`
	StateClass       string   `json:"state_class,omitempty"`
	Category         string   `json:"entity_category,omitempty"`
	Icon             string   `json:"icon,omitempty"`
	Title            string   `json:"title,omitempty"`
	CommandTopic     string   `json:"command_topic,omitempty"`
	PayloadInstall   string   `json:"payload_install,omitempty"`
	Retain           *bool    `json:"retain,omitempty"`
	AvailabilityFrom string   `json:"availability_topic"`
	Device           device   `json:"device"`
	Origin           origin   `json:"origin"`
}

// device is what the entities belong to.
type device struct {
	Identifiers []string `json:"identifiers"`
	Name        string   `json:"name"`
	Model       string   `json:"model,omitempty"`
	Software    string   `json:"sw_version"`
	Page        string   `json:"configuration_url,omitempty"`
}

// origin is who announces them.
type origin struct {
	Name     string `json:"name"`
	Software string `json:"sw_version"`
}

// states are those of the program, as Home Assistant wants them listed.
var states = []string{
	string(api.Running), string(api.Finished), string(api.Backoff), string(api.Equipping), string(api.Stopped), string(api.Waiting),
}

// discovery announces the entities.
func (h *Home) discovery(machine api.Device, status api.Status) []mqtt.Message {
	if h.options.Prefix == "" {
		return nil
	}
	base := h.base()
	update := entity{Name: "Program", StateTopic: base + "/update", Title: h.options.Name}
	if h.options.Control {
		update.CommandTopic, update.PayloadInstall, update.Retain = h.commandTopic(), install, new(false)
	}
	belongs := device{
		Identifiers: []string{h.id("")}, Name: h.options.Name,
		Software: "ota " + h.options.Version, Page: reachable(status.Web.Address),
	}
	if machine.Model != nil {
		belongs.Model = *machine.Model
	}
	var messages []mqtt.Message
	announce := func(component, object string, one entity) {
		one.UniqueID, one.AvailabilityFrom = h.id(object), base+"/availability"
		one.Device, one.Origin = belongs, origin{"ota", h.options.Version}
		messages = append(messages, kept(h.options.Prefix+"/"+component+"/"+h.id("")+"/"+object+"/config", encode(one)))
	}
	announce("update", "program", update)
	announce("sensor", "state", entity{
		Name: "State", StateTopic: base + "/state", ValueTemplate: "{{ value_json.program.state }}",
		DeviceClass: "enum", Options: states, Icon: "mdi:application-cog",
	})
	announce("sensor", "restarts", entity{
		Name: "Restarts", StateTopic: base + "/state", ValueTemplate: "{{ value_json.program.restarts }}",
		StateClass: "total_increasing", Category: "diagnostic", Icon: "mdi:restart-alert",
	})
	announce("sensor", "release", entity{
		Name: "Release", StateTopic: base + "/state",
		ValueTemplate: "{{ value_json.release.number if value_json.release else 0 }}",
		Category:      "diagnostic", Icon: "mdi:source-commit",
	})
	announce("binary_sensor", "problem", entity{
		Name: "Problem", StateTopic: base + "/problem", ValueTemplate: "{{ value_json.problem }}",
		AttributesTopic: base + "/problem", DeviceClass: "problem",
	})
	return messages
}

// id names the device, or one of its entities, among all that Home Assistant
// knows.
func (h *Home) id(object string) string {
	id := "ota_" + h.options.Name
	if object != "" {
		id += "_" + object
	}
	return id
}
