package config

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files")

// TestPageIsTrue: the settings in the docs are those of the code.
func TestPageIsTrue(t *testing.T) {
	const file = "../../docs/configuration.md"
	if *rewrite {
		if err := os.WriteFile(file, []byte(page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(page(), string(got)); diff != "" {
		t.Errorf("%s is not what the code says; go test ./internal/config -update\n%s", file, diff)
	}
}

func page() string {
	var page strings.Builder
	page.WriteString(strings.ReplaceAll(`# Configuration

Generated from `+"`internal/config`"+`; a test compares them.

`+strings.ReplaceAll(`There may be two files, and neither has to be there:

* ~ota.toml~ beside ~deposit/~, the settings of this device. It is read when ~ota run~ starts.
* ~main/ota.toml~, which travels with the program: put it into ~deposit/~ like any other file. It is read when the program starts. A mistake in it holds the upload.

What the device's file says wins, key by key (in ~env~ variable by variable); where neither says anything the default below holds. Some settings count in the device's file only, so that nobody can change them by an upload: {{only}}. In ~main/ota.toml~ these single keys are passed over with a warning; these tables hold the upload. ~ota config~ prints what is in force and where each value comes from.

Everything is optional. A key that is not known is an error, with its line and the nearest name that is. Durations are strings as in ~"500ms"~, ~"2s"~, ~"1m30s"~; sizes are numbers of bytes or strings as in ~"10MB"~, ~"64KiB"~; commands are arrays, and no shell is involved.

`, "~", "`")+`    [program]
    command = ["python3", "-u", "app.py"]
    env = { TZ = "Europe/Berlin" }

    [update]
    quiet = "2s"
    ignore = ["*.bak", "drafts/"]
    window = "02:00-05:00"

    [trial]
    period = "30s"
    http = "http://localhost:8080/health"

    [store]
    keep = 5

    [logs]
    max_total = "20MB"
`, "{{only}}", onDevice()))
	table := ""
	for _, key := range Keys() {
		if key.Table != table {
			table = key.Table
			fmt.Fprintf(&page, "\n## [%s]\n\n| key | type | default | meaning |\n|---|---|---|---|\n", table)
		}
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", key.Name, key.Type, code(key.Default), escapeCell(meaning(key)))
	}
	page.WriteString(strings.ReplaceAll(envFilePage, "~", "`"))
	return page.String()
}

const envFilePage = `
## env_file

    # how a line reads
    NAME=value
    export GREETING="good\nmorning"    # an escape
    PASSWORD='$ecret # 1'

* Blank lines and lines that begin with ~#~ or ~;~ are passed over; so is ~export~ before a name, and what follows a ~#~ after a blank.
* In single quotes everything stands for itself. In double quotes these escapes count: ~\n~, ~\r~, ~\t~, ~\\~, ~\"~, ~\'~, ~\$~ and a backslash before a backtick. A value in quotes may go over several lines.
* Nothing is expanded: ~$HOME~ stays what it is. Names that begin with ~OTA_~ are refused.
* ~env~ wins over ~env_file~ where both stand in the same file. What the device's ~ota.toml~ says, in either, wins over what ~main/ota.toml~ says in either.
`

// onDevice lists what counts in the device's file only.
func onDevice() string {
	var keys, whole []string
	for _, key := range Keys() {
		switch {
		case countsOnDevice(key.Table):
			whole = append(whole, "`["+key.Table+"]`")
		case key.Counts == OnDevice:
			keys = append(keys, "`"+key.Name+"`")
		}
	}
	return strings.Join(keys, ", ") + " and the tables " + strings.Join(slices.Compact(whole), ", ")
}

func meaning(key Key) string {
	if key.Counts == OnDevice && !countsOnDevice(key.Table) {
		return key.Doc + " Counts in the device's file only."
	}
	return key.Doc
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

func escapeCell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
