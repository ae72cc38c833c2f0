package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ota/internal/api"
	"ota/internal/kit/hint"
)

func (a *app) webCommand() *cobra.Command {
	var asJSON, open bool
	cmd := &cobra.Command{
		Use:   "web",
		Short: "Print a link that logs in to the page",
		Long: `Print a link that logs in to the page of this device: once, and within ten
minutes. Whoever has the link may do what the page can; nothing else than the
link goes to stdout.

The page is where [web] listen in ota.toml says: on this machine only, unless
that names another address.`,
		Example: `  ota web
  ota web --open         open it in the browser of this machine
  ota web pair           a code to type, for a phone
  ota web password       set a password
  ota web token --name ci --allow upload`,
		Args: knownCommand,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	cmd.Flags().BoolVar(&open, "open", false, "open it in the browser of this machine")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode { return a.webLink(ctx, asJSON, open) })
	cmd.AddCommand(a.webPairCommand(), a.webPasswordCommand(), a.webTokenCommand(), a.webLogoutCommand())
	return cmd
}

// ota is the ota of the folder that the command is about.
func (a *app) ota() (*api.Client, error) {
	dir, err := a.folder()
	if err != nil {
		return nil, err
	}
	return api.Dial(dir), nil
}

func (a *app) webLink(ctx context.Context, asJSON, open bool) exitCode {
	link, web, err := a.askForLink(ctx)
	if err != nil {
		return a.fail(fmt.Errorf("cannot make a link: %w", err))
	}
	if asJSON {
		if code := a.json(link); code != done {
			return code
		}
	} else {
		a.say("%s", link.Address)
		a.tell("the link logs in once, within 10 minutes")
		a.tellFingerprint(web)
		a.adviseTunnel(link.Address)
	}
	if !open {
		return done
	}
	if err := openInBrowser(ctx, link.Address); err != nil {
		return a.fail(hint.With(fmt.Errorf("cannot open the page: %w", err), "open the link by hand"))
	}
	return done
}

func (a *app) askForLink(ctx context.Context) (api.LoginLink, api.Web, error) {
	ota, err := a.ota()
	if err != nil {
		return api.LoginLink{}, api.Web{}, err
	}
	link, err := ota.WebLink(ctx)
	if err != nil {
		return link, api.Web{}, err
	}
	web, err := ota.Web(ctx)
	return link, web, err
}

// tellFingerprint says by what a person knows the certificate, of which no
// browser knows who made it.
func (a *app) tellFingerprint(web api.Web) {
	if web.Fingerprint != nil {
		a.tell("SHA-256 of its certificate: %s", *web.Fingerprint)
	}
}

// adviseTunnel helps who came by ssh to a page that only this machine sees.
func (a *app) adviseTunnel(link string) {
	address, err := url.Parse(link)
	ours := strings.Fields(os.Getenv("SSH_CONNECTION")) // client, its port, server, its port
	if err != nil || len(ours) != 4 {
		return
	}
	if ip := net.ParseIP(address.Hostname()); ip != nil && ip.IsLoopback() || address.Hostname() == "localhost" {
		a.advise(fmt.Sprintf("on your own machine: ssh -N -L %s:%s %s%s, then open the link there", address.Port(), address.Host, caller(), ours[2]))
	}
}

// caller is who called us, as ssh takes it before an address: also by sudo.
// Empty: not known.
func caller() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name + "@"
	}
	if account, err := user.Current(); err == nil && account.Username != "" {
		return account.Username + "@"
	}
	return ""
}

func (a *app) webPairCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "pair",
		Short: "Print a code that logs in to the page, or lets a computer push",
		Long: `Print a code that logs in to the page, or gets a computer a token to push with:
once, and within five minutes. It is short enough to be typed into a phone;
capitals and the dash do not matter. There is one code at a time, and it is void
after five wrong tries.`,
		Example: `  ota web pair
  ota web pair --json | jq -r .code`,
		Args: noArguments,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode { return a.webPair(ctx, asJSON) })
	return cmd
}

func (a *app) webPair(ctx context.Context, asJSON bool) exitCode {
	var code api.PairCode
	var web api.Web
	ota, err := a.ota()
	if err == nil {
		code, err = ota.Pair(ctx)
	}
	if err == nil {
		web, err = ota.Web(ctx)
	}
	if err != nil {
		return a.fail(fmt.Errorf("cannot make a code: %w", err))
	}
	if asJSON {
		return a.json(code)
	}
	a.say("%s", code.Code)
	if code.Address != nil {
		a.tell("type it at %s, or where \"ota push %s\" asks for it", *code.Address, *code.Address)
	}
	a.tell("it logs in once, until %s", code.Until.Local().Format(time.TimeOnly))
	a.tellFingerprint(web)
	return done
}

func (a *app) webLogoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Log everybody out of the page",
		Long: `Log everybody out of the page, in every browser, at once. Links and codes that
nobody has used yet are void, too. Tokens stay: "ota web token revoke" ends one.`,
		Example: `  ota web logout`,
		Args:    noArguments,
		RunE: a.act(func(ctx context.Context, _ []string) exitCode {
			return a.steer(ctx, "log everybody out", "everybody is logged out of the page", (*api.Client).EndSessions)
		}),
	}
}

func (a *app) webPasswordCommand() *cobra.Command {
	var removed bool
	cmd := &cobra.Command{
		Use:   "password",
		Short: "Set the password of the page",
		Long: `Set the password of the page, which logs in until it is set anew. It is asked for
twice; without a terminal it is the first line of stdin. It has at least 8
characters, of any language. Everybody is logged out.

Without a password, a link ("ota web") or a code ("ota web pair") logs in.`,
		Example: `  ota web password
  ota web password < password.txt
  ota web password --remove`,
		Args: noArguments,
	}
	cmd.Flags().BoolVar(&removed, "remove", false, "take the password away")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode { return a.webPassword(ctx, removed) })
	return cmd
}

func (a *app) webPassword(ctx context.Context, removed bool) exitCode {
	if removed {
		return a.steer(ctx, "take the password away", "there is no password any more; everybody is logged out of the page",
			func(ota *api.Client, ctx context.Context) error { return ota.SetPassword(ctx, "") })
	}
	return a.steer(ctx, "set the password", "the password is set; everybody is logged out of the page",
		func(ota *api.Client, ctx context.Context) error {
			// Nobody wants to think of a password for nothing.
			if _, err := ota.Web(ctx); err != nil {
				return err
			}
			password, err := a.newPassword()
			if err != nil {
				return err
			}
			if password == "" { // would take it away
				return hint.With(errors.New("it is empty"), `"ota web password --remove" takes the password away`)
			}
			return ota.SetPassword(ctx, password)
		})
}
