package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"ota/shipped"
)

// module is somebody else's work that is linked into the program.
type module struct {
	name    string // with its version
	licence string
	notices []string // who has the copyright, where the licence does not say it
}

// linkedInto lists the modules that a target's binary is made of, Go first.
func linkedInto(ctx context.Context, t target) ([]module, error) {
	args := append([]string{"list", "-deps"}, shipped.Flags()...)
	cmd := exec.CommandContext(ctx, "go", append(args, "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}{{end}}", "ota/cmd/ota")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.goarch)
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("cannot list what is linked: %w", err)
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return nil, fmt.Errorf("cannot ask for Go itself: %w", err)
	}
	goroot, version, _ := strings.Cut(strings.TrimSpace(string(root)), "\n")
	dirs := map[string]string{}
	for line := range strings.Lines(string(output)) {
		if name, dir, is := strings.Cut(strings.TrimSpace(line), "\t"); is {
			dirs[name] = dir
		}
	}
	all := make([]module, 0, len(dirs)+1)
	one, err := moduleIn("The Go programming language, "+version, goroot)
	if err != nil {
		return nil, err
	}
	all = append(all, one)
	for _, name := range slices.Sorted(maps.Keys(dirs)) {
		if one, err = moduleIn(name, dirs[name]); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func moduleIn(name, dir string) (module, error) {
	one := module{name: name}
	for _, file := range []string{"LICENSE", "LICENSE.txt", "LICENSE.md", "COPYING"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return one, err
		}
		one.licence = string(bytes.TrimSpace(text))
		if isApache(one.licence) {
			one.notices, err = noticesIn(dir)
		}
		return one, err
	}
	return one, fmt.Errorf("the licence of %s is not in %s: it has to be named", name, dir)
}

// isApache says whether it is the licence that need not be repeated.
func isApache(licence string) bool {
	return strings.HasPrefix(licence, "Apache License") && strings.Contains(licence, "Version 2.0, January 2004")
}

// noticesIn returns what the sources say of who wrote them, and a NOTICE.
func noticesIn(dir string) ([]string, error) {
	found := map[string]bool{}
	sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, path := range sources {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(bytes.NewReader(text))
		if lines.Scan() && strings.HasPrefix(lines.Text(), "// Copyright") {
			found[strings.TrimPrefix(lines.Text(), "// ")] = true
		}
	}
	notices := slices.Sorted(maps.Keys(found))
	if notice, err := os.ReadFile(filepath.Join(dir, "NOTICE")); err == nil {
		notices = append(notices, string(bytes.TrimSpace(notice)))
	}
	return notices, nil
}

// copyright tells under which licences the program is handed out. Where says
// where the Apache License stands whole.
func copyright(linked []module, where string) string {
	var text strings.Builder
	text.WriteString(`ota keeps a program on a small device running and up to date.

Copyright: the authors of ota.
Licence: the Apache License, Version 2.0, which stands whole in
` + where + `.

Linked into the program are parts of these works, under these licences:
`)
	for _, one := range linked {
		fmt.Fprintf(&text, "\n%s\n%s\n\n", strings.Repeat("-", 78), one.name)
		for _, notice := range one.notices {
			text.WriteString(notice + "\n")
		}
		if isApache(one.licence) {
			text.WriteString("The Apache License, Version 2.0, which stands whole in\n" + where + ".\n")
			continue
		}
		// Some hold it for a part of theirs; what else they say of that part stays.
		text.WriteString(wholeApache.ReplaceAllLiteralString(one.licence, "The Apache License, Version 2.0, which stands whole in\n"+where+".") + "\n")
	}
	return text.String()
}

// wholeApache is the Apache License within another text.
var wholeApache = regexp.MustCompile(`(?s)[ \t]*Apache License\s+Version 2\.0, January 2004.*?END OF TERMS AND CONDITIONS`)
