package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"ota/internal/kit/hint"
)

// EnvFile is a file with variables for the program. The zero EnvFile has none.
type EnvFile struct {
	Path     string // as it was written, see Load
	Optional bool   // it may be missing
	Origin   Origin // of the setting
}

func envFile(c *Config, value any) error {
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf(`must be a path such as "secrets.env", not %s`, kind(value))
	}
	name, optional := strings.CutPrefix(text, "-")
	if name == "" || strings.HasSuffix(name, "/") || strings.ContainsRune(name, 0) {
		return fmt.Errorf(`must be a path such as "secrets.env", not %s`, quote(text))
	}
	c.Program.EnvFile = EnvFile{Path: name, Optional: optional}
	return nil
}

// Load reads the file. A relative path lies below dir, the folder with ota.toml
// and main/; that of a setting which travels with the program lies below main/,
// and no link leads it out of there. What is wrong with the content comes as an
// [*Error].
func (f EnvFile) Load(dir string) (map[string]string, error) {
	if f.Path == "" {
		return nil, nil
	}
	var data []byte
	var err error
	path := f.Path
	if f.Origin == Travelling {
		dir = filepath.Join(dir, "main")
		path = filepath.Join(dir, f.Path)
		data, err = readInside(dir, filepath.Clean(f.Path))
	} else {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		data, err = readFile(os.Stat, os.Open, path)
	}
	switch {
	case f.Optional && errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, hint.With(fmt.Errorf("cannot read the env_file: %w", err), "see [program] env_file in ota.toml")
	}
	return ReadEnvFile(path, data)
}

// Environment is what the settings add to the environment: the variables of
// [program] env, and those of the env_file as [EnvFile.Load] returns them. What
// the device says wins over what travels with the program; between the two of
// one origin env wins.
func (c Config) Environment(file map[string]string) map[string]string {
	env := maps.Clone(file)
	if env == nil {
		env = map[string]string{}
	}
	for name, text := range c.Program.Env {
		if _, both := file[name]; both && rank(c.EnvOrigin(name)) < rank(c.Program.EnvFile.Origin) {
			continue
		}
		env[name] = text
	}
	return env
}

// ReadEnvFile reads variables, one `NAME=value` a line, as systemd.exec(5), a
// shell and dotenv read them where these agree: `export` before it, comments,
// quotes. Nothing is expanded. What is wrong comes as an [*Error]; the name is
// used in it only.
func ReadEnvFile(name string, data []byte) (map[string]string, error) {
	if len(data) > maxFile {
		return nil, &Error{[]Problem{{File: name, Message: tooLarge}}}
	}
	file := envReading{reading: newReading(name, Device, Config{}), line: 1, env: map[string]string{}}
	file.rest = string(bytes.TrimPrefix(data, []byte("\ufeff")))
	for file.rest != "" && len(file.problems) <= enough {
		file.next()
	}
	return file.env, file.err()
}

// envReading is a file of variables on its way into a map.
type envReading struct {
	*reading
	rest string // what has not been read
	line int    // at which rest begins
	env  map[string]string
}

// blanks are what may stand around everything on a line.
const blanks = " \t\r"

// next reads one variable, or a line that has none.
func (f *envReading) next() {
	at := f.line
	text, _, _ := strings.Cut(f.rest, "\n")
	text = strings.Trim(text, blanks)
	if text == "" || text[0] == '#' || text[0] == ';' {
		f.skipLine()
		return
	}
	name, _, found := strings.Cut(text, "=")
	name = strings.TrimRight(name, blanks)
	if exported, ok := strings.CutPrefix(name, "export"); ok && strings.Trim(exported, blanks) != exported {
		name = strings.Trim(exported, blanks)
	}
	if !found {
		f.say(at, "a line must read NAME=value", "")
		f.skipLine()
		return
	}
	_, f.rest, _ = strings.Cut(f.rest, "=")
	text, err := f.value()
	if err == nil {
		err = f.take(name, text)
	} else {
		err = fmt.Errorf("%s %w", quote(name), err)
	}
	if err != nil {
		f.say(at, err.Error(), "")
	}
}

func (f *envReading) take(name, text string) error {
	if !isVariable(name) {
		// It is not shown: it may be a part of a key that lost its quotes.
		return errors.New("what stands before the = can't be the name of a variable")
	}
	text, err := variable(name, text)
	if err != nil {
		return fmt.Errorf("%s %w", quote(name), err)
	}
	f.env[name] = text
	return nil
}

// isVariable is what POSIX says of names, with the dots and dashes that dotenv
// has besides.
func isVariable(name string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	return strings.Trim(name, letters+"0123456789.-") == "" && name != "" && strings.ContainsRune(letters, rune(name[0]))
}

func (f *envReading) skipLine() {
	_, f.rest, _ = strings.Cut(f.rest, "\n")
	f.line++
}

// value reads what stands after the equals sign, and the rest of its last line.
func (f *envReading) value() (string, error) {
	defer f.skipLine()
	f.rest = strings.TrimLeft(f.rest, blanks)
	if f.rest != "" && (f.rest[0] == '"' || f.rest[0] == '\'') {
		text, err := f.quoted()
		if err != nil {
			return "", err
		}
		after, _, _ := strings.Cut(f.rest, "\n")
		if after = strings.Trim(after, blanks); after != "" && after[0] != '#' {
			return "", errors.New("has something after the closing quote")
		}
		return text, nil
	}
	text, _, _ := strings.Cut(f.rest, "\n")
	for i := range text {
		if text[i] == '#' && (i == 0 || strings.IndexByte(blanks, text[i-1]) >= 0) {
			text = text[:i]
			break
		}
	}
	return strings.Trim(text, blanks), nil
}

// escapes are what a backslash may stand before in double quotes.
var escapes = map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', '\\': '\\', '"': '"', '\'': '\'', '$': '$', '`': '`'}

// quoted reads a value in quotes, which may go over several lines. In single
// quotes everything stands for itself.
func (f *envReading) quoted() (string, error) {
	var text strings.Builder
	var wrong error
	quotes := f.rest[0]
	for i := 1; i < len(f.rest); i++ {
		c := f.rest[i]
		switch {
		case c == quotes:
			f.line += strings.Count(f.rest[:i], "\n")
			f.rest = f.rest[i+1:]
			return text.String(), wrong
		case c == '\\' && quotes == '"' && i+1 < len(f.rest):
			i++
			plain, known := escapes[f.rest[i]]
			if !known && wrong == nil {
				wrong = fmt.Errorf(`has the unknown escape %s; for a backslash itself write "\\"`, quote(f.rest[i-1:i+1]))
			}
			text.WriteByte(plain)
		default:
			text.WriteByte(c)
		}
	}
	f.rest = "" // nobody can tell where it was to end
	return "", errors.New("has no closing quote")
}
