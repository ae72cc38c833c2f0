// Package agent is the house: it wires rooms and faces, owns every goroutine,
// and shuts down in the right order.
//
// In: a folder. Out: the program in it, running and up to date until the end.
// Never: a rule about updates; those are in the table of package update.
package agent

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ota/internal/activate"
	"ota/internal/admission"
	"ota/internal/api"
	"ota/internal/check"
	"ota/internal/config"
	"ota/internal/deposit"
	"ota/internal/deposit/drop"
	"ota/internal/home"
	"ota/internal/kit/handover"
	"ota/internal/kit/reserve"
	"ota/internal/logs"
	"ota/internal/program"
	"ota/internal/reason"
	"ota/internal/release"
	"ota/internal/source"
	"ota/internal/sshsig"
	"ota/internal/update"
	"ota/internal/web"
	"ota/internal/web/access"
)

// Options say what to run and how to speak.
type Options struct {
	Dir     string // the folder that holds deposit/, main/, logs/ and .ota/
	Once    bool   // end when the program ends by itself, with its exit code
	Version string
	Console io.Writer
	Color   bool
	// Private: what goes to Console is seen by the person who started ota, and
	// kept nowhere, so that a link that logs in may be shown there.
	Private bool
	// Handed is what an ota before this one has left in this process: this one
	// takes over. Nil: there was none.
	Handed *handover.Received
	// Caught returns the signals that came and on which nobody has acted for good.
	// May be nil.
	Caught func() []syscall.Signal
}

// agent is everything that lives as long as Run.
type agent struct {
	options    Options
	folder     folder
	config     config.Config // of the device: what no release may change
	outfit     *outfit
	log        *slog.Logger
	logs       *logs.Log
	releases   *release.Room
	deposit    *deposit.Room
	trust      *admission.Keeper
	undated    atomic.Pointer[[sha256.Size]byte] // the manifest whose expiry was last said not to count
	arrivals   *drop.Room                        // for deposit/, over the network
	program    *program.Room
	main       *activate.Room
	supervisor *supervisor
	conductor  *update.Conductor
	access     *access.Keeper
	page       page
	home       *home.Home
	source     *source.Source // nil: releases are fetched from nowhere
	console    io.Writer      // shared; nil: none
	vitals     vitals
	doing      atomic.Pointer[string] // what takes its time; nil: nothing
	announced  atomic.Pointer[string] // as what the network knows the device; nil: not at all
	start      string                 // names this start of ota
	bell       bell                   // rings when something has changed
	lock       *os.File               // of the folder; nil: there is none
	server     *api.Server
	heir       heir
	handed     *handed       // of the ota before this one, which takes over; nil: it begins
	begun      chan struct{} // closed as soon as there is no way back to that one
}

// Run looks after the folder until ctx ends and then stops the program. The
// closing of kill makes it end the program at once. It returns the exit code of
// the process: 0, or that of the program in the mode Once. The error is a
// *Locked if another process looks after the folder already. It does not return
// where another ota takes over in this process.
func Run(ctx context.Context, kill <-chan struct{}, options Options) (exitCode int, err error) {
	a := &agent{options: options, start: newStartID(), begun: make(chan struct{})}
	if options.Handed == nil {
		close(a.begun)
	} else if a.handed, err = unpackState(options.Handed); err != nil {
		return 1, err
	} else {
		a.start = a.handed.Start
		a.heir.set(nil, a.takenOver(api.TakingOver))
	}
	if a.folder, err = folderAt(options.Dir); err != nil {
		return 1, err
	}
	layers, err := config.LoadLayers(a.folder.config())
	if err != nil {
		return 1, err
	}
	a.config, a.outfit = layers.Device(), newOutfit(a.folder, a.folder.main(), layers, nil)
	made, lacking := a.folder.make()
	if a.handed != nil {
		a.lock, err = a.takeLock()
	} else {
		a.lock, err = a.folder.lockSoon(ctx)
	}
	if err != nil {
		return 1, err
	}
	defer a.lock.Close()

	hurry, stopWaiting := whenClosed(kill)
	defer stopWaiting()
	house, stopLogs := context.WithCancel(context.Background())
	var logging sync.WaitGroup
	defer logging.Wait()
	defer stopLogs()
	a.openLogs(made, lacking)
	logging.Go(func() { a.logs.Run(house) })
	furnished, leaveManager := a.serveManager(ctx)
	exitCode, err = a.live(ctx, hurry, furnished)
	leaveManager()
	if err == nil && a.isLeaving() {
		return 1, a.giveWay(func() { stopLogs(); logging.Wait() })
	}
	return exitCode, err
}

// openLogs begins to log: what was made, and what could not be made, which the
// program may do without.
func (a *agent) openLogs(made []string, lacking error) {
	a.console = shared(a.options.Console)
	options := logs.Options{
		Dir:      a.folder.logs(),
		Console:  a.console,
		Color:    a.options.Color,
		MaxFile:  a.config.Logs.MaxFile,
		MaxTotal: a.config.Logs.MaxTotal,
	}
	if a.handed != nil {
		options.Handed = &a.handed.Logs
	}
	a.logs = logs.New(options)
	a.log = slog.New(a.logs.Handler(slog.LevelInfo))
	if a.handed == nil {
		a.log.Info("ota is starting", "version", a.options.Version, "folder", a.folder.dir)
	}
	for _, name := range made {
		a.log.Info("made the folder " + name + "/")
	}
	if lacking != nil {
		a.log.Error("a folder is missing", "error", lacking)
	}
	// The program can do without it.
	if err := a.folder.makeBusy(); err != nil {
		a.log.Warn("programs can't say that they are busy", "error", err)
	}
}

// live fills the house and runs it until the conductor is done. The faces are
// closed last, so that who watches sees how all else ends. By then they can
// still be looked at, and everything that they ask for is refused. furnished is
// called when the rooms are there.
func (a *agent) live(ctx, hurry context.Context, furnished func()) (exitCode int, err error) {
	if err := a.furnish(hurry); err != nil {
		return 1, err
	}
	open, closeFaces := context.WithCancel(context.Background())
	var faces sync.WaitGroup
	defer faces.Wait()
	defer closeFaces()
	a.server = api.New(a, a.folder.socket(), a.log)
	a.page, a.home = a.newPage(a.server.Handler()), a.newHome(a.server)
	isNewPage, err := a.takeFaces()
	if err != nil {
		return 1, err
	}
	faces.Go(func() { a.serve(open, "ota can't be steered", a.server.Run) })
	faces.Go(func() {
		if isNewPage { // it may be at the port that the way back keeps open
			a.awaitBegun(open)
		}
		a.serve(open, "the page is not served", a.page.Run)
	})
	faces.Go(func() {
		a.awaitBegun(open)
		a.serve(open, "no MQTT broker is told anything", a.home.Run)
	})
	if a.handed == nil {
		furnished()
	} else {
		faces.Go(func() { a.comeUp(open, furnished) })
	}

	if a.handed != nil {
		if err := handover.Fault(); err != nil {
			return 1, err
		}
	}
	exit, err := a.conduct(ctx, hurry)
	switch {
	case err != nil:
		return 1, err
	case a.conductor.Left():
		return 0, a.leaveFaces()
	case exit != nil:
		exitCode = exit.Code
	}
	if err := a.folder.markClean(); err != nil {
		a.log.Warn("it can't be written down that ota ended by itself", "error", err)
	}
	a.log.Info("ota has ended")
	return exitCode, nil
}

// conduct runs the rooms, and closes them.
func (a *agent) conduct(ctx, hurry context.Context) (*update.Exit, error) {
	rooms, closeRooms := context.WithCancel(context.Background())
	var others sync.WaitGroup
	run := func(work func()) {
		others.Go(func() { a.awaitBegun(rooms); work() })
	}
	run(func() { a.serve(rooms, "deposit/ is not looked at", a.deposit.Run) })
	run(func() { a.serve(rooms, "uploads over the network are not looked after", a.arrivals.Run) })
	if tells := a.newTeller(); tells != nil {
		run(func() { a.serve(rooms, "nobody is told what happens", tells.Run) })
	}
	run(func() { a.serve(rooms, "no releases are fetched", a.runSource) })
	if a.config.Update.USB {
		run(func() { a.serve(rooms, "USB sticks are not looked for", a.watchSticks) })
	}
	run(func() { a.vitals.run(rooms, a.config.Web.Listen != web.Off) })

	exit, err := a.conductor.Run(ctx, hurry)

	closeRooms()
	others.Wait()
	if a.conductor.Left() {
		a.supervisor.Cool()
		a.program.Leave()
		return nil, err
	}
	a.supervisor.listening.Wait()
	if closeErr := a.program.Close(); closeErr != nil {
		a.log.Warn("something of the program is left behind", "error", closeErr)
	}
	return exit, err
}

// furnish makes the rooms and clears away what an ota before this one left
// running.
func (a *agent) furnish(hurry context.Context) error {
	a.program = program.New(program.Options{
		Record: a.folder.child(),
		Mark:   a.folder.mark(),
		Notify: a.folder.notify(),
		Log:    a.log,
	})
	running, err := a.clearAway(hurry)
	if err != nil {
		return err
	}
	releases, warning, err := release.Open(a.folder.own())
	if err != nil {
		return err
	}
	if warning != "" {
		a.log.Warn(warning)
	}
	a.releases = releases
	a.access = access.Open(a.folder.access(), a.log)
	a.vitals = newVitals(a.folder.dir, a.program)
	a.trust = trustOf(a.folder, a.config.Device, a.releases, func() sshsig.Clock { return clockOf(a.vitals) })
	a.catchUp()
	a.deposit = deposit.New(deposit.Options{
		Dir:       a.folder.deposit(),
		Incoming:  a.folder.incoming(),
		Quiet:     func() time.Duration { return a.outfit.current().Update.Quiet },
		Discarded: a.folder.discarded(),
		Keep:      a.config.Store.Keep,
		Ignore:    func(path string) bool { return a.outfit.current().Update.Ignored(path) },
		Packing:   a.packing(),
		Log:       a.log,
	})
	a.arrivals = drop.New(drop.Options{Dir: a.folder.uploads(), Deposit: a.folder.deposit(), Log: a.log, Vouch: a.deposit.Vouch, Changed: a.changed})
	a.outfit.log, a.outfit.told, a.outfit.makeRoom = a.log, a.tell, a.makeRoom
	a.supervisor = newSupervisor(a)
	a.main = activate.New(activate.Options{
		Main:     a.folder.main(),
		Dir:      a.folder.own(),
		Bytecode: a.supervisor.bytecode,
	})
	a.source = a.newSource()
	options := a.conductorOptions()
	options.Unclean = a.wasUnclean()
	if a.handed != nil {
		options.Handed, options.Begin = &a.handed.Conductor, a.begun
		options.Run = a.supervisor.resume(a.handed.Launch, running)
		a.deposit.Revouch(a.handed.Vouched)
	}
	a.conductor = update.New(options)
	return nil
}

// clearAway ends what an ota before this one left running, or takes it over.
func (a *agent) clearAway(hurry context.Context) (running *program.Run, err error) {
	if a.handed != nil {
		return a.program.Resume(a.handed.Program, a.options.Handed)
	}
	switch left, err := a.program.EndLeftovers(hurry); {
	case err != nil:
		return nil, fmt.Errorf("cannot end what an earlier ota left running: %w", err)
	case left > 0:
		a.log.Warn("ended what an earlier ota had left running", "processes", left)
	}
	return nil, nil
}

// wasUnclean reports whether the last ota here did not end by itself.
func (a *agent) wasUnclean() bool {
	if a.handed != nil { // it has not ended
		return false
	}
	unclean, err := a.folder.takeClean()
	if err != nil {
		a.log.Warn("it can't be written down that ota runs", "error", err)
	}
	if unclean {
		a.outfit.doubt()
	}
	return unclean
}

func (a *agent) conductorOptions() update.Options {
	return update.Options{
		Deposit:  a.deposit,
		Main:     a.main,
		Releases: a.releases,
		Program:  a.supervisor,
		Trial:    trials{a},
		Busy:     busyLock{a.folder.busy()},
		Reserve:  reserve.New(a.folder.reserve(), reserveBytes),
		Settings: a.settings,
		Limits:   release.Limits{Keep: a.config.Store.Keep, MaxBytes: a.config.Store.MaxBytes},
		Space:    a.space,
		Links: func(upload map[string]string) ([]reason.Reason, error) {
			return check.Links(a.folder.main(), upload)
		},
		Plausible: func(arrivals []check.Arrival) ([]reason.Reason, error) {
			return check.Plausible(a.folder.main(), arrivals)
		},
		Check:     a.check,
		Confirmed: a.confirmed,
		Tidy:      a.tidy,
		Bytecode:  a.supervisor.bytecode,
		Once:      a.options.Once,
		Rest:      a.rest,
		Hides:     func(path string) bool { return a.Veil()(path) },
		Changed:   a.changed,
		Log:       a.log,
	}
}

// reserveBytes is enough for all that ota writes of itself to go back.
const reserveBytes = 256 << 10

// space asks for room for an upload twice: in the store, where each content and
// each listing of a folder may be the first below a folder of the store, and
// beside main/.
func (a *agent) space(upload *deposit.Snapshot) error {
	paths := int64(upload.Paths())
	return check.Space(
		check.Need{Dir: a.folder.own(), Bytes: upload.Bytes(), Files: 2 * paths},
		check.Need{Dir: a.folder.main(), Bytes: upload.Bytes(), Files: paths},
	)
}

// Pauses before what has failed is served again.
const (
	firstServe = time.Second
	lastServe  = time.Minute
)

// serve runs what the program can do without, and again after a pause if that
// fails, until ctx ends.
func (a *agent) serve(ctx context.Context, failed string, run func(context.Context) error) {
	for pause := firstServe; ; pause = min(2*pause, lastServe) {
		err := run(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		a.log.Error(failed, "error", err)
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return
		}
	}
}

// whenClosed is a context that ends when the channel is closed.
func whenClosed(closed <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
