package warm

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// command is a start of Python that our code can hold up on its way.
type command struct {
	options []string // the interpreter and its options
	script  string   // the file that is run; empty: a module
}

// flags are Python's options without an argument with which it runs our code
// and tells nothing of it.
const flags = "bBOPqRsu"

// tellingX is the argument of -X that makes Python tell of every import.
const tellingX = "importtime"

var archives = []string{".zip", ".pyz", ".pyzw", ".egg", ".whl"}

// parseCommand reads the command line of a Python that runs a script or a
// module, see "python3 --help".
func parseCommand(argv []string) (command, error) {
	if len(argv) == 0 || !strings.HasPrefix(filepath.Base(argv[0]), "python") {
		return command{}, errors.New("the command is not a Python")
	}
	for i := 1; i < len(argv); i++ {
		option := argv[i]
		switch {
		case option == "" || option == "-":
			return command{}, errors.New("the command names no script")
		case option[0] != '-':
			return script(argv[:i], option)
		case option == "-m":
			if i+1 == len(argv) {
				return command{}, errors.New("the command names no module")
			}
			return command{options: argv[:i]}, nil
		case option == "-X" || option == "-W":
			i++
			if i < len(argv) && option == "-X" && strings.HasPrefix(argv[i], tellingX) {
				return command{}, fmt.Errorf("Python's option -X %s", argv[i])
			}
		case strings.HasPrefix(option, "-W"), strings.HasPrefix(option, "-X") && !strings.HasPrefix(option[2:], tellingX):
		case strings.Trim(option[1:], flags) != "":
			return command{}, fmt.Errorf("Python's option %s", option)
		}
	}
	return command{}, errors.New("the command names no script")
}

func script(options []string, path string) (command, error) {
	for _, suffix := range archives {
		if strings.HasSuffix(path, suffix) {
			return command{}, errors.New("what is in an archive can't be told")
		}
	}
	return command{options: options, script: path}, nil
}
