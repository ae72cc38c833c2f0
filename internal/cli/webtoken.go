package cli

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ota/internal/api"
)

func (a *app) webTokenCommand() *cobra.Command {
	var (
		name   string
		allow  []string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make a token, with which a script comes in",
		Long: `Make a token, with which a script uses the API over the network, and print its
secret: this once. Nothing else goes to stdout.

A token may read (see status, logs and files), upload (put files into deposit/),
control (start, stop, apply, roll back), or several of these. It lasts until it is
revoked. A script shows it as

    Authorization: Bearer SECRET`,
		Example: `  ota web token --name ci --allow upload,read
  ssh pi@garden ota -C garden web token --name laptop --allow upload > token.txt
  ota web token list
  ota web token revoke ci`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := knownCommand(cmd, args); err != nil {
				return err
			}
			switch {
			case name == "":
				return usageError(cmd, "what is it called? --name is missing")
			case len(allow) == 0:
				return usageError(cmd, "what may it do? --allow is missing")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "what it is `called`")
	cmd.Flags().Func("allow", "what it `may` do: read, upload, control", addTo(&allow))
	_ = cmd.RegisterFlagCompletionFunc("allow", cobra.FixedCompletions([]string{"read", "upload", "control"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode { return a.webToken(ctx, name, allow, asJSON) })
	cmd.AddCommand(a.webTokenListCommand(), a.webTokenRevokeCommand())
	return cmd
}

func (a *app) webToken(ctx context.Context, name string, allow []string, asJSON bool) exitCode {
	rights := make([]api.Right, len(allow))
	for i, right := range allow {
		rights[i] = api.Right(right)
	}
	var token api.IssuedToken
	ota, err := a.ota()
	if err == nil {
		token, err = ota.NewToken(ctx, name, rights)
	}
	if err != nil {
		return a.fail(fmt.Errorf("cannot make a token: %w", err))
	}
	if asJSON {
		return a.json(token)
	}
	a.say("%s", token.Secret)
	a.tell("the token %s may %s; its secret is shown this once", token.Name, api.Words(token.Allow))
	return done
}

func (a *app) webTokenListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the tokens, without their secrets",
		Long:  `List the tokens: what they are called, what they may do, since when there are.`,
		Example: `  ota web token list
  ota web token list --json | jq -r '.[].name'`,
		Args: noArguments,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode { return a.webTokens(ctx, asJSON) })
	return cmd
}

func (a *app) webTokens(ctx context.Context, asJSON bool) exitCode {
	var tokens []api.Token
	ota, err := a.ota()
	if err == nil {
		tokens, err = ota.Tokens(ctx)
	}
	switch {
	case err != nil:
		return a.fail(fmt.Errorf("cannot list the tokens: %w", err))
	case asJSON:
		return a.json(api.List[api.Token](tokens))
	case len(tokens) == 0:
		a.say("no token yet")
		return done
	}
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tMAY\tSINCE")
	for _, one := range tokens {
		fmt.Fprintf(table, "%s\t%s\t%s\n", harmless(one.Name), harmless(api.Words(one.Allow)), one.Created.Local().Format("2006-01-02 15:04:05"))
	}
	table.Flush()
	return done
}

func (a *app) webTokenRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME",
		Short: "End a token",
		Long:  `End a token, at once: who shows it does not come in any more.`,
		Example: `  ota web token revoke ci
  ota web token list`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return usageError(cmd, "which token?")
			case 1:
				return nil
			default:
				return usageError(cmd, fmt.Sprintf("one token at a time, not also %q", args[1]))
			}
		},
		RunE: a.act(func(ctx context.Context, args []string) exitCode {
			return a.steer(ctx, "revoke the token", "the token "+args[0]+" is revoked",
				func(ota *api.Client, ctx context.Context) error { return ota.RevokeToken(ctx, args[0]) })
		}),
	}
}
