//go:build linux

package home

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/test/harness"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files")

// What Home Assistant's documentation says of each kind of entity: the keys that
// have to be there, and the others that are used. A trailing "?" stands for those.
var schemas = map[string]string{
	"update": "state_topic name unique_id availability_topic device origin title? command_topic? payload_install? retain? " +
		"value_template? json_attributes_topic? entity_category? icon? device_class?",
	"sensor": "state_topic name unique_id availability_topic device origin value_template? json_attributes_topic? " +
		"device_class? options? state_class? entity_category? icon?",
	"binary_sensor": "state_topic name unique_id availability_topic device origin value_template? json_attributes_topic? " +
		"device_class? entity_category? icon? payload_on? payload_off?",
	"device": "identifiers name sw_version? model? configuration_url?",
	"origin": "name sw_version?",
	// Of the update's state: a key that is not known costs the whole message.
	"state": "installed_version latest_version title? release_summary? release_url? in_progress?",
}

// check compares keys and types with a schema.
func check(t *testing.T, schema string, got map[string]any) {
	t.Helper()
	known := map[string]bool{}
	for word := range strings.FieldsSeq(schemas[schema]) {
		name, optional := strings.CutSuffix(word, "?")
		known[name] = true
		if _, has := got[name]; !has && !optional {
			t.Errorf("%s: %s is missing", schema, name)
		}
	}
	for name, value := range got {
		if !known[name] {
			t.Errorf("%s: %s is not known", schema, name)
		}
		_, isText := value.(string)
		_, isList := value.([]any)
		_, isMap := value.(map[string]any)
		_, isBool := value.(bool)
		switch name {
		case "device", "origin":
			isText = isMap
		case "identifiers", "options":
			isText = isList
		case "retain", "in_progress":
			isText = isBool
		}
		if !isText {
			t.Errorf("%s: %s is %T", schema, name, value)
		}
		if topic, _ := value.(string); strings.HasSuffix(name, "_topic") && strings.ContainsAny(topic, "+# ") {
			t.Errorf("%s: %s is %q", schema, name, topic)
		}
	}
}

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var found map[string]any
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return found
}

// discoveryTopic is <prefix>/<component>/<node_id>/<object_id>/config.
var discoveryTopic = regexp.MustCompile(`^homeassistant/([a-z_]+)/[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]+/config$`)

// checkDiscovery looks at what announces the device.
func checkDiscovery(t *testing.T, e *ear) {
	t.Helper()
	var announced []string
	ids := map[string]bool{}
	for _, line := range e.heard() {
		topic, payload, _ := strings.Cut(line, " ")
		if !strings.HasPrefix(topic, "homeassistant/") {
			continue
		}
		match := discoveryTopic.FindStringSubmatch(topic)
		if match == nil {
			t.Errorf("%s is no topic for discovery", topic)
			continue
		}
		one := object(t, payload)
		check(t, match[1], one)
		check(t, "device", one["device"].(map[string]any))
		check(t, "origin", one["origin"].(map[string]any))
		for _, key := range []string{"state_topic", "availability_topic"} {
			if e.last(one[key].(string)) == "" {
				t.Errorf("%s: nothing is on its %s", topic, key)
			}
		}
		if id := one["unique_id"].(string); ids[id] {
			t.Errorf("%s is not unique", id)
		} else {
			ids[id] = true
		}
		device := one["device"].(map[string]any)
		delete(device, "model") // of this machine
		device["sw_version"], one["origin"].(map[string]any)["sw_version"] = "ota VERSION", "VERSION"
		shown, _ := json.MarshalIndent(one, "", "  ")
		announced = append(announced, topic+"\n"+string(shown)+"\n")
	}
	slices.Sort(announced)
	got, golden := strings.Join(announced, "\n"), filepath.Join("testdata", "discovery.txt")
	if *rewrite {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("-want +got (-update rewrites it)\n%s", diff)
	}
}

// checkUpdate looks at the state of the update.
func checkUpdate(t *testing.T, payload string) {
	t.Helper()
	shown := object(t, payload)
	check(t, "state", shown)
	if summary, _ := shown["release_summary"].(string); len([]rune(summary)) > 255 {
		t.Errorf("a summary of %d characters", len([]rune(summary)))
	}
}

// checkSteps looks at the way of release 2, from held to installed.
func checkSteps(t *testing.T, e *ear) {
	t.Helper()
	var steps []string
	for _, payload := range e.all("ota/garden/update") {
		checkUpdate(t, payload)
		shown := object(t, payload)
		step := fmt.Sprintf("%s of %s, in progress: %v", shown["installed_version"], shown["latest_version"], shown["in_progress"])
		if len(steps) == 0 || steps[len(steps)-1] != step {
			steps = append(steps, step)
		}
	}
	want := []string{"1 of 1, in progress: false", "1 of 2, in progress: false", "1 of 2, in progress: true", "2 of 2, in progress: false"}
	at := 0
	for _, step := range steps {
		if at < len(want) && step == want[at] {
			at++
		}
	}
	if at < len(want) {
		t.Errorf("%q is not among %q in this order", want[at:], steps)
	}
	if !slices.ContainsFunc(e.all("ota/garden/update"), func(payload string) bool { return strings.Contains(payload, "on trial") }) {
		t.Error("the trial is not shown")
	}
}

// makeCertificates makes an authority and what it vouches for.
func makeCertificates(t *testing.T, dir string) {
	t.Helper()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an authority of our own"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
	}
	write := func(name, kind string, bytes []byte) {
		text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes})
		harness.Tree{name: harness.File(string(text))}.Write(t, dir)
	}
	key := func() *ecdsa.PrivateKey {
		made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	sign := func(one *x509.Certificate, public any, by *ecdsa.PrivateKey) []byte {
		made, err := x509.CreateCertificate(rand.Reader, one, authority, public, by)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	its, own := key(), key()
	write("ca.pem", "CERTIFICATE", sign(authority, &its.PublicKey, its))
	write("cert.pem", "CERTIFICATE", sign(server, &own.PublicKey, its))
	secret, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	write("key.pem", "PRIVATE KEY", secret)
}
