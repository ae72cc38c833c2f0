package doctor

import (
	"os"

	"ota/internal/device"
)

// checks are all, in the order in which they are made and told.
var checks = []check{
	{"settings", (*patient).lookAtSettings},
	{"ota", (*patient).lookAtOta},
	{"service", (*patient).lookAtService},
	{"program", (*patient).lookAtProgram},
	{"python", (*patient).lookAtPython},
	{"page", (*patient).lookAtPage},
	{"broker", (*patient).lookAtBroker},
	{"source", (*patient).lookAtSource},
	{"folders", (*patient).lookAtFolders},
	{"deposit", (*patient).lookAtDeposit},
	{"open", (*patient).lookAtOpen},
	{"mounts", (*patient).lookAtMounts},
	{"space", (*patient).lookAtSpace},
	{"watches", (*patient).lookAtWatches},
	{"clock", (*patient).lookAtClock},
	{"power", (*patient).lookAtPower},
	{"card", (*patient).lookAtCard},
	{"kernel", (*patient).lookAtKernel},
}

func thisSystem(dir string) system {
	return system{
		root: "/", uid: os.Geteuid(), facts: device.New(dir).Facts,
		disk: diskOf, exchange: tryExchange, account: lookUp, dmesg: []string{"dmesg"},
	}
}
