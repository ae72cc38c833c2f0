// Package proc tells processes apart, ends them, and keeps the list of the
// children that somebody of ours waits for.
//
// In: process numbers, /proc. Out: identities that survive the reuse of a
// number, signals that reach only who is meant, and the reaping of orphans.
// Never: a decision about who is to be ended; and never the reaping of a
// child that was started by [Start].
//
// Everything here may be called by several goroutines. The list of children
// is one for the whole process, because the children are.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// ID names one process for ever. A number alone is given again after its
// process is gone; together with the start it is unique until the next boot.
type ID struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks from boot to the start, field 22 of proc_pid_stat(5)
}

// Stat is what proc_pid_stat(5) tells of a process.
type Stat struct {
	ID
	Name    string // any bytes, at most 15
	State   byte   // 'R' running, 'S' sleeping, 'T' stopped, 'Z' zombie …
	Parent  int
	Group   int
	Session int
	Threads int
	// Ticks is the time of processors that it has used, in hundredths of a second
	// (clock ticks as user space counts them, on every machine that Go knows).
	// Gathered is that of the children it has waited for, and of theirs.
	Ticks, Gathered uint64
	Resident        int64 // pages of memory, to within a few dozen
}

// Alive is false for a process that only waits to be reaped. A zombie with
// other threads is alive: its first thread has ended, the rest runs on.
func (s Stat) Alive() bool {
	switch s.State {
	case 'Z', 'X', 'x':
		return s.Threads > 1
	}
	return true
}

var errStat = errors.New("not the content of a stat file")

// The fields that are used, counted from the one after the name.
const (
	fieldState   = 0
	fieldParent  = 1
	fieldGroup   = 2
	fieldSession = 3
	fieldUser    = 11
	fieldSystem  = 12
	// Of the children, likewise.
	fieldGatheredUser   = 13
	fieldGatheredSystem = 14
	fieldThreads        = 17
	fieldStart          = 19
	fieldResident       = 21
)

// ParseStat reads the content of /proc/PID/stat.
func ParseStat(data []byte) (Stat, error) {
	// The name may hold spaces and parentheses: only the last one ends it.
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 2 || end < open {
		return Stat{}, errStat
	}
	fields := bytes.Fields(data[end+1:])
	if len(fields) <= fieldResident || len(fields[fieldState]) != 1 {
		return Stat{}, errStat
	}
	s := Stat{Name: string(data[open+1 : end]), State: fields[fieldState][0]}
	for _, number := range []struct {
		text []byte
		to   *int
	}{
		{bytes.TrimSpace(data[:open]), &s.PID},
		{fields[fieldParent], &s.Parent},
		{fields[fieldGroup], &s.Group},
		{fields[fieldSession], &s.Session},
		{fields[fieldThreads], &s.Threads},
	} {
		n, err := strconv.Atoi(string(number.text))
		if err != nil {
			return Stat{}, fmt.Errorf("%w: %w", errStat, err)
		}
		*number.to = n
	}
	for _, number := range []struct {
		text []byte
		to   *uint64
	}{
		{fields[fieldStart], &s.Start},
		{fields[fieldUser], &s.Ticks},
		{fields[fieldSystem], &s.Ticks},
		{fields[fieldGatheredUser], &s.Gathered},
		{fields[fieldGatheredSystem], &s.Gathered},
	} {
		// An old kernel may tell a time of the children below zero.
		n, err := strconv.ParseUint(string(number.text), 10, 64)
		if err != nil && number.to != &s.Gathered {
			return Stat{}, fmt.Errorf("%w: %w", errStat, err)
		}
		*number.to += n
	}
	resident, err := strconv.ParseInt(string(fields[fieldResident]), 10, 64)
	if err != nil {
		return Stat{}, fmt.Errorf("%w: %w", errStat, err)
	}
	s.Resident = resident
	return s, nil
}
