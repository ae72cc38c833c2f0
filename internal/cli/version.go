package cli

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// released is the version that this source will be released as.
const released = "0.1.0"

// linked is set when a release is built:
//
//	go build -ldflags "-X ota/internal/cli.linked=0.1.0" ./cmd/ota
var linked string

// version is the one that was linked in; else that of the module, if the
// binary was installed by version; else the one to come.
func version() string {
	if linked != "" {
		return linked
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return released
	}
	// "(devel)", pseudo-versions and versions with changes are no releases.
	tag, isTag := strings.CutPrefix(info.Main.Version, "v")
	if !isTag || strings.ContainsAny(tag, "-+") {
		return released
	}
	return tag
}

// origin says from which state of the source the binary was built, "" if that
// is not known.
func origin() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var revision, changed string
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			revision = setting.Value[:min(12, len(setting.Value))]
		case setting.Key == "vcs.modified" && setting.Value == "true":
			changed = " with changes"
		}
	}
	if revision == "" {
		return ""
	}
	return "commit " + revision + changed + ", "
}

// built is what `ota version --json` prints.
type built struct {
	Version string  `json:"version"`
	Commit  *string `json:"commit"`  // nil: not known
	Changed bool    `json:"changed"` // since that commit
	Go      string  `json:"go"`
	OS      string  `json:"os"`
	Arch    string  `json:"arch"`
}

func builtFrom() built {
	found := built{Version: version(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	commit, isCommit := strings.CutPrefix(strings.TrimSuffix(origin(), ", "), "commit ")
	if commit, found.Changed = strings.CutSuffix(commit, " with changes"); isCommit {
		found.Commit = &commit
	}
	return found
}

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which ota this is",
		Long:  `Say which ota this is, and what it was built from.`,
		Example: `  ota version
  ota version --json | jq -r .version`,
		Args: noArguments,
		RunE: a.act(func(context.Context, []string) exitCode {
			if asJSON {
				return a.json(builtFrom())
			}
			from := fmt.Sprintf("%s%s, %s/%s", origin(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			a.say("ota %s (%s)", version(), from)
			return done
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	return cmd
}
