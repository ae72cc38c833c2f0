// Package priority makes a process give way to everything else.
//
// In: a process number. Out: the lowest priority for its processor time and
// its disk, which its later children inherit. Never: a way back up, which
// would need root.
package priority
