package deposit

import (
	"io/fs"
	"os"

	"ota/internal/kit/beneath"
)

// owner says nothing here: files belong to who may write into the folder.
type owner struct{}

func ownerOf(string) owner { return owner{} }

func (owner) give(*os.File, fs.FileMode) error { return nil }

func (owner) giveFolder(*beneath.Dir) error { return nil }
