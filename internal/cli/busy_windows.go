package cli

import "os"

// sentToAll is true: a console signals all that run in it.
func sentToAll() bool { return true }

func codeOf(state *os.ProcessState) int { return state.ExitCode() }
