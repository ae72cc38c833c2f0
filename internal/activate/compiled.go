package activate

import (
	"context"
	"errors"
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
	source, err := os.Open(compiled.File)
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

// placeCompiled moves bytecode from the stage to its source.
func (w *work) placeCompiled(i int, compiled Compiled) error {
	folder, name := beneath.Split(compiled.Path)
	parent, err := w.main.MakeDir(folder)
	if err != nil {
		return err
	}
	return beneath.Rename(w.stage.Top(), compiledName(i), parent, name)
}
