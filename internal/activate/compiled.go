package activate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"ota/internal/kit/beneath"
	"ota/internal/kit/copysum"
)

// compiledMode is what importlib gives to bytecode of a readable source.
const compiledMode fs.FileMode = 0o644

func compiledName(i int) string { return strconv.Itoa(i) + ".pyc" }

// bringCompiled copies bytecode into the stage.
func (w *work) bringCompiled(ctx context.Context, i int, compiled Compiled) error {
	source, err := openPlain(compiled.File)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := w.stage.Top().OpenFile(compiledName(i), os.O_RDWR|os.O_CREATE|os.O_EXCL, compiledMode)
	if err != nil {
		return err
	}
	_, _, err = copysum.Copy(ctx, target, source, w.buffer)
	return errors.Join(err, target.Chmod(compiledMode), target.Close())
}

// openPlain opens a file that another user has written, and nothing that a link
// of his may lead to.
func openPlain(path string) (*os.File, error) {
	found, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !found.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	opened, err := file.Stat()
	if err == nil && !os.SameFile(found, opened) {
		err = fmt.Errorf("%s was exchanged", path)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// placeCompiled moves bytecode from the stage to its source.
func (w *work) placeCompiled(i int, compiled Compiled) error {
	folder, name := beneath.Split(compiled.Path)
	parent, err := w.main.MakeDir(folder)
	if err != nil {
		return err
	}
	return beneath.Rename(w.stage.Top(), compiledName(i), parent, name)
}
