package shipped

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTagsAreAddedToThoseThatThereAre(t *testing.T) {
	plain, tagged := Flags(), Flags("ota_nosync")
	if !slices.Contains(plain, "-tags=nethttpomithttp2") || !slices.Contains(tagged, "-tags=nethttpomithttp2,ota_nosync") {
		t.Errorf("%q\n%q", plain, tagged)
	}
	if len(plain) != len(tagged) {
		t.Errorf("%d flags, and %d with a tag", len(plain), len(tagged))
	}
}

// quoted is a flag as make gives it to a shell.
func quoted(flag string) string {
	if strings.Contains(flag, " ") {
		return "'" + flag + "'"
	}
	return flag
}

// TestTheMakefileBuildsTheSame: all that it adds is the version.
func TestTheMakefileBuildsTheSame(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not installed")
	}
	command := exec.Command("make", "--no-print-directory", "-n", "build", "VERSION=9.8.7")
	command.Dir = ".."
	said, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	var want []string
	for _, flag := range Flags() {
		if !strings.HasPrefix(flag, "-ldflags=") {
			want = append(want, strings.Fields(quoted(flag))...)
			continue
		}
		link := strings.TrimPrefix(flag, "-ldflags=")
		want = append(want, `-ldflags="`+link, `-X`, `ota/internal/cli.linked=9.8.7"`)
	}
	got := strings.Fields(strings.TrimPrefix(string(said), "CGO_ENABLED=0 go build "))
	got = got[:slices.Index(got, "-o")]
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("make builds with other flags (-here +make):\n%s", diff)
	}
}
