//go:build !linux

package doctor

import (
	"os"
	"strconv"
)

// checks are those that need no Linux.
var checks = []check{
	{"settings", (*patient).lookAtSettings},
	{"ota", (*patient).lookAtOta},
	{"service", (*patient).lookAtService},
	{"program", (*patient).lookAtProgram},
	{"python", (*patient).lookAtPython},
	{"page", (*patient).lookAtPage},
}

func thisSystem(string) system { return system{root: string(os.PathSeparator), uid: os.Geteuid()} }

// whoseOta takes the doctor's user for that of ota: nothing tells on every
// system.
func (p *patient) whoseOta() user {
	return user{id: p.uid, name: "user " + strconv.Itoa(p.uid)}
}

// keeper is nobody else.
func (p *patient) keeper() user { return user{} }

// environment is our own.
func (p *patient) environment() []string { return p.Env }

// whoHas finds nobody: only Linux tells.
func (p *patient) whoHas(string) string { return "" }
