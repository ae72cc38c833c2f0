//go:build !linux

package program

// limit sets nothing: of other systems' ways to do so none is for a tree.
func (r *Room) limit(spec Spec, _ int) {
	if spec.Nice != 0 {
		r.log.Warn("the program's priority can't be set on this system", "nice", spec.Nice)
	}
	if spec.MemoryMax > 0 {
		r.log.Warn("the program's memory can't be limited on this system", "memory_max", spec.MemoryMax)
	}
}

func (*host) outOfMemory(Exit) bool { return false }
