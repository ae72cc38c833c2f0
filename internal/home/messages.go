package home

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"ota/internal/api"
	"ota/internal/kit/mqtt"
)

// base is the topic that all those of this device begin with, but for what Home
// Assistant looks for elsewhere.
func (h *Home) base() string { return h.options.Topic + "/" + h.options.Name }

func (h *Home) commandTopic() string { return h.base() + "/command" }

// statusTopic is where Home Assistant tells that it has started.
func (h *Home) statusTopic() string { return h.options.Prefix + "/status" }

// heard are the topics to listen to.
func (h *Home) heard() []string {
	var heard []string
	if h.options.Control {
		heard = append(heard, h.commandTopic())
	}
	if h.options.Prefix != "" {
		heard = append(heard, h.statusTopic())
	}
	return heard
}

// topics are those in which the broker holds something of this device.
func (h *Home) topics() []string {
	topics := []string{h.availability(online).Topic}
	for _, one := range h.messages(api.Status{}) {
		topics = append(topics, one.Topic)
	}
	for _, one := range h.discovery(api.Device{}, api.Status{}) {
		topics = append(topics, one.Topic)
	}
	return topics
}

// kept is a message that the broker keeps for who comes later.
func kept(topic string, payload []byte) mqtt.Message {
	return mqtt.Message{Topic: topic, Payload: payload, QoS: 1, Retain: true}
}

func (h *Home) availability(word string) mqtt.Message {
	return kept(h.base()+"/availability", []byte(word))
}

// messages are how things stand.
func (h *Home) messages(status api.Status) []mqtt.Message {
	return []mqtt.Message{
		kept(h.base()+"/state", state(status)),
		kept(h.base()+"/update", encode(h.update(status))),
		kept(h.base()+"/problem", encode(problemOf(status))),
	}
}

// mostReasons is how many of an upload's reasons are told.
const mostReasons = 20

// state is the status as "ota status --json" prints it, but for what would make
// it large, and for what whoever reads it knows.
func state(status api.Status) []byte {
	status.MQTT = nil
	if reasons := status.Deposit.Reasons; len(reasons) > mostReasons {
		status.Deposit.Reasons = reasons[:mostReasons]
	}
	return encode(status)
}

// encode is JSON that a person can read. What is encoded here always can be.
func encode(v any) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return []byte("{}")
	}
	return bytes.TrimRight(text.Bytes(), "\n")
}

// updateState is what an update entity shows. Home Assistant refuses the whole
// of it for one key that it doesn't know, and for a null.
type updateState struct {
	Installed  string `json:"installed_version"`
	Latest     string `json:"latest_version"`
	Title      string `json:"title"`
	Summary    string `json:"release_summary"`
	URL        string `json:"release_url,omitempty"`
	InProgress bool   `json:"in_progress"`
}

// longestSummary is how many characters Home Assistant shows.
const longestSummary = 255

// update says which release runs and which would be next. A release on trial is
// on its way still: installed is the one that it was laid over. Before the first
// release installed is 0.
func (h *Home) update(status api.Status) updateState {
	installed, latest := 0, 0
	if status.Release != nil {
		installed = status.Release.Number
	}
	latest = installed
	shown := updateState{Title: h.options.Name, URL: reachable(status.Web.Address)}
	switch deposit := status.Deposit; {
	case status.Release != nil && status.Release.State == api.Trial:
		installed = h.before(status.Release.Number)
		shown.InProgress, shown.Summary = true, "on trial"
	case deposit.State == api.Checking, deposit.State == api.Switching:
		shown.InProgress = true
		if deposit.Files > 0 { // or it is on its way back
			latest = h.options.Next()
		}
		if deposit.Doing != nil {
			shown.Summary = *deposit.Doing
		}
	case deposit.State == api.Held, deposit.State == api.Deferred:
		latest = h.options.Next()
		shown.Summary = sentences(deposit.Reasons)
	}
	shown.Installed, shown.Latest = strconv.Itoa(installed), strconv.Itoa(latest)
	shown.Summary = cut(shown.Summary, longestSummary)
	return shown
}

// before is the release that the one on trial was laid over, or that one itself
// where it is an earlier one that was gone back to.
func (h *Home) before(trial int) int {
	history, _ := h.options.House.History() // those that can be read
	for _, one := range history {
		if one.Number == trial && trial == h.options.Next()-1 {
			if one.From == nil {
				return 0
			}
			return *one.From
		}
	}
	return trial
}

// reachable is the address of a page that others than this machine can open.
func reachable(address *string) string {
	if address == nil {
		return ""
	}
	host := strings.TrimPrefix(strings.TrimPrefix(*address, "https://"), "http://")
	for _, own := range []string{"127.", "localhost", "[::1]"} {
		if strings.HasPrefix(host, own) {
			return ""
		}
	}
	return *address
}

func sentences(reasons []api.Reason) string {
	texts := make([]string, len(reasons))
	for i, one := range reasons {
		texts[i] = one.String()
	}
	return strings.Join(texts, "; ")
}

// cut leaves the first characters of a text.
func cut(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most-1]) + "…"
}

// problemState is what the binary sensor shows.
type problemState struct {
	Problem string `json:"problem"` // "ON" or "OFF"
	Text    string `json:"reason"`
}

// problemOf says whether somebody should look at the device.
func problemOf(status api.Status) problemState {
	shown := problemState{Problem: "ON"}
	switch {
	case status.Program.CrashLooping:
		shown.Text = "the program crashes again and again"
	case status.Program.State == api.Backoff:
		shown.Text = "the program has failed and is started again after a pause"
	case status.Deposit.State == api.Held:
		shown.Text = "the upload is held: " + sentences(status.Deposit.Reasons)
	default:
		shown.Problem = "OFF"
	}
	shown.Text = cut(shown.Text, longestSummary)
	return shown
}
