//go:build linux

package main

// costs is what was found out about ota beside its peers.
type costs struct {
	scaled  map[place][]float64 // what a switch takes
	noCalls string              // why there are no system calls; "": there are
	written []written           // what a device writes
	noDisk  string              // why there is nothing of that
	stored  stored
}

func newCosts() *costs { return &costs{scaled: map[place][]float64{}} }

func (c *costs) goals() []goal { return nil }
