package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const changes = `# Changelog

What changes.

## Unreleased

* A new thing.

## 0.2.0 (2026-11-20)

* A line that is longer than what fits into one line of a changelog for Debian, which ends here.

## 0.1.0 (2026-10-01)

* The first.
`

var at = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

const older = `ota (0.1.0) unstable; urgency=medium

  * The first.

 -- ` + maintainer + `  Thu, 01 Oct 2026 00:00:00 +0000
`

// TestChangelogOfARelease: what is not yet released is in the package, too.
func TestChangelogOfARelease(t *testing.T) {
	got, err := debianChangelog(changes, "0.2.0", at)
	const want = `ota (0.2.0) unstable; urgency=medium

  * A new thing.
  * A line that is longer than what fits into one line of a changelog for
    Debian, which ends here.

 -- ` + maintainer + `  Thu, 26 Nov 2026 12:00:00 +0000

` + older
	if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

// TestChangelogBeforeARelease: a version without a heading is all that is
// unreleased; 0.3.0-rc1 comes before 0.3.0.
func TestChangelogBeforeARelease(t *testing.T) {
	got, err := debianChangelog(changes, "0.3.0-rc1", at)
	const want = `ota (0.3.0~rc1) unstable; urgency=medium

  * A new thing.

 -- ` + maintainer + `  Thu, 26 Nov 2026 12:00:00 +0000

ota (0.2.0) unstable; urgency=medium
`
	if err != nil || !strings.HasPrefix(string(got), want) {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestChangelogNeedsDays(t *testing.T) {
	_, err := debianChangelog(strings.ReplaceAll(changes, " (2026-10-01)", ""), "0.2.0", at)
	if err == nil || !strings.Contains(err.Error(), "when 0.1.0 was released") {
		t.Error(err)
	}
	if _, err := debianChangelog("# Changelog\n", "0.2.0", at); err == nil {
		t.Error("an empty one is none")
	}
}

// TestVersions: nfpm and dpkg take what is let through.
func TestVersions(t *testing.T) {
	for version, good := range map[string]bool{"0.1.0": true, "1.0.0-rc1": true, "": false, "v1": false, "1 0": false, "1_0": false} {
		if versionForm.MatchString(version) != good {
			t.Errorf("%q: not %v", version, good)
		}
	}
}

// TestLicencesAreNamed: of all that is linked, with who wrote it.
func TestLicencesAreNamed(t *testing.T) {
	linked, err := linkedInto(t.Context(), target{os: "linux", goarch: "arm"})
	if err != nil {
		t.Fatal(err)
	}
	text := copyright(linked, "the file LICENSE")
	for _, want := range []string{
		"\nThe Go programming language, go", "Copyright 2009 The Go Authors",
		"\ngithub.com/BurntSushi/toml v", "Copyright (c) 2013 TOML authors",
		"\ngithub.com/spf13/cobra v", "Copyright 2013-2023 The Cobra Authors\nThe Apache License, Version 2.0, which stands whole in\nthe file LICENSE.",
		"\ngithub.com/spf13/pflag v", "\ngolang.org/x/sys v",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "fsnotify") {
		t.Error("what is not linked on Linux is named")
	}
}
