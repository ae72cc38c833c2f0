package venv

import (
	"errors"
	"io"
	"os"
)

// link copies: links need a right here that few have.
func link(target, name string) error {
	from, err := os.Open(target)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}
