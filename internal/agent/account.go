package agent

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ota/internal/check"
	"ota/internal/config"
	"ota/internal/kit/copysum"
	"ota/internal/kit/owner"
	"ota/internal/program"
)

// account is the user as whom the program runs, and all that an upload brings
// with it: its checks, its probes, what is installed for it, and a Python that
// may be a file of its own. Whoever may upload is no more than that user.
type account struct {
	credential *program.Credential // nil: ourselves
	home       string
}

// account looks up the user of [program] user and group.
func (o *outfit) account(settings config.Config) (account, error) {
	set := settings.Program
	if set.User == "" && set.Group == "" {
		return account{}, nil
	}
	credential, home, err := program.LookupCredential(set.User, set.Group)
	if err != nil {
		return account{}, fmt.Errorf("cannot run the program as another user: %w", err)
	}
	if credential != nil {
		o.place.letIn(o.log)
	}
	return account{credential, home}, nil
}

// owner is the same for commands and files.
func (a account) owner() *owner.Owner {
	if a.credential == nil {
		return nil
	}
	return &a.credential.Owner
}

// variables are those in which a user finds itself.
func (a account) variables() []string {
	if a.credential == nil || a.home == "" {
		return nil
	}
	return []string{"HOME=" + a.home, "USER=" + a.credential.Name, "LOGNAME=" + a.credential.Name}
}

// readable makes copies of the Python files that arrive, which another user
// can't read where they lie. It returns the arrivals with these.
func (o *outfit) readable(ctx context.Context, arrivals []check.Arrival, as *owner.Owner) (copies []check.Arrival, remove func(), err error) {
	if as == nil {
		return arrivals, func() {}, nil
	}
	dir, remove, err := o.workFolder("arrivals-")
	if err != nil {
		return nil, nil, err
	}
	buffer := make([]byte, copysum.BufferSize)
	for i, arrival := range arrivals {
		if strings.HasSuffix(arrival.Path, ".py") {
			to := filepath.Join(dir, strconv.Itoa(i))
			if err := copysum.CopyFile(ctx, to, arrival.File, buffer); err != nil {
				remove()
				return nil, nil, err
			}
			arrival.File = to
		}
		copies = append(copies, arrival)
	}
	if err := as.Give(dir); err != nil {
		remove()
		return nil, nil, err
	}
	return copies, remove, nil
}

// workFolder makes a folder for the time of a check.
func (o *outfit) workFolder(name string) (dir string, remove func(), err error) {
	const passable fs.FileMode = 0o711 // for another user, who knows the name
	if err := os.MkdirAll(o.place.checking(), passable); err != nil {
		return "", nil, err
	}
	dir, err = os.MkdirTemp(o.place.checking(), name)
	if err != nil {
		return "", nil, err
	}
	return dir, func() {
		if err := os.RemoveAll(dir); err != nil {
			o.log.Warn("a private copy can't be removed", "error", err)
		}
	}, nil
}
