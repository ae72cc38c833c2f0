package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMQTT(t *testing.T) {
	got, err := parse([]byte(`
[mqtt]
broker = "mqtts://broker.local"
user = "garden"
password_file = "secrets//mqtt"
ca = "/etc/ca.pem"
name = "garden_1"
prefix = ""
topic = "house/ota"
control = false
`))
	if err != nil {
		t.Fatal(err)
	}
	want := MQTT{
		Broker: "mqtts://broker.local:8883", User: "garden", PasswordFile: "secrets/mqtt", CA: "/etc/ca.pem",
		Name: "garden_1", Topic: "house/ota",
	}
	if diff := cmp.Diff(want, got.MQTT); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for text, want := range map[string]string{
		"mqtt://10.0.0.1": "mqtt://10.0.0.1:1883", "mqtt://[fe80::1]:1884/": "mqtt://[fe80::1]:1884", "": "",
	} {
		if got, err := parse([]byte("mqtt.broker = \"" + text + `"`)); err != nil || got.MQTT.Broker != want {
			t.Errorf("broker %q: %q, %v", text, got.MQTT.Broker, err)
		}
	}
}

func TestMQTTRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`broker = "broker.local:1883"`:             "must begin with mqtt:// or mqtts://",
		`broker = "tcp://a:1883"`:                  "must begin with mqtt:// or mqtts://",
		`broker = "mqtt://a:0"`:                    "must be an address such as",
		`broker = "mqtt://"`:                       "must be an address such as",
		`broker = "mqtt://a/b"`:                    "must end after the port",
		`broker = "mqtt://me:secret@a"`:            "belong in user and password_file",
		`broker = 1883`:                            "not an integer",
		`name = "a b"`:                             "it is made of at most 64 letters",
		`name = "a/b"`:                             "it is made of at most 64 letters",
		`name = ""`:                                "it is made of at most 64 letters",
		`prefix = "a/#"`:                           "without blanks, + and #",
		`topic = ""`:                               "without blanks, + and #",
		`topic = "/ota"`:                           "without blanks, + and #",
		`topic = "$SYS"`:                           "without blanks, + and #",
		`password = "a"`:                           "unknown key",
		`password_file = "a"`:                      "needs a user",
		"user = \"\"":                              "can't be",
		"broker = \"mqtt://a\"\nca = \"ca.pem\"":   "counts only with a broker that is spoken to with TLS",
		"control = \"no\"":                         "must be true or false",
		"ca = \"a/\"\nbroker = \"mqtts://a:8883\"": "must be a path",
	} {
		_, err := parse([]byte("[mqtt]\n" + text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret@") {
			t.Errorf("a password is shown: %v", err)
		}
	}
	if _, _, err := NoLayers().With("main/ota.toml", []byte("[mqtt]\nbroker = \"mqtt://a\"\n")); err == nil {
		t.Error("an upload chose a broker")
	}
}

func TestMQTTName(t *testing.T) {
	for want, words := range map[string][]string{
		"raspberrypi-garden": {"raspberrypi", "garden"},
		"garden":             {"garden", "garden"},
		"pi-my-g-rten":       {"pi", " my gärten "},
		"":                   {"", "/"},
	} {
		if got := MQTTName(words...); got != want {
			t.Errorf("%q: %q, want %q", words, got, want)
		}
	}
	if got := MQTTName(strings.Repeat("a", 100)); len(got) != 64 {
		t.Error(got)
	}
}
