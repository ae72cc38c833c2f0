//go:build race

package transfer

// raced: the race detector takes several times the memory.
const raced = true
