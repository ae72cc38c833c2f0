//go:build !windows

package ssh

const (
	howToInstall = `on Debian, Ubuntu or Raspberry Pi OS: sudo apt install openssh-client; elsewhere the package is called openssh or openssh-clients`
	canShare     = true // one connection for several commands
)
