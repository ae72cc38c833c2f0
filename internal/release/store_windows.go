package release

import "golang.org/x/sys/windows"

const errCrossDevice = windows.ERROR_NOT_SAME_DEVICE
