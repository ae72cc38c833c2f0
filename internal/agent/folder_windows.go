package agent

// mark tells the programs of this folder from all others of the machine.
func (f folder) mark() string { return f.dir }
