//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "demo: cannot record: terminals are opened in Linux's way")
	os.Exit(1)
}
