//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: cannot measure: what processes use is read from /proc, which only Linux has")
	os.Exit(1)
}
