package doctor

// Names are those of all that can be found, in the order of the documentation,
// docs/doctor.md.
var Names = []string{
	"settings-wrong", "settings-left-out",
	"ota-absent", "ota-left-socket", "ota-silent", "ota-refuses", "ota-outdated",
	"service-none", "service-disabled", "service-beside", "service-down",
	"program-missing", "program-port", "program-failing", "program-crashing", "program-trial", "upload-held",
	"python-missing", "python-broken", "python-shim", "python-parts", "python-pip",
	"page-problem", "page-port",
	"broker-away", "broker-file", "broker-secret",
	"source-git", "source-away", "source-file", "source-secret",
	"folder-kind", "folder-rights", "folder-secrets", "folder-owner",
	"deposit-read", "deposit-remove", "deposit-sticky", "deposit-group", "deposit-unknown",
	"open-deposit", "open-folder",
	"mount-read-only", "mount-distant", "mount-modes", "mount-noexec", "mount-split", "mount-unknown",
	"space-full", "space-low", "inodes-full", "inodes-low", "space-unknown",
	"watches-few", "watches-low", "watchers-few", "watches-unknown",
	"clock-wrong", "clock-free", "clock-unknown",
	"power-low", "power-was-low", "power-slow",
	"card-errors", "card-unknown",
	"kernel-old", "kernel-exchange", "kernel-memory", "kernel-unknown",
}
