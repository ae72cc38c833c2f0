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

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Say which ota this is",
		Long:    `Say which ota this is, and what it was built from.`,
		Example: `  ota version`,
		Args:    noArguments,
		RunE: a.act(func(context.Context, []string) exitCode {
			built := fmt.Sprintf("%s%s, %s/%s", origin(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			a.say("ota %s (%s)", version(), built)
			return done
		}),
	}
}
