package inspect

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"ota/internal/kit/escape"
)

const (
	longestMessage = 300
	longestSource  = 200
)

// raw is a finding as the helper writes it: what it has seen. The words are
// ours.
type raw struct {
	Kind      string `json:"kind"`
	Path      octets `json:"path"`
	Line      int    `json:"line"`
	Column    int    `json:"column"`
	Source    string `json:"source"`
	Reason    string `json:"reason"`
	State     string `json:"state"`  // how sure it is that the import is executed
	Module    string `json:"module"` // what is imported
	Name      string `json:"name"`   // and from it
	Above     string `json:"above"`  // the package in which it should be
	Wanted    octets `json:"wanted"` // the file that would be it
	At        octets `json:"at"`     // the file that lacks the name
	Local     bool   `json:"local"`  // it can be nothing but a file of the program
	Standard  bool   `json:"standard"`
	Namespace bool   `json:"namespace"` // the package is a mere folder
}

// octets is a path of any bytes as JSON text: one character for each byte.
type octets string

// UnmarshalText reads a path.
func (o *octets) UnmarshalText(text []byte) error {
	path := make([]byte, 0, len(text))
	for _, letter := range string(text) {
		if letter > 0xff {
			return errors.New("not a path")
		}
		path = append(path, byte(letter))
	}
	*o = octets(path)
	return nil
}

const (
	stateSure   = "sure"
	stateTyping = "typing" // imported for type checkers only
)

type answer struct {
	Version  version `json:"version"`
	Findings []raw   `json:"findings"`
	Compiled []struct {
		Source octets `json:"source"`
		Name   octets `json:"name"`
		File   octets `json:"file"`
	} `json:"compiled"`
	Modules []string `json:"modules"`
}

// parse reads the helper's answer. Nothing in it is trusted: what runs at the
// start of an environment could write one too.
func parse(data []byte, job Job) (Result, error) {
	var said answer
	if err := json.Unmarshal(data, &said); err != nil {
		return Result{}, err
	}
	if !isVersion(string(said.Version)) {
		return Result{}, errors.New("no version")
	}
	var result Result
	for _, one := range said.Findings {
		path := string(one.Path)
		if one.Line < 0 || one.Column < 0 || !isBelow(path) {
			return Result{}, errors.New("no place in a file")
		}
		if job.Ignored != nil && job.Ignored(path) {
			continue
		}
		found, ok := one.finding(said.Version, job.Required)
		if !ok {
			continue
		}
		if found.Message == "" {
			return Result{}, errors.New("no message")
		}
		found.Path, found.Line, found.Column = path, one.Line, one.Column
		found.Source = harmless(strings.TrimRight(one.Source, "\r\n"), longestSource)
		if !isText(found.Source) {
			found.Source, found.Column = "", 0
		}
		found.Message, found.Hint = harmless(found.Message, longestMessage), harmless(found.Hint, longestMessage)
		result.Findings = append(result.Findings, found)
	}
	sort.SliceStable(result.Findings, func(i, j int) bool { return result.Findings[i].Severity < result.Findings[j].Severity })
	result.Findings = result.Findings[:min(len(result.Findings), mostFindings)]
	for _, one := range said.Compiled {
		name, file := string(one.Name), string(one.File)
		isAsked := slices.ContainsFunc(job.Changed, func(source Source) bool { return source.Path == string(one.Source) })
		if !isAsked || job.Bytecode == "" || filepath.Dir(file) != filepath.Clean(job.Bytecode) || filepath.Base(name) != name || !strings.HasSuffix(name, ".pyc") {
			return Result{}, errors.New("bytecode that was not asked for")
		}
		result.Compiled = append(result.Compiled, Compiled{Source: string(one.Source), Name: name, File: file})
	}
	for _, module := range said.Modules {
		if isName(module) {
			result.Modules = append(result.Modules, module)
		}
	}
	return result, nil
}

func isVersion(text string) bool {
	parts := strings.Split(text, ".")
	return len(parts) == 3 && !slices.ContainsFunc(parts, func(part string) bool {
		return part == "" || len(part) > 3 || strings.Trim(part, "0123456789") != ""
	})
}

func isBelow(path string) bool {
	return path != "" && !strings.HasPrefix(path, "/") && !strings.Contains(path, "\x00") && !slices.Contains(strings.Split(path, "/"), "..")
}

func isName(module string) bool {
	return module != "" && !strings.ContainsAny(module, ". /\\\x00\n")
}

// harmless cuts a text to one line of a number of characters in which nothing
// steers a terminal.
func harmless(text string, most int) string {
	return short(string(escape.Line(nil, []byte(short(text, most)))), most)
}

// isText is false for a line of a picture or an archive under the name of a
// source: nobody could read it.
func isText(line string) bool {
	return 4*strings.Count(line, string(utf8.RuneError)) <= utf8.RuneCountInString(line)
}

// finding says in words what the helper has seen; false: it is not worth one.
func (one raw) finding(python version, required []string) (Finding, bool) {
	severity := Warns
	if one.State == stateSure {
		severity = Holds
	}
	switch one.Kind {
	case "syntax":
		return Finding{Message: one.Reason + newer(one, python), Kind: Syntax, Severity: Holds}, true
	case "encoding":
		return Finding{Message: one.Reason, Kind: Encoding, Severity: Holds}, true
	case "unparsed":
		return Finding{Message: one.Reason + newer(one, python), Kind: Syntax, Severity: Warns}, true
	case "unreadable":
		return Finding{Message: "the file could not be checked: " + one.Reason, Kind: Unknown, Severity: Warns}, true
	case "unfollowed":
		return Finding{Message: "what it imports could not be checked: " + one.Reason, Kind: Unknown, Severity: Warns}, true
	case "shadow":
		message := fmt.Sprintf("%s hides the module %s of the standard library: rename it", escape.Name(string(one.Wanted)), one.Module)
		return Finding{Message: message, Kind: Shadow, Severity: Warns}, true
	case "relative":
		return Finding{
			Message: "a relative import works inside of a package only, and this file is in none", Kind: MissingModule, Severity: Warns,
		}, one.State != stateTyping
	}
	found, isOurs, ok := one.missing(python, required)
	found.Severity = severity
	return found, ok && (isOurs || one.State != stateTyping)
}

// missing says what is not there, and whether it is a file of the program.
func (one raw) missing(python version, required []string) (found Finding, isOurs, ok bool) {
	switch one.Kind {
	case "module":
		if one.Local {
			return one.awaited(), true, true
		}
		if found, ok := standardFinding(one, python); ok {
			return found, false, true
		}
		if found, ok := one.installable(required); ok {
			return found, false, true
		}
		found := one.awaited()
		top, _, _ := strings.Cut(one.Module, ".")
		found.Hint = "if " + top + " is a package: add it to requirements.txt"
		return found, true, true
	case "part":
		if found, ok := standardFinding(one, python); ok {
			return found, false, true
		}
		if found, ok := one.installable(required); ok && one.Namespace {
			return found, false, true
		}
		message := fmt.Sprintf("%s is not in the installed %s, %s", one.Module, one.Above, importedBy(one))
		if one.Standard {
			message = fmt.Sprintf("%s is not part of Python %s, %s", one.Module, python, importedBy(one))
		}
		return Finding{Message: message, Kind: MissingPackage}, false, true
	case "name":
		if found, ok := one.installable(required); ok && one.Namespace {
			return found, false, true
		}
		found := one.awaited()
		found.Kind = MissingName
		if one.Wanted == "" && one.State == stateSure {
			found.Message = fmt.Sprintf("waiting for a %s that has %s, %s", escape.Name(string(one.At)), one.Name, importedBy(one))
		} else if one.Wanted == "" {
			found.Message = fmt.Sprintf("%s has no %s, %s", escape.Name(string(one.At)), one.Name, importedBy(one))
		}
		return found, true, true
	}
	return Finding{}, false, false
}

// awaited is a file that the upload waits for, or would be better with.
func (one raw) awaited() Finding {
	message := fmt.Sprintf("%s is not there, %s", escape.Name(string(one.Wanted)), importedBy(one))
	if one.State == stateSure {
		message = fmt.Sprintf("waiting for %s, %s", escape.Name(string(one.Wanted)), importedBy(one))
	}
	return Finding{Message: message, Kind: MissingModule}
}

// installable is about a module that some distribution brings; false if none
// is known.
func (one raw) installable(required []string) (Finding, bool) {
	distribution, known := packageOf(one.Module)
	isRequired := namesOne(required, one.Module, distribution)
	if !known && !isRequired {
		return Finding{}, false
	}
	name := one.Module
	if _, dotted := packages()[name]; !dotted && !one.Namespace {
		name, _, _ = strings.Cut(one.Module, ".")
	}
	found := Finding{Kind: MissingPackage, Package: distribution}
	if isRequired {
		found.Message = fmt.Sprintf("%s is not installed, %s, though requirements.txt names it", name, importedBy(one))
	} else {
		found.Message = fmt.Sprintf("%s is not installed, %s: add %s to requirements.txt", name, importedBy(one), distribution)
	}
	return found, true
}

func importedBy(one raw) string {
	return fmt.Sprintf("imported by %s line %d", escape.Name(string(one.Path)), one.Line)
}
