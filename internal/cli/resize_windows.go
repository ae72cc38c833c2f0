package cli

import "os"

// resizes tells nothing: the next change is drawn in the new size.
func resizes() (resized <-chan os.Signal, stop func()) { return nil, func() {} }
