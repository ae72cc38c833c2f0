// Command ota keeps a program on a device running and up to date: whatever
// lands in deposit/ becomes the next release of main/.
package main

import (
	"os"

	"ota/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr))
}
