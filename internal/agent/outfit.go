package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"ota/internal/check"
	"ota/internal/config"
	"ota/internal/python/venv"
)

// outfit finds what a program needs around it: settings, Python and the
// environment. Its methods may be called by several goroutines.
type outfit struct {
	place  folder // where ota keeps what it makes
	main   string // the program
	layers config.Layers
	venvs  *venv.Room
	log    *slog.Logger
	// told says what takes its time just now; empty: nothing any more.
	told func(doing string)
	now  func() time.Time
	// makeRoom is called before an environment is made.
	makeRoom func()

	mu           sync.Mutex
	interpreters map[string]string  // found, by the name in ota.toml
	failed       map[string]failed  // by the name of the environment
	wheels       map[wheelID]string // SHA-256 of wheels
	warned       string             // about main/ota.toml
	inForce      config.Config      // when settings were read last
	trust        trust
	proven       map[string]bool // environments that were looked at
	said         knownSettings   // by main/ota.toml
	needed       knownNeed       // by main/
}

func newOutfit(place folder, main string, layers config.Layers, log *slog.Logger) *outfit {
	return &outfit{
		place: place, main: main, layers: layers, log: log,
		venvs:        venv.New(venv.Options{Dir: place.venvs()}),
		told:         func(string) {},
		now:          time.Now,
		makeRoom:     func() {},
		inForce:      layers.Device(),
		interpreters: map[string]string{}, failed: map[string]failed{}, wheels: map[wheelID]string{},
		trust: trusted, proven: map[string]bool{},
	}
}

// settings are those in force with what is in main/. What is wrong with
// main/ota.toml is told, and the device's own settings are used: the program
// has to run.
func (o *outfit) settings() config.Config {
	o.mu.Lock()
	known := o.said
	o.mu.Unlock()
	if known.from != nil && known.from.are(o.main) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.inForce = known.config
		return known.config
	}
	return o.readSettings()
}

func (o *outfit) readSettings() config.Config {
	reading := o.reading()
	reading.at(settingsName)
	found, warnings, err := o.layers.Load(o.main)
	if err != nil || len(warnings) > 0 {
		reading.found = nil // it may be that of the moment
	}
	var texts []string
	for _, one := range warnings {
		texts = append(texts, one.String())
	}
	if err != nil {
		texts = append(texts, "main/ota.toml does not count: "+err.Error())
	}
	text := strings.Join(texts, "; ")
	o.mu.Lock()
	known := o.warned
	o.warned, o.inForce, o.said = text, found, knownSettings{reading.found, found}
	o.mu.Unlock()
	if text != "" && text != known {
		o.log.Warn(text)
	}
	return found
}

// current are the settings as they were read last, at the last start or
// attempt.
func (o *outfit) current() config.Config {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.inForce
}

// version is one state of main/: as it is, or as it would be.
type version struct {
	arrivals []check.Arrival // laid over main/
	gone     []string        // taken out of it
	walk     check.Walk      // the release below them
	settings config.Config
}

func (v version) reader(o *outfit) check.Reader {
	return check.Reader{Main: o.main, Arrivals: v.arrivals, Gone: v.gone}
}

// need is the environment that a version needs.
type need struct {
	recipe      venv.Recipe
	interpreter venv.Interpreter
	id          string // empty: it needs none
}

// need finds out which environment a version needs with the Python that is
// there. The error is a *venv.Problem for a file that can't be used.
func (o *outfit) need(ctx context.Context, v version, interpreter string) (need, error) {
	if !v.settings.Python.Environment || interpreter == "" {
		return need{}, nil
	}
	reading := o.reading()
	reading.at(venv.WheelFolder)
	wheels, err := o.wheelsOf(v)
	if err != nil {
		return need{}, err
	}
	for _, wheel := range wheels {
		reading.at(wheel.Path)
	}
	read := func(at string) ([]byte, error) {
		reading.at(at)
		return v.reader(o).Read(at)
	}
	recipe, err := venv.Read(read, wheels, venv.ReadOptions{
		Isolated: v.settings.Python.Isolated,
		Digest:   func(at string) (string, error) { return digest(v, at) },
	})
	if err == nil && recipe.Empty() {
		o.noteNeed(v, interpreter, reading.found, need{recipe: recipe})
	}
	if err != nil || recipe.Empty() {
		return need{recipe: recipe}, err
	}
	env, err := o.environ(v.settings, footing{})
	if err != nil {
		return need{}, err
	}
	account, err := o.account(v.settings)
	if err != nil {
		return need{}, err
	}
	identity, err := o.venvs.Identify(ctx, interpreter, env, account.owner())
	if err != nil {
		return need{}, err
	}
	found := need{recipe, identity, o.venvs.ID(recipe, identity)}
	o.noteNeed(v, interpreter, reading.found, found)
	return found, nil
}

// build makes the environment, unless it is there, and tells how far it is.
func (o *outfit) build(ctx context.Context, v version, n need) error {
	if err := o.whole(ctx, n.id); ctx.Err() != nil {
		return err
	}
	if _, err := o.venvs.Python(n.id); err == nil {
		return nil
	}
	env, err := o.environ(v.settings, footing{})
	if err != nil {
		return err
	}
	account, err := o.account(v.settings)
	if err != nil {
		return err
	}
	job := venv.BuildJob{
		As:     account.owner(),
		Recipe: n.recipe, Interpreter: n.interpreter, Env: env,
		Index: v.settings.Python.Index, Offline: v.settings.Python.Offline,
		Progress: func(step venv.Step) { o.told(step.String()) },
	}
	defer o.told("")
	if len(n.recipe.Local()) > 0 {
		dir, remove, err := o.copyOf(ctx, v)
		if err != nil {
			return err
		}
		defer remove()
		if err := job.As.Give(dir); err != nil {
			return err
		}
		job.Source = dir
	}
	o.makeRoom()
	began := time.Now()
	o.log.Info("an environment is made", "environment", n.id, "for", string(n.recipe.Kind), "python", n.interpreter.Version)
	err = o.venvs.Build(ctx, job)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil {
			o.failed[n.id] = failed{err, time.Now()}
		}
		return err
	}
	delete(o.failed, n.id)
	o.proven[n.id] = true
	o.log.Info("the environment is ready", "environment", n.id, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// failed is why an environment could not be made.
type failed struct {
	why error
	at  time.Time
}

// tryAgain is after how long a start tries again to make an environment.
const tryAgain = 10 * time.Minute

// failure is why an environment could not be made a short time ago.
func (o *outfit) failure(id string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if known := o.failed[id]; known.why != nil && time.Since(known.at) < tryAgain {
		return known.why
	}
	return nil
}

// footingOf is the Python that a program runs with once its environment is
// there.
func (o *outfit) footingOf(ctx context.Context, n need, interpreter string) (footing, error) {
	if n.id == "" {
		return footing{interpreter: interpreter}, nil
	}
	if err := o.whole(ctx, n.id); err != nil {
		return footing{interpreter: interpreter}, err
	}
	found, err := o.venvs.Python(n.id)
	if err != nil {
		return footing{interpreter: interpreter}, o.because(n, err)
	}
	return footing{interpreter: found, environment: n.id, folder: filepath.Join(o.place.venvs(), n.id)}, nil
}

// because says why an environment is not there, where the system's Python has
// become another one.
func (o *outfit) because(n need, err error) error {
	if _, missing := errors.AsType[*venv.Missing](err); !missing {
		return err
	}
	was, ok := o.venvs.Predecessor(n.recipe, n.interpreter)
	if !ok {
		return err
	}
	return fmt.Errorf("the environment was made for Python %s, and %s is Python %s now",
		was.Interpreter.Version, n.interpreter.Path, n.interpreter.Version)
}
