package cli

import (
	"os"
	"strings"
	"testing"

	"ota/internal/api"
)

// Whoever owns a folder may say which process its ota is: root must not replace
// any program for that.
func TestInstalledBinary(t *testing.T) {
	path, err := binaryOf(api.Status{PID: new(os.Getpid())})
	if err == nil || !strings.Contains(err.Error(), "says that it is ota, and runs from "+path) {
		t.Errorf("%s may be replaced: %v", path, err)
	}
	if path, err := binaryOf(api.Status{}); err == nil {
		t.Errorf("%q may be replaced, of no process", path)
	}
}
