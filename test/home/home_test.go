//go:build linux

// Package home looks at what a home automation sees: the real ota, told to a
// real Mosquitto, which is asked by the clients that come with it.
//
// In: Mosquitto as Debian ships it, on a port of the loopback address. Out:
// whether what the broker holds is what Home Assistant's documentation asks for,
// and what docs/home.md says. Never: anything inside ota.
package home

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"ota/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// broker is a Mosquitto with a configuration of its own.
type broker struct {
	t       *testing.T
	dir     string
	port    int
	client  []string // further arguments of its clients
	process *exec.Cmd
	said    bytes.Buffer
}

// newBroker starts one. Its settings get the port in the place of PORT.
func newBroker(t *testing.T, settings string) *broker {
	t.Helper()
	harness.Need(t, "mosquitto", "mosquitto_sub", "mosquitto_pub")
	b := &broker{t: t, dir: harness.FastDir(t), port: harness.FreePort(t)}
	if err := os.Chmod(b.dir, 0o755); err != nil { // started by root, it becomes another user
		t.Fatal(err)
	}
	settings = fmt.Sprintf("listener %d 127.0.0.1\npersistence false\n", b.port) + settings
	if err := os.WriteFile(b.at("mosquitto.conf"), []byte(strings.ReplaceAll(settings, "DIR", b.dir)), 0o644); err != nil {
		t.Fatal(err)
	}
	return b
}

// open lets in anybody.
const open = "allow_anonymous true\n"

func (b *broker) at(name string) string { return filepath.Join(b.dir, name) }

func (b *broker) start() {
	b.t.Helper()
	b.process = exec.Command("mosquitto", "-c", b.at("mosquitto.conf"))
	b.process.Stderr = &b.said
	if err := b.process.Start(); err != nil {
		b.t.Fatal(err)
	}
	process := b.process
	b.t.Cleanup(func() {
		process.Process.Kill()
		process.Wait()
		if b.t.Failed() {
			b.t.Logf("mosquitto: %s", b.said.String())
		}
	})
	harness.Await(b.t, "the broker", func() bool {
		conn, err := net.Dial("tcp", b.address())
		if err != nil {
			return false
		}
		conn.Close()
		return true
	}, func() string { return "it does not listen" })
}

func (b *broker) kill() {
	b.process.Process.Kill()
	b.process.Wait()
}

func (b *broker) address() string { return "127.0.0.1:" + strconv.Itoa(b.port) }

// say publishes a message by mosquitto_pub.
func (b *broker) say(topic, payload string, more ...string) {
	b.t.Helper()
	args := append([]string{"-h", "localhost", "-p", strconv.Itoa(b.port), "-t", topic, "-m", payload, "-q", "1"}, b.client...)
	if out, err := exec.CommandContext(b.t.Context(), "mosquitto_pub", append(args, more...)...).CombinedOutput(); err != nil {
		b.t.Fatalf("mosquitto_pub: %v: %s", err, out)
	}
}

// ear is a mosquitto_sub that hears everything. Several goroutines may use it.
type ear struct {
	t     *testing.T
	mutex sync.Mutex
	lines []string
	rest  []byte
}

// listen hears all topics: first what the broker holds, then what comes.
func (b *broker) listen() *ear {
	b.t.Helper()
	e := &ear{t: b.t}
	args := append([]string{"-h", "localhost", "-p", strconv.Itoa(b.port), "-t", "#", "-q", "1", "-F", "%t %p"}, b.client...)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "mosquitto_sub", args...)
	cmd.Stdout, cmd.Stderr = e, e
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		cancel()
		cmd.Wait()
		if b.t.Failed() {
			b.t.Logf("heard:\n%s", strings.Join(e.heard(), "\n"))
		}
	})
	return e
}

func (e *ear) Write(piece []byte) (int, error) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.rest = append(e.rest, piece...)
	for {
		line, rest, whole := bytes.Cut(e.rest, []byte("\n"))
		if !whole {
			return len(piece), nil
		}
		e.lines, e.rest = append(e.lines, string(line)), rest
	}
}

func (e *ear) heard() []string {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	return append([]string(nil), e.lines...)
}

// last is what a topic said last, "" if nothing.
func (e *ear) last(topic string) string {
	all := e.all(topic)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// all is what a topic said, in order.
func (e *ear) all(topic string) []string {
	var all []string
	for _, line := range e.heard() {
		if payload, ok := strings.CutPrefix(line, topic+" "); ok {
			all = append(all, payload)
		}
	}
	return all
}

// await waits until a topic says something with this in it last.
func (e *ear) await(topic, part string) string {
	e.t.Helper()
	harness.Await(e.t, fmt.Sprintf("%q on %s", part, topic),
		func() bool { return strings.Contains(e.last(topic), part) }, func() string { return e.last(topic) })
	return e.last(topic)
}

// program runs until it is stopped.
const program = "exec sleep 1000\n"

// newDevice is a folder whose device knows the broker. Its program is a shell
// script, as Python takes its time.
func newDevice(t *testing.T, settings string) *harness.Device {
	t.Helper()
	return harness.NewDevice(t, harness.FastDir(t), harness.Tree{"run.sh": harness.File(program)}, `
[program]
command = ["/bin/sh", "run.sh"]
stop_signals = ["TERM"]
[update]
quiet = "20ms"
[trial]
period = "1500ms"
[mqtt]
name = "garden"
`+settings)
}

func (b *broker) setting() string { return fmt.Sprintf("broker = \"mqtt://%s\"\n", b.address()) }

// upload puts a tree into deposit/ as one upload.
func upload(t testing.TB, d *harness.Device, tree harness.Tree) {
	t.Helper()
	d.HoldBack()
	tree.Write(t, d.Deposit())
	d.LetGo()
}

// awaitConsole waits until ota has printed a text.
func awaitConsole(t testing.TB, d *harness.Device, text string) {
	t.Helper()
	harness.Await(t, fmt.Sprintf("%q on the console", text),
		func() bool { return strings.Contains(d.Console(), text) }, d.Console)
}

// TestDeviceOfHomeAssistant: from the first message to the last, on one device.
func TestDeviceOfHomeAssistant(t *testing.T) {
	t.Parallel()
	b := newBroker(t, open)
	b.start()
	e := b.listen()
	d := newDevice(t, b.setting())
	d.Start()
	e.await("ota/garden/availability", "online")
	e.await("ota/garden/update", `"installed_version":"1"`)
	checkDiscovery(t, e)
	if got := d.Say("status"); !strings.Contains(got, "mqtt     connected: mqtt://127.0.0.1:") {
		t.Error(got)
	}

	// Held: it seems to be cut off. The button takes it all the same.
	upload(t, d, harness.Tree{"run.sh": harness.File("")})
	held := e.await("ota/garden/update", `"latest_version":"2"`)
	held = e.await("ota/garden/update", `"in_progress":false`)
	checkUpdate(t, held)
	if !strings.Contains(held, "run.sh") || !strings.Contains(e.await("ota/garden/problem", `"ON"`), "held") {
		t.Errorf("%s\n%s", held, e.last("ota/garden/problem"))
	}
	upload(t, d, harness.Tree{"run.sh": harness.File(program + "# the second\n")})
	e.await("ota/garden/update", `"installed_version":"2"`)
	checkSteps(t, e)
	e.await("ota/garden/problem", `"OFF"`)
	upload(t, d, harness.Tree{"data.py": harness.File("")})
	e.await("ota/garden/state", `"release":{"number":3`)

	d.Kill()
	e.await("ota/garden/availability", "offline")
	d.KillPrograms()
	d.Start()
	e.await("ota/garden/availability", "online")
	d.Stop()
	e.await("ota/garden/availability", "offline")
}

// TestInstallButton makes releases of what is held and of what waits.
func TestInstallButton(t *testing.T) {
	t.Parallel()
	b := newBroker(t, open)
	b.start()
	b.say("ota/garden/command", "install", "-r") // somebody has meant well
	e := b.listen()
	d := newDevice(t, b.setting())
	d.Start()
	e.await("ota/garden/availability", "online")
	upload(t, d, harness.Tree{"run.sh": harness.File(program + "# \n"), "data": harness.File("")})
	e.await("ota/garden/update", `"installed_version":"2"`)
	upload(t, d, harness.Tree{"run.sh": harness.File("")})
	e.await("ota/garden/update", `"latest_version":"3"`)
	e.await("ota/garden/problem", `held`)
	b.say("ota/garden/command", "INSTALL")
	b.say("ota/garden/command", `{"install":true}`)
	b.say("ota/garden/command", "install")
	// An empty script ends at once, with exit code 0: that is no crash.
	d.Await("release 3", func(s harness.Status) bool { return s.Release.Number == 3 })
	if console := d.Console(); strings.Count(console, "asked over MQTT") != 1 || !strings.Contains(console, "a command over MQTT is ignored") {
		t.Error(console)
	}
}

// TestBrokerComesBack: killed and started again, it is told everything anew.
func TestBrokerComesBack(t *testing.T) {
	t.Parallel()
	b := newBroker(t, open)
	d := newDevice(t, b.setting())
	d.Start()
	awaitConsole(t, d, "the MQTT broker is not reached")
	if got := d.Say("status"); !strings.Contains(got, "mqtt     disconnected") || !strings.Contains(got, "connection refused") {
		t.Error(got)
	}
	if got := d.Ask("doctor").Said; !strings.Contains(got, "the MQTT broker mqtt://127.0.0.1") || !strings.Contains(got, "connection refused") {
		t.Error(got)
	}
	b.start()
	e := b.listen()
	e.await("ota/garden/availability", "online")
	b.kill()
	awaitConsole(t, d, "the broker has closed the connection")
	b.start()
	e = b.listen()
	e.await("ota/garden/availability", "online")
	e.await("homeassistant/update/ota_garden/program/config", "{")
	e.await("ota/garden/update", "{")
}

// documentedRights are those that docs/home.md gives a device.
func documentedRights(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/home.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "    user garden\n")
	rights := "user garden\n"
	for line := range strings.Lines(rest) {
		topic, ok := strings.CutPrefix(line, "    topic ")
		if !ok {
			break
		}
		rights += "topic " + topic
	}
	if strings.Count(rights, "\n") != 4 {
		t.Fatalf("docs/home.md gives no rights: %q", rights)
	}
	return rights
}

// TestLogin with a user, whose rights bound what the device can do.
func TestLogin(t *testing.T) {
	t.Parallel()
	b := newBroker(t, "allow_anonymous false\npassword_file DIR/passwords\nacl_file DIR/rights\n")
	harness.Need(t, "mosquitto_passwd")
	for i, user := range []string{"garden", "watcher"} {
		mode := [][]string{{"-c", "-b"}, {"-b"}}[i]
		args := append(mode, b.at("passwords"), user, "secret of "+user)
		if out, err := exec.Command("mosquitto_passwd", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	rights := documentedRights(t) + "user watcher\ntopic read #\n"
	for name, text := range map[string]string{"rights": rights, "passwords": ""} {
		if text != "" {
			if err := os.WriteFile(b.at(name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if os.Geteuid() == 0 { // it reads them as its own user
			if out, err := exec.Command("chown", "mosquitto", b.at(name)).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	}
	b.start()
	b.client = []string{"-u", "watcher", "-P", "secret of watcher"}
	e := b.listen()
	d := newDevice(t, b.setting()+"user = \"garden\"\npassword_file = \"mqtt.password\"\n")
	secret := filepath.Join(d.Dir, "mqtt.password")
	if err := os.WriteFile(secret, []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.Start()
	awaitConsole(t, d, "see [mqtt] user and password_file")
	if err := os.WriteFile(secret, []byte("secret of garden\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e.await("ota/garden/availability", "online")
	e.await("homeassistant/update/ota_garden/program/config", "{")
	record, err := os.ReadFile(filepath.Join(d.Dir, ".ota", "mqtt.json"))
	if err != nil || strings.Contains(d.Console()+d.Say("config")+string(record), "secret of") {
		t.Error("the password is shown")
	}
}

// TestTLS with an authority of one's own, and without it.
func TestTLS(t *testing.T) {
	t.Parallel()
	b := newBroker(t, open+"cafile DIR/ca.pem\ncertfile DIR/cert.pem\nkeyfile DIR/key.pem\n")
	makeCertificates(t, b.dir)
	b.start()
	b.client = []string{"--cafile", b.at("ca.pem")}
	e := b.listen()
	setting := fmt.Sprintf("broker = \"mqtts://localhost:%d\"\n", b.port)
	d := newDevice(t, setting)
	d.Start()
	awaitConsole(t, d, "nobody that is trusted here vouches for the broker's certificate")
	d.Stop()
	settings, err := os.ReadFile(filepath.Join(d.Dir, "ota.toml"))
	if err != nil {
		t.Fatal(err)
	}
	with := strings.Replace(string(settings), setting, setting+fmt.Sprintf("ca = %q\n", b.at("ca.pem")), 1)
	harness.Tree{"ota.toml": harness.File(with)}.Write(t, d.Dir)
	d.Start()
	e.await("ota/garden/availability", "online")
}

// TestHiddenLinesAreNotTold to the broker: what [web] hide names is quoted to
// nobody but the owner.
func TestHiddenLinesAreNotTold(t *testing.T) {
	t.Parallel()
	b := newBroker(t, open)
	b.start()
	e := b.listen()
	d := newDevice(t, b.setting()+"[web]\nlisten = \"off\"\nhide = [\"secret.py\"]\n")
	d.Start()
	e.await("ota/garden/availability", "online")
	upload(t, d, harness.Tree{"secret.py": harness.File("password = (\"hunter2\"\n")})
	held := e.await("ota/garden/state", `"state":"held"`)
	if !strings.Contains(held, "secret.py") {
		t.Error(held)
	}
	if !strings.Contains(d.Say("why"), "hunter2") {
		t.Error("the owner does not see the line either")
	}
	for _, line := range e.heard() {
		if strings.Contains(line, "hunter2") {
			t.Error(line)
		}
	}
}

// TestFlood of the topic for commands: the device goes on as it did.
func TestFlood(t *testing.T) {
	t.Parallel()
	b := newBroker(t, open)
	b.start()
	e := b.listen()
	d := newDevice(t, b.setting())
	d.Start()
	e.await("ota/garden/availability", "online")
	var lines strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&lines, "%s%d\n", strings.Repeat("install", i%50), i)
	}
	flood := exec.CommandContext(t.Context(), "mosquitto_pub", "-h", "localhost", "-p", strconv.Itoa(b.port), "-t", "ota/garden/command", "-l", "-q", "0")
	flood.Stdin = strings.NewReader(lines.String())
	if out, err := flood.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	upload(t, d, harness.Tree{"run.sh": harness.File(program + "# after the flood\n")})
	e.await("ota/garden/update", `"installed_version":"2"`)
	if told := strings.Count(d.Console(), "a command over MQTT is ignored"); told < 1 || told > 2 {
		t.Errorf("told %d times", told)
	}
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", status(t, d).PID)); err == nil {
		for line := range strings.Lines(string(status)) {
			if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
				if kB, _ := strconv.Atoi(fields[1]); kB > 40_000 {
					t.Errorf("it took %d kB", kB)
				}
			}
		}
	}
}

func status(t *testing.T, d *harness.Device) harness.Status {
	t.Helper()
	found, err := d.Status()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestGhosts: a device that has left the broker is not shown any more.
func TestGhosts(t *testing.T) {
	t.Parallel()
	b := newBroker(t, open)
	b.start()
	d := newDevice(t, b.setting())
	d.Start()
	b.listen().await("ota/garden/availability", "online")
	d.Stop()
	toml := filepath.Join(d.Dir, "ota.toml")
	settings, err := os.ReadFile(toml)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(toml, []byte(strings.Replace(string(settings), b.setting(), "", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	d.Start()
	awaitConsole(t, d, "the device is taken away from an MQTT broker")
	b.say("here", "something", "-r")
	e := b.listen()
	e.await("here", "something")
	if heard := e.heard(); len(heard) != 1 {
		t.Errorf("%q", heard)
	}
}
