package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ota/internal/kit/amount"
	"ota/internal/kit/hint"
	"ota/internal/pack"
	"ota/internal/parcel"
	"ota/internal/sshsig"
)

// packFlags are those of `ota pack`.
type packFlags struct {
	pack.Options
	arch    []string
	overlay bool
	expires string
	sign    bool
	key     string
	check   string
	asJSON  bool
}

func (a *app) packCommand() *cobra.Command {
	var flags packFlags
	cmd := &cobra.Command{
		Use:   "pack [SRC] -o DIR",
		Short: "Make a release with a manifest, for an upload or as one file",
		Long: `Make a packed release of the program in SRC (default: the current folder): its files
and ota-release.json, which lists them, in DIR; or all of that as one archive. A
device takes it as soon as all of it has arrived, and removes what earlier releases
brought and this one does not have, unless it is an --overlay.

What .gitignore and .otaignore leave out is left out. The serial, by which devices
tell later releases from earlier ones, is the second in which it is packed.

With --check nothing is made: a packed release is read as a device would.

Exit code: 3 if --check finds that it is not right.`,
		Example: `  ota pack -o /tmp/release --version v1.2.3 --message "waters at night"
  ota pack ~/src/garden --archive --app garden --version v1.2.3 --sign
  ota pack --check garden-v1.2.3.ota --allowed-signers allowed_signers`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return usageError(cmd, fmt.Sprintf("one folder at a time, not also %q", args[1]))
			case flags.check != "" && len(args) > 0:
				return usageError(cmd, "--check looks at a packed release, not at a folder to be packed")
			case flags.check == "" && flags.Out == "" && !flags.Archive:
				return usageError(cmd, "where to? name a folder with -o, or make one file with --archive")
			}
			return nil
		},
	}
	flags.define(cmd)
	cmd.RunE = a.act(func(ctx context.Context, args []string) exitCode {
		if flags.check != "" {
			return a.inspectPacked(flags)
		}
		flags.Source = a.at(strings.Join(args, "")) // one at most
		if flags.Out != "" {
			flags.Out = a.at(flags.Out)
		}
		return a.pack(ctx, flags)
	})
	return cmd
}

func (f *packFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.Out, "output", "o", "", "the `path` of the folder, or of the archive, to be made")
	flags.BoolVar(&f.Archive, "archive", false, "make one file, APP-VERSION.ota")
	flags.BoolVar(&f.overlay, "overlay", false, "only add and replace: devices keep what is not in SRC")
	flags.StringVar(&f.Release.App, "app", "", "the program's `name`: only devices with this [device] app take it")
	flags.StringVar(&f.Release.Version, "version", "", "what people call the release, as in v1.2.3")
	flags.StringVarP(&f.Release.Message, "message", "m", "", "what is new")
	flags.Int64Var(&f.Release.Serial, "serial", 0, "a `number` above that of all earlier releases (default: the time)")
	flags.Int64Var(&f.Release.RollbackTo, "allow-rollback-to", 0, "devices may take releases from this `serial` on again")
	flags.StringVar(&f.expires, "expires", "", "not taken after this `day` (2027-01-31), or after 90d")
	flags.StringArrayVar(&f.Release.Removed, "remove", nil, "a `path` that goes, too; again for more")
	flags.Func("arch", "the `machines` that it runs on: arm, arm64, amd64, riscv64", addTo(&f.arch))
	flags.StringVar(&f.Signers, "allowed-signers", "", "the `file` of keys that devices trust from then on")
	flags.IntVar(&f.Release.Threshold, "threshold", 0, "how many people have to sign from then on")
	flags.BoolVar(&f.sign, "sign", false, "sign it, with the ssh key")
	flags.StringVar(&f.key, "key", "", "the `file` of the ssh key (default: the one that ssh uses)")
	flags.StringVar(&f.check, "check", "", "look at the packed release at this `path`")
	flags.BoolVar(&f.asJSON, "json", false, "for programs: print JSON")
}

// addTo makes a flag that names several things, separated by commas or with the
// flag again for each, one that adds them to list. With pflag's StringSlice ota
// would hold a reader of CSV for it, 20 kB.
func addTo(list *[]string) func(named string) error {
	return func(named string) error {
		*list = append(*list, strings.FieldsFunc(named, func(r rune) bool { return r == ',' })...)
		return nil
	}
}

// at is a path as seen from the folder of -C.
func (a *app) at(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(a.directory, path)
}

func (a *app) pack(ctx context.Context, flags packFlags) exitCode {
	options := flags.Options
	options.Release.Kind = parcel.Whole
	if flags.overlay {
		options.Release.Kind = parcel.Overlay
	}
	if len(flags.arch) > 0 {
		options.Release.Needs = &parcel.Needs{Arch: flags.arch}
	}
	if flags.sign || flags.key != "" {
		options.Signing = &pack.Signing{Key: flags.key, Say: a.stderr}
	}
	expires, err := expiry(flags.expires, time.Now())
	if err != nil {
		return a.fail(err)
	}
	options.Release.Expires = expires
	packed, err := pack.Pack(ctx, options)
	if err != nil {
		return a.fail(fmt.Errorf("cannot pack: %w", err))
	}
	for _, path := range packed.LeftOut {
		a.tell("left out, as a device never takes it: %s", path)
	}
	if flags.asJSON {
		return a.json(summaryOf(packed.Release, packed.Path, options.Signing != nil, nil))
	}
	a.say("packed %s, serial %d, into %s", amount.Count(len(packed.Release.Files), "path", "paths"), packed.Release.Serial, packed.Path)
	return done
}

// expiry reads a day, or a count of days from now.
func expiry(text string, now time.Time) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	if days, err := strconv.Atoi(strings.TrimSuffix(text, "d")); err == nil && strings.HasSuffix(text, "d") && days > 0 {
		return new(now.UTC().Truncate(time.Second).AddDate(0, 0, days)), nil
	}
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return nil, hint.With(fmt.Errorf("cannot pack: --expires %q is no day", text), "write 2027-01-31, or 90d")
	}
	return &at, nil
}

// packedSummary is what is said of a packed release in JSON.
type packedSummary struct {
	Path       string          `json:"path"`
	Kind       parcel.Kind     `json:"kind"`
	App        string          `json:"app,omitempty"`
	Version    string          `json:"version,omitempty"`
	Serial     int64           `json:"serial"`
	Message    string          `json:"message,omitempty"`
	Files      int             `json:"files"`
	Bytes      int64           `json:"bytes"`
	Signed     bool            `json:"signed"`
	Signatures []sshsig.Signed `json:"signers,omitempty"` // those that were looked for
}

func summaryOf(m *parcel.Manifest, path string, signed bool, by []sshsig.Signed) packedSummary {
	return packedSummary{path, m.Kind, m.App, m.Version, m.Serial, m.Message, len(m.Files), m.Bytes(), signed, by}
}

// inspectPacked is --check.
func (a *app) inspectPacked(flags packFlags) exitCode {
	signers := flags.Signers
	if signers != "" {
		signers = a.at(signers)
	}
	found, err := pack.Inspect(a.at(flags.check), signers, sshsig.Clock{Now: time.Now()})
	if onDisk := (*os.PathError)(nil); errors.As(err, &onDisk) {
		return a.fail(fmt.Errorf("cannot check: %w", err))
	}
	if err != nil {
		fmt.Fprintln(a.stdout, a.in(bad, "held")+": "+harmless(err.Error()))
		return heldBack
	}
	if flags.asJSON {
		return a.json(summaryOf(found.Release, flags.check, found.Signatures > 0, found.Signed))
	}
	text := fmt.Sprintf("%s, serial %d, %s", found.Release.Kind, found.Release.Serial,
		amount.Count(len(found.Release.Files), "path", "paths"))
	if found.Release.Version != "" {
		text = found.Release.Version + ", " + text
	}
	switch {
	case found.Signed != nil:
		for i, one := range found.Signed {
			text += []string{", signed by ", " and "}[min(i, 1)] + one.Name
		}
	case found.Signatures > 0:
		text += ", " + amount.Count(found.Signatures, "signature", "signatures") + " that nobody has compared: name --allowed-signers"
	default:
		text += ", not signed"
	}
	fmt.Fprintln(a.stdout, a.in(good, "good")+": "+harmless(text))
	return done
}
