//go:build linux

package main

import (
	"fmt"
	"os/exec"
	"strings"
)

// appFolder is where the modules of a generated program lie, below main/.
const appFolder = "app"

// standardModules are what the modules of a generated program import, in turn,
// besides each other.
var standardModules = []string{
	"argparse", "asyncio", "base64", "collections", "concurrent.futures", "configparser", "copy", "csv", "ctypes", "dataclasses",
	"datetime", "decimal", "difflib", "email.message", "fractions", "getpass", "glob", "gzip", "hashlib", "heapq", "hmac",
	"html.parser", "http.client", "http.server", "inspect", "ipaddress", "json", "logging.handlers", "mimetypes",
	"multiprocessing", "pathlib", "pickle", "queue", "random", "secrets", "shutil", "socketserver", "statistics", "string",
	"subprocess", "tarfile", "tempfile", "textwrap", "threading", "traceback", "typing", "unittest", "urllib.request", "uuid",
	"xml.etree.ElementTree", "zipfile",
}

// application is a generated program: a package of so many modules of so many
// lines, all of which are imported.
type application struct {
	modules int
	lines   int
	also    []string // modules from elsewhere
}

// imports are the lines of main.py before its first stamp.
func (a application) imports() string {
	text := "import " + appFolder + "\n"
	for _, name := range a.also {
		text += "import " + name + "\n"
	}
	return text
}

// base is the program as it is at first, without main.py.
func (a application) base() []file {
	var init strings.Builder
	for i := range a.modules {
		fmt.Fprintf(&init, "from %s import m%03d\n", appFolder, i)
	}
	return append(a.some(a.modules, 1), file{appFolder + "/__init__.py", init.String()})
}

// some are count of its modules, spread over all, as they are in a version.
func (a application) some(count, version int) []file {
	files := make([]file, count)
	for i := range files {
		number := i * a.modules / count
		files[i] = file{fmt.Sprintf("%s/m%03d.py", appFolder, number), a.module(number, version)}
	}
	return files
}

// module is about as dense as what people write. Python takes a source of the
// same size and second for unchanged, so that no two versions are of one size.
func (a application) module(number, version int) string {
	var text strings.Builder
	fmt.Fprintf(&text, "\"\"\"Module %d%s\"\"\"\n\nimport os\nimport %s\n\n", number, strings.Repeat(".", version), standardModules[number%len(standardModules)])
	for i := 0; strings.Count(text.String(), "\n") < a.lines; i++ {
		fmt.Fprintf(&text, `
class Item%[1]d:
    """One of many, which is never made."""

    limit = %[2]d

    def __init__(self, name, values=None):
        self.name = name
        self.values = dict(values or {})

    def total(self, factor=%[1]d):
        found = [value * factor for value in self.values.values() if value > self.limit]
        if not found:
            raise ValueError("nothing in %%s" %% self.name)
        return sum(found) / len(found)

    def write(self, folder):
        with open(os.path.join(folder, self.name + ".txt"), "w") as out:
            for key, value in sorted(self.values.items()):
                out.write("{}={}\n".format(key, value))
`, i, number+i)
	}
	return text.String()
}

// hasModule tells whether an interpreter finds a module.
func hasModule(python, name string) bool {
	return exec.Command(python, "-c", "import "+name).Run() == nil
}
