package check

import "ota/internal/reason"

// Candidate is main/ as it would be: what is there now, with the arrivals laid
// over it.
type Candidate struct {
	Arrivals []Arrival // the files that differ from those in main/
	Touched  []string  // all paths that change, those of links and folders too
	Links    []string  // those of them that are symbolic links
	Gone     []string  // those of them that main/ has no more
	Current  Walk      // the release that it is laid over
	// Insisted is set if somebody said to go ahead: what may be a mistake of the
	// check is no reason then.
	Insisted bool
}

// Restart says whether a switch to the candidate needs the program stopped.
type Restart string

// Whether it does.
const (
	Needed    Restart = ""
	NotNeeded Restart = "not needed" // only files change that the program reads while it runs
)

// Compiled is bytecode made from an arrival.
type Compiled struct {
	Source string // path of the arrival
	Name   string // of the bytecode in its folder: "helper.cpython-311.pyc"
	File   string // where it was written
}

// Verdict is what a candidate was found to be.
type Verdict struct {
	Held        []reason.Reason // none: it may become a release
	Warnings    []reason.Reason
	Compiled    []Compiled
	Environment string // name of the environment that it needs; empty: none
	Restart     Restart
}
