//go:build unix

package venv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// pythonBelow is the interpreter of an environment, below its folder.
const pythonBelow = "bin/python"

// makeLayout makes an empty environment as `python -m venv --without-pip` does,
// without the start of Python that it costs, and without the package that
// Debian puts the module into. There are no scripts to activate it: nobody
// works in it.
func makeLayout(_ context.Context, folder string, python Interpreter, isolated bool, _ []string) error {
	library := filepath.Join(folder, filepath.FromSlash(python.Library))
	for _, dir := range []string{library, filepath.Join(folder, "bin"), filepath.Join(folder, "include")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("cannot make environment: %w", err)
		}
	}
	links := map[string]string{
		pythonBelow:   python.Base,
		"bin/python3": "python",
		"bin/python" + majorMinor(python.Version): "python",
	}
	// As the module does it: Fedora's compiled packages go into lib64.
	if strconv.IntSize == 64 && runtime.GOOS != "darwin" && strings.HasPrefix(python.Library, "lib/") {
		links["lib64"] = "lib"
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(folder, filepath.FromSlash(name))); err != nil {
			return fmt.Errorf("cannot make environment: %w", err)
		}
	}
	config := fmt.Sprintf("home = %s\ninclude-system-site-packages = %t\nversion = %s\nexecutable = %s\n",
		filepath.Dir(python.Base), !isolated, python.Version, python.File.Path)
	if err := os.WriteFile(filepath.Join(folder, "pyvenv.cfg"), []byte(config), 0o644); err != nil {
		return fmt.Errorf("cannot make environment: %w", err)
	}
	return nil
}

// majorMinor is "3.11" of "3.11.2".
func majorMinor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}
