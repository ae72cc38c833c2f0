package service

import (
	"io/fs"
	"strings"
)

// kind is what starts the services of a machine.
type kind string

const (
	systemd kind = "systemd"
	openRC  kind = "OpenRC"
)

// file is one that makes a service.
type file struct {
	path, text string
	mode       fs.FileMode
	shared     bool   // all services have it
	packaged   string // where a package may have brought the same
}

// PackagedUnit is where a package puts the template that [Template] returns. It
// belongs to the package: nothing here writes or removes it.
const PackagedUnit = "/usr/lib/systemd/system/ota@.service"

// Template returns the template of the system's services, for a package that
// brings it together with the program.
func Template(binary string) string { return withBinary(systemTemplate, binary) }

func withBinary(template, binary string) string {
	return strings.ReplaceAll(template, "BINARY", binary)
}

// manager is how a service is known to what starts it, and by which commands it
// is steered.
type manager struct {
	unit                string
	files               []file
	isActive, isEnabled []string
	reload, enable      []string
	start, restart      []string
	stop, disable       []string
}

func (w *work) managerFor(record Record) manager {
	if w.kind == openRC {
		return openRCManager(record, w.binary())
	}
	systemctl := []string{"systemctl"}
	template := systemTemplate
	if w.options.Scope == OfUser {
		systemctl, template = []string{"systemctl", "--user"}, userTemplate
	}
	unit := "ota@" + record.Name + ".service"
	do := func(args ...string) []string { return append(append([]string{}, systemctl...), args...) }
	units := w.home("/etc/systemd/system", ".config/systemd/user")
	shared := file{path: units + "/ota@.service", text: withBinary(template, w.binary()), mode: 0o644, shared: true}
	if w.options.Scope == OfSystem {
		shared.packaged = PackagedUnit
	}
	return manager{
		unit: unit,
		files: []file{
			shared,
			{path: units + "/" + unit + ".d/ota.conf", text: dropIn(record, w.options.Scope), mode: 0o644},
		},
		isActive:  do("is-active", "--quiet", unit),
		isEnabled: do("is-enabled", "--quiet", unit),
		reload:    do("daemon-reload"),
		enable:    do("enable", unit),
		start:     do("start", unit),
		restart:   do("restart", unit),
		stop:      do("stop", unit),
		disable:   do("disable", unit),
	}
}

// dropIn says for which folder an instance of the template is, and as whom it
// runs: neither can come from a file of variables.
func dropIn(record Record, scope Scope) string {
	path := strings.ReplaceAll(record.Dir, "%", "%%")
	text := `# Written by "ota install". Settings of your own: systemctl edit ota@` + record.Name + `
[Unit]
Description=ota in ` + path + `

[Service]
WorkingDirectory=` + path + "\n"
	if scope == OfSystem {
		text += "User=" + record.User + "\n"
	}
	return text
}

const head = `# One service for each folder, ota@NAME. "ota install" makes it, and says in
# ota@NAME.service.d/ota.conf which folder that is.
# Settings of your own: systemctl edit ota@NAME
[Unit]
Description=ota for %i
Documentation=man:systemd.service(5)
# Never give up on the device, however often it fails.
StartLimitIntervalSec=0
`

const life = `
[Service]
ExecStart=BINARY run
# The ota that is installed takes over in the same process, and reads ota.toml
# anew; the program runs on.
ExecReload=BINARY reload
# ota says when it is ready, how things stand, and that it is alive; nobody else
# says it for it.
Type=notify
NotifyAccess=main
WatchdogSec=60
Restart=always
RestartSec=2
# ota stops the program as its settings say; who is left after that is killed.
KillMode=mixed
# Where the settings of the program allow it more time, ota asks for that.
TimeoutStopSec=60
# ota keeps the program in a control group of its own.
Delegate=yes
`

const systemTemplate = head + `After=network.target
` + life + `
# The sandbox: what no program on a device should need. Devices (GPIO, I2C, SPI,
# serial ports, cameras), the network, the homes and /tmp stay as they are.
# No sudo, nothing that is setuid.
NoNewPrivileges=yes
# /usr, /boot and /etc are for reading only.
ProtectSystem=full
# No kernel module is loaded, and the kernel's log is not read.
ProtectKernelModules=yes
ProtectKernelLogs=yes
# The name of the machine is not changed.
ProtectHostname=yes
# No file becomes setuid or setgid.
RestrictSUIDSGID=yes
# No other kernel is imitated.
LockPersonality=yes
# Left out on purpose: ProtectKernelTunables makes /sys read-only, by which pins,
# LEDs and PWM are driven; ProtectControlGroups takes away what Delegate gives;
# PrivateDevices and ProtectClock take the devices away; RestrictRealtime takes
# exact timing from who drives motors; MemoryDenyWriteExecute breaks compilers
# and some Python packages.

[Install]
WantedBy=multi-user.target
`

const userTemplate = head + life + `
# No sudo, nothing that is setuid.
NoNewPrivileges=yes

[Install]
WantedBy=default.target
`

func openRCManager(record Record, binary string) manager {
	name := "ota." + record.Name
	do := func(action string) []string { return []string{"rc-service", name, action} }
	return manager{
		unit:      name,
		files:     []file{{path: "/etc/init.d/" + name, text: openRCScript(record, binary), mode: 0o755}},
		isActive:  do("status"),
		isEnabled: []string{"test", "-e", "/etc/runlevels/default/" + name},
		enable:    []string{"rc-update", "add", name, "default"},
		start:     do("start"),
		restart:   do("restart"),
		stop:      do("stop"),
		disable:   []string{"rc-update", "del", name, "default"},
	}
}

func openRCScript(record Record, binary string) string {
	return `#!/sbin/openrc-run
# Written by "ota install".
description=` + quoted("ota in "+record.Dir) + `
supervisor=supervise-daemon
command=` + quoted(binary) + `
command_args="run"
command_user=` + quoted(record.User) + `
directory=` + quoted(record.Dir) + `
# Never give up on the device, however often it fails.
respawn_delay=2
respawn_max=0
# ota stops the program as its settings say; that may take its time.
retry="TERM/60/KILL/5"

depend() {
	after net
}
`
}

// quoted is a word for a shell.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
