package cli

import "github.com/spf13/cobra"

// senders are none: the binary for the smallest devices has no room for what is
// used where programs are developed.
func (*app) senders() []*cobra.Command { return nil }
