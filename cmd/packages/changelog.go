package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// maintainer is whom a package names.
const maintainer = "The authors of ota <ota@users.noreply.invalid>"

// debianChangelog turns CHANGELOG.md into what deb-changelog(5) describes. What
// stands above the heading of this version is in the package as well; the
// headings below it say when: "## 0.0.9 (2026-10-01)".
func debianChangelog(markdown, version string, at time.Time) ([]byte, error) {
	sections := sectionsOf(markdown)
	if len(sections) == 0 {
		return nil, errors.New("CHANGELOG.md has no sections: each begins with \"## VERSION\"")
	}
	// Without a heading for it the version is all that is unreleased.
	last := 0
	for i, one := range sections {
		if one.version == version {
			last = i
		}
	}
	var text strings.Builder
	var items []string
	for i, one := range sections {
		items = append(items, one.items...)
		if i < last {
			continue
		}
		if i > last {
			version, items = one.version, one.items
			day, err := time.Parse(time.DateOnly, one.day)
			if err != nil {
				return nil, fmt.Errorf("CHANGELOG.md does not say when %s was released: write \"## %[1]s (2026-11-23)\"", one.version)
			}
			at = day
		}
		fmt.Fprintf(&text, "ota (%s) unstable; urgency=medium\n\n", debianVersion(version))
		for _, item := range items {
			text.WriteString(wrapped(item, "  * ", "    "))
		}
		fmt.Fprintf(&text, "\n -- %s  %s\n\n", maintainer, at.Format(time.RFC1123Z))
	}
	return []byte(strings.TrimSuffix(text.String(), "\n")), nil
}

// debianVersion sorts 1.0.0-rc1 before 1.0.0.
func debianVersion(version string) string { return strings.ReplaceAll(version, "-", "~") }

// section is what changed with a version.
type section struct {
	version, day string
	items        []string
}

func sectionsOf(markdown string) []section {
	var all []section
	for line := range strings.Lines(markdown) {
		line = strings.TrimSpace(line)
		if heading, is := strings.CutPrefix(line, "## "); is {
			version, day, _ := strings.Cut(heading, " ")
			all = append(all, section{version: version, day: strings.Trim(day, "()")})
			continue
		}
		if item, is := strings.CutPrefix(line, "* "); is && len(all) > 0 {
			all[len(all)-1].items = append(all[len(all)-1].items, item)
		}
	}
	return all
}

// wrapped breaks a paragraph into lines of up to 78 characters.
func wrapped(paragraph, first, next string) string {
	var text strings.Builder
	line, isNew := first, true
	for word := range strings.FieldsSeq(paragraph) {
		if !isNew && len([]rune(line))+1+len([]rune(word)) > 78 {
			text.WriteString(line + "\n")
			line, isNew = next, true
		}
		if !isNew {
			line += " "
		}
		line, isNew = line+word, false
	}
	return text.String() + line + "\n"
}
