package drop

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"ota/internal/deposit"
	"ota/internal/kit/beneath"
	"ota/internal/kit/durable"
	"ota/internal/kit/escape"
	"ota/internal/kit/hint"
)

const (
	fileMode    = 0o644
	programMode = 0o755 // of what begins with #!
)

// place moves files out of a box into deposit/.
type place struct {
	owner  deposit.Owner
	from   *beneath.Tree
	tree   *beneath.Tree
	disk   *durable.FS // of deposit/
	vouch  func(path string, info fs.FileInfo)
	before string // folder of the file before
}

func (r *Room) openPlace(boxDir string) (*place, error) {
	folder := r.options.Deposit
	if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	p := &place{owner: deposit.OwnerOf(folder), vouch: r.options.Vouch}
	var err error
	if p.from, err = beneath.Open(boxDir); err != nil {
		return nil, err
	}
	if p.tree, err = beneath.Open(folder); err != nil {
		p.from.Close()
		return nil, err
	}
	if p.disk, err = durable.OpenFS(folder); err != nil {
		p.from.Close()
		p.tree.Close()
		return nil, err
	}
	return p, nil
}

func (p *place) close() {
	p.from.Close()
	p.tree.Close()
	p.disk.Close()
}

// left are the files that are not in deposit/ yet.
func (p *place) left(files []*arrival) (left []*arrival, err error) {
	for _, one := range files {
		switch _, err := p.from.Top().Lstat(one.id); {
		case err == nil:
			left = append(left, one)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	return left, nil
}

// put moves a file to its place, in the place of one that is there.
func (p *place) put(a *arrival) error {
	folder, name := beneath.Split(a.path)
	p.before = deposit.Leave(p.tree, p.before, folder)
	to, err := p.folder(folder)
	if err != nil {
		return inTheWay(err)
	}
	if err := p.dress(a.id); err != nil {
		return err
	}
	err = beneath.Rename(p.from.Top(), a.id, to, name)
	if isOtherMount(err) {
		err = p.copy(a, to, name)
	}
	if isFolder(err) {
		return folderThere(a.path)
	}
	if err != nil || p.vouch == nil {
		return err
	}
	if info, err := to.Lstat(name); err == nil { // else somebody has taken it already
		p.vouch(a.path, info)
	}
	return nil
}

// folder makes the folders on the way, and gives them away.
func (p *place) folder(at string) (*beneath.Dir, error) {
	for i := range len(at) {
		if at[i] != '/' {
			continue
		}
		if _, err := p.make(at[:i]); err != nil {
			return nil, err
		}
	}
	return p.make(at)
}

func (p *place) make(at string) (*beneath.Dir, error) {
	dir, err := p.tree.Dir(at)
	if !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	if dir, err = p.tree.MakeDir(at); err != nil {
		return nil, err
	}
	return dir, p.owner.GiveFolder(dir)
}

// dress gives a file the mode, owner and time that it is to have.
func (p *place) dress(name string) error {
	top := p.from.Top()
	file, err := top.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	begin := make([]byte, 2)
	if _, err := file.ReadAt(begin, 0); err != nil && err != io.EOF {
		return err
	}
	mode := fs.FileMode(fileMode)
	if string(begin) == "#!" {
		mode = programMode
	}
	if err := p.owner.Give(file, mode); err != nil {
		return err
	}
	return top.Chtimes(name, time.Now())
}

// copy is for a folder that is another mount: under a name of an unfinished file
// first, so that no look takes a part.
func (p *place) copy(a *arrival, to *beneath.Dir, name string) error {
	top, temporary := p.from.Top(), deposit.TemporaryName(name)
	source, err := top.OpenFile(a.id, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return err
	}
	if err := gone(to.Remove(temporary)); err != nil {
		return err
	}
	target, err := to.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	if err == nil {
		err = p.owner.Give(target, info.Mode().Perm())
	}
	if err == nil {
		err = durable.SyncData(target)
	}
	err = errors.Join(err, target.Close())
	if err == nil {
		err = beneath.Rename(to, temporary, to, name)
	}
	if err != nil {
		return errors.Join(err, gone(to.Remove(temporary)))
	}
	return top.Remove(a.id)
}

// obstacles says what in deposit/ is in the way of files with these paths.
func (r *Room) obstacles(paths []string) error {
	tree, err := beneath.Open(r.options.Deposit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer tree.Close()
	before := ""
	for _, path := range paths {
		folder, _ := beneath.Split(path)
		before = deposit.Leave(tree, before, folder)
		switch info, err := tree.Lstat(path); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return inTheWay(err)
		case info.IsDir():
			return folderThere(path)
		}
	}
	return nil
}

func folderThere(path string) error {
	return hint.With(fmt.Errorf("%s is a folder in deposit/", escape.Name(path)), "remove or rename that folder first")
}

func inTheWay(err error) error {
	if where, ok := errors.AsType[*beneath.InTheWay](err); ok {
		return hint.With(fmt.Errorf("%s is in deposit/ and not a folder", escape.Name(where.Path)), "remove or rename it first")
	}
	return err
}

// among says which of the files would have to be a folder for another.
func among(paths []string) error {
	all := make(map[string]string, len(paths))
	for _, path := range paths {
		all[path] = path
	}
	for _, path := range paths {
		for at := strings.LastIndexByte(path, '/'); at > 0; at = strings.LastIndexByte(path[:at], '/') {
			if other, there := all[path[:at]]; there {
				return fmt.Errorf("%s is a file and a folder in this upload", escape.Name(other))
			}
		}
	}
	return nil
}
