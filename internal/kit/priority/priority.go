// Package priority lets a process give way to all others.
//
// In: the number of a child that was just started. Out: a process that gets
// the processor and the disk when nobody else wants them. Never: a process
// that gets more than it had.
package priority

// Low gives a process, and all that it will start, the lowest priority for
// processor and disk. Threads that it has already keep theirs, so it is for a
// process that has just begun. Several goroutines may call it.
func Low(pid int) error { return low(pid) }
