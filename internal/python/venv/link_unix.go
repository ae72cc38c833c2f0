//go:build unix

package venv

import "os"

func link(target, name string) error { return os.Symlink(target, name) }
