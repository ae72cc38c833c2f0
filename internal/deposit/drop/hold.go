package drop

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"ota/internal/deposit"
	"ota/internal/kit/beneath"
	"ota/internal/kit/durable"
)

// whose says who has put .hold.
type whose string

const (
	nobodys whose = "nobody's"
	ours    whose = "ours"
	others  whose = "others'"
)

// hold is deposit/.hold, put there for one drop.
type hold struct {
	dir   string
	tree  *beneath.Tree
	words string // what is in it, by which ours is known
}

func openHold(dir, id string) (*hold, error) {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	tree, err := beneath.Open(dir)
	return &hold{dir, tree, "ota puts the files of upload " + id + " here\n"}, err
}

func (h *hold) close() { h.tree.Close() }

func (h *hold) whose() (whose, error) {
	top := h.tree.Top()
	info, err := top.Lstat(deposit.HoldName)
	if errors.Is(err, fs.ErrNotExist) {
		return nobodys, nil
	}
	if err != nil || !info.Mode().IsRegular() || info.Size() != int64(len(h.words)) {
		return others, err
	}
	file, err := top.OpenFile(deposit.HoldName, os.O_RDONLY, 0)
	if err != nil {
		return others, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, int64(len(h.words))+1))
	if string(text) != h.words {
		return others, err
	}
	return ours, err
}

// put makes .hold, whole and durable. The error is errHeld if another is there.
func (h *hold) put() error {
	whose, err := h.whose()
	if err != nil || whose == ours {
		return err
	}
	top, temporary := h.tree.Top(), deposit.TemporaryName(deposit.HoldName)
	if err := gone(top.Remove(temporary)); err != nil {
		return err
	}
	file, err := top.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(h.words)
	if err == nil {
		err = deposit.OwnerOf(h.dir).Give(file, 0o644)
	}
	if err == nil {
		err = durable.SyncData(file)
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = beneath.RenameNew(top, temporary, top, deposit.HoldName)
	}
	if err != nil {
		err = errors.Join(err, gone(top.Remove(temporary)))
		if errors.Is(err, fs.ErrExist) {
			return errHeld
		}
		return err
	}
	return durable.SyncDir(h.dir)
}

// take removes .hold if it is ours.
func (h *hold) take() error {
	whose, err := h.whose()
	if err != nil || whose != ours {
		return err
	}
	return gone(h.tree.Top().Remove(deposit.HoldName))
}

func held(whose whose) error {
	if whose == others {
		return errHeld
	}
	return nil
}
