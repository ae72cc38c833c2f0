//go:build unix

package agent

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"ota/internal/kit/hint"
)

// ours says why this process must not write into .ota: what root writes there,
// the ota of another user can't read.
func (f folder) ours() error {
	info, err := os.Stat(f.own())
	if err != nil {
		return err
	}
	owner := int(info.Sys().(*syscall.Stat_t).Uid)
	if owner == os.Geteuid() {
		return nil
	}
	advice := "ask as that user: sudo -u '#" + strconv.Itoa(owner) + "' ota ..."
	return hint.With(fmt.Errorf("%s belongs to user %d", f.own(), owner), advice)
}
