package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"ota/internal/agent"
	"ota/internal/api"
	"ota/internal/kit/hint"
	"ota/internal/service"
)

const (
	// upLimit is for a slow card, from which the program is read first.
	upLimit = time.Minute
	upAgain = 200 * time.Millisecond
)

func (a *app) installCommand() *cobra.Command {
	var options service.Options
	var ofUser bool
	cmd := &cobra.Command{
		Use:   "install [DIR]",
		Short: "Let the system start ota here, and keep it running",
		Long: `Make a service of systemd, or OpenRC, that runs ota in the folder: from now on and
after each start of the device. It runs as the owner of the folder; one of root's
is given to a user "ota", which is made for that. Each thing that is done is
printed. What is there already stays, what differs is changed.`,
		Example: `  sudo ota install /home/pi/garden
  sudo ota install --as pi
  ota install --user          a service of your own, without root
  ota install --dry-run       print what would be done`,
		Args: func(cmd *cobra.Command, args []string) error { return a.takeDir(cmd, args) },
	}
	cmd.Flags().StringVar(&options.As, "as", "", "run it as this `user`; a program that needs root: root")
	cmd.Flags().BoolVar(&ofUser, "user", false, "a service of your own, which needs no root")
	cmd.Flags().BoolVar(&options.Dry, "dry-run", false, "only print what would be done")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode {
		options.Scope = scopeOf(ofUser)
		return a.install(ctx, options)
	})
	return cmd
}

func (a *app) uninstallCommand() *cobra.Command {
	var options service.Options
	var ofUser bool
	cmd := &cobra.Command{
		Use:   "uninstall [DIR]",
		Short: "Take back what install has done",
		Long: `Stop the service of the folder and take back all that "ota install" has made for
it. The folder stays, with the program and its data.`,
		Example: `  sudo ota uninstall /home/pi/garden
  ota uninstall --user
  sudo ota uninstall --dry-run`,
		Args: func(cmd *cobra.Command, args []string) error { return a.takeDir(cmd, args) },
	}
	cmd.Flags().BoolVar(&ofUser, "user", false, "the service is one of your own")
	cmd.Flags().BoolVar(&options.Dry, "dry-run", false, "only print what would be done")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode {
		options.Scope = scopeOf(ofUser)
		return a.uninstall(ctx, options)
	})
	return cmd
}

func scopeOf(ofUser bool) service.Scope {
	if ofUser {
		return service.OfUser
	}
	return service.OfSystem
}

func (a *app) install(ctx context.Context, options service.Options) exitCode {
	host, err := a.prepare(&options)
	if err != nil {
		return a.fail(fmt.Errorf("cannot install: %w", err))
	}
	status, err := agent.OfflineStatus(options.Dir, version())
	if err != nil {
		return a.fail(fmt.Errorf("cannot install: %w", err))
	}
	options.Running = status.Running
	unit, err := service.Install(ctx, host, options)
	if err != nil {
		return a.fail(fmt.Errorf("cannot install: %w", err))
	}
	if options.Dry {
		return done
	}
	end := a.waiting(ctx, api.Dial(options.Dir), "waiting for ota to answer")
	err = awaitOta(ctx, options.Dir)
	end()
	if err != nil {
		return a.fail(hint.With(fmt.Errorf("the service %s does not answer: %w", unit, err),
			"the newest file in "+filepath.Join(options.Dir, "logs")+" says why, or the log of the system what became of "+unit))
	}
	a.say("ota is running in %s, and will be after each start of the device", options.Dir)
	a.say(`put your program into %s; "ota -C %s status" tells what becomes of it`, filepath.Join(options.Dir, "deposit"), options.Dir)
	if options.Scope == service.OfUser {
		a.advise(`without you logged in it runs after "loginctl enable-linger"`)
	}
	return done
}

func (a *app) uninstall(ctx context.Context, options service.Options) exitCode {
	host, err := a.prepare(&options)
	if err == nil {
		err = service.Uninstall(ctx, host, options)
	}
	if err != nil {
		return a.fail(fmt.Errorf("cannot uninstall: %w", err))
	}
	if !options.Dry {
		a.say("%s is as it was, and ota does not run there any more", options.Dir)
	}
	return done
}

// prepare finds the folder, as the system sees it, and says how to speak.
func (a *app) prepare(options *service.Options) (service.Host, error) {
	dir, err := a.folder()
	if err != nil {
		return service.Host{}, err
	}
	if options.Dir, err = filepath.EvalSymlinks(dir); err != nil {
		return service.Host{}, fmt.Errorf("cannot look at the folder: %w", err)
	}
	options.Say = func(became service.Done, what string) {
		switch became {
		case service.Already:
			a.say("is there already: %s", what)
		case service.Would:
			a.say("would %s", what)
		default:
			a.say("done: %s", what)
		}
	}
	return service.ThisHost()
}

// awaitOta returns when the ota of the folder answers.
func awaitOta(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, upLimit, errors.New("it has not come up within a minute"))
	defer cancel()
	again := time.NewTicker(upAgain)
	defer again.Stop()
	for {
		_, err := api.Dial(dir).Status(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
	}
}
