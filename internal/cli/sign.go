package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"ota/internal/pack"
)

func (a *app) signCommand() *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use:   "sign RELEASE",
		Short: "Sign a packed release with your ssh key",
		Long: `Sign a packed release, a folder or an archive that "ota pack" has made. ssh-keygen
does that, so that keys of the agent and of hardware work as well, and the signature
is one that "ssh-keygen -Y verify -n ota-release" takes.

Signatures of other keys that are there stay: where a device wants two people to
have signed, one signs after the other.`,
		Example: `  ota sign garden-v1.2.3.ota
  ota sign /tmp/release --key ~/.ssh/id_ed25519_sk`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return usageError(cmd, "which release? name the folder or the archive")
			case 1:
				return nil
			}
			return usageError(cmd, fmt.Sprintf("one release at a time, not also %q", args[1]))
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "the `file` of the ssh key (default: the one that ssh uses)")
	cmd.RunE = a.act(func(ctx context.Context, args []string) exitCode {
		signing := pack.Signing{Key: key, Say: a.stderr}
		if err := signing.Sign(ctx, a.at(args[0])); err != nil {
			return a.fail(fmt.Errorf("cannot sign: %w", err))
		}
		a.say("signed %s", args[0])
		return done
	})
	return cmd
}
