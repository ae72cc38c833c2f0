package ssh

const (
	howToInstall = `as administrator, in PowerShell: Add-WindowsCapability -Online -Name OpenSSH.Client~~~~0.0.1.0`
	canShare     = false // one connection for several commands: not by the ssh of Windows
)
