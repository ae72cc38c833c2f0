package update

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/activate"
	"ota/internal/check"
	"ota/internal/deposit"
	"ota/internal/reason"
	"ota/internal/release"
)

// files are contents by path.
type files map[string]string

// TestMainIsTheReleaseAndTheProgramsOwn: for any sequence of uploads, edits by
// the program, failures, rollbacks and cuts, main/ holds the files of the
// current release and what the program made; a rollback brings back exactly
// what the releases since then had replaced. The rooms that write are the real
// ones, on a real disk.
func TestMainIsTheReleaseAndTheProgramsOwn(t *testing.T) {
	runs := uint64(12)
	if testing.Short() {
		runs = 5
	}
	for seed := range runs {
		synctest.Test(t, func(t *testing.T) {
			g := newGround(t, seed)
			g.boot()
			defer g.end()
			for range 25 {
				g.act()
				g.check()
			}
		})
	}
}

// ground is a device in virtual time on a real disk, and a model of it that
// knows nothing of how it is done.
type ground struct {
	t      *testing.T
	random *rand.Rand
	dir    string
	stage  *stage
	main   *cutting
	past   []string

	expected files         // main/ as it must be
	before   map[int]files // what main/ had, when each release came, at the paths that it touched; "" for nothing
	from     map[int]int   // what each was laid over
	current  int
	good     map[int]bool
}

func newGround(t *testing.T, seed uint64) *ground {
	g := &ground{
		t: t, random: rand.New(rand.NewPCG(seed, 9)), dir: t.TempDir(),
		expected: files{"main.py": "adopted\n", "data/rows": "adopted\n"},
		before:   map[int]files{}, from: map[int]int{1: 0}, good: map[int]bool{1: true}, current: 1,
	}
	for place, content := range g.expected {
		g.write(place, content)
	}
	return g
}

// boot starts a conductor on what is on the disk.
func (g *ground) boot() {
	g.t.Helper()
	own := filepath.Join(g.dir, ".ota")
	releases, _, err := release.Open(own)
	if err != nil {
		g.t.Fatal(err)
	}
	none := func(string) (string, func(string) bool) { return "", func(string) bool { return false } }
	room := activate.New(activate.Options{Main: filepath.Join(g.dir, "main"), Dir: own, Bytecode: none})
	g.main = &cutting{Main: room, left: -1}
	s := &stage{t: g.t, deposit: newFakeDeposit(), main: &fakeMain{}, done: make(chan struct{}), trial: &fakeTrial{}, releases: releases}
	s.program = &fakeProgram{t: g.t, main: s.main}
	s.conductor = New(Options{
		Deposit: noReturn{s.deposit}, Main: g.main, Releases: releases, Program: s.program,
		Trial: s.trial, Busy: &fakeBusy{}, Reserve: noReserve{},
		Settings: always(2, time.Hour), Limits: release.Limits{Keep: 4}, Unclean: true,
		Check:     func(context.Context, check.Candidate) (check.Verdict, error) { return check.Verdict{}, nil },
		Tidy:      func([]string) {},
		Space:     func(*deposit.Snapshot) error { return nil },
		Links:     func(map[string]string) ([]reason.Reason, error) { return nil, nil },
		Plausible: func([]check.Arrival) ([]reason.Reason, error) { return nil, nil },
		Bytecode:  none,
		Log:       slog.New(slog.DiscardHandler),
	})
	ctx, end := context.WithCancel(context.Background())
	s.end = end
	go func() {
		defer close(s.done)
		s.conductor.Run(ctx, context.Background())
	}()
	g.stage = s
	g.rest()
}

// rest lets time pass until the trial is over.
func (g *ground) rest() {
	time.Sleep(time.Minute)
	synctest.Wait()
}

// noReturn is a deposit in which nothing stays of what comes back.
type noReturn struct{ *fakeDeposit }

func (noReturn) Return(_ context.Context, parcels []deposit.Parcel) error {
	for i := range parcels {
		parcels[i].Trace = "returned"
	}
	return nil
}

func (g *ground) end() {
	g.stage.end()
	<-g.stage.done
}

// act does one thing at random, to the device and to the model.
func (g *ground) act() {
	switch kind := g.random.IntN(10); {
	case kind < 3:
		g.upload("good", -1)
	case kind < 5:
		g.upload("bad", -1)
	case kind < 6:
		g.upload("good", g.random.IntN(8))
	case kind < 7:
		g.upload("bad", g.random.IntN(12))
	case kind < 9:
		g.edit()
	default:
		g.rollback()
	}
}

var places = []string{"main.py", "lib/a.py", "lib/b.py", "data/config", "data/rows"}

func (g *ground) some() files {
	chosen := files{}
	for _, place := range places {
		if g.random.IntN(3) == 0 {
			chosen[place] = fmt.Sprintf("%s %d\n", place, g.random.IntN(1_000_000))
		}
	}
	if len(chosen) == 0 {
		chosen["main.py"] = fmt.Sprintf("main %d\n", g.random.IntN(1_000_000))
	}
	return chosen
}

// edit is the program writing files of its own, or somebody else by hand.
func (g *ground) edit() {
	g.note("edit")
	for place, content := range g.some() {
		g.write(place, content)
		g.expected[place] = content
	}
}

func (g *ground) write(place, content string) {
	g.t.Helper()
	at := filepath.Join(g.dir, "main", place)
	err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(content), 0o644))
	if err != nil {
		g.t.Fatal(err)
	}
}

// upload brings files that work or don't. With cut not negative the power goes
// after so many calls of the room that writes main/, and comes back: then the
// release, if it has come that far, proves itself.
func (g *ground) upload(quality string, cut int) {
	chosen := g.some()
	g.note(fmt.Sprintf("%s upload of %v, cut %d", quality, slices.Sorted(maps.Keys(chosen)), cut))
	was := g.current
	g.stage.trial.fail(map[string]string{"bad": "bad", "good": ""}[quality])
	g.main.cutAfter(cut)
	g.stage.deposit.show(g.sealed(chosen), false)
	g.rest()
	if g.main.isCut() {
		g.end()
		g.boot()
	}
	g.main.cutAfter(-1)
	now := g.stage.releases.Current()
	if _, known := g.from[now]; known || now == 0 {
		g.wentBack(now)
	} else {
		g.switched(now, was, chosen)
	}
	if cut >= 0 {
		return
	}
	switch back := g.lastGood(was); {
	case quality == "good" && now == was:
		g.fail("a good upload is not in main/")
	case quality == "bad" && back != 0 && now != back:
		g.fail(fmt.Sprintf("a bad upload does not lead to release %d", back))
	}
}

// lastGood is what a failure leads to.
func (g *ground) lastGood(number int) int {
	for number != 0 && !g.good[number] {
		number = g.from[number]
	}
	return number
}

func (g *ground) switched(number, was int, chosen files) {
	before := files{}
	for place, content := range chosen {
		if g.expected[place] != content {
			before[place] = g.expected[place]
		}
		g.expected[place] = content
	}
	record, err := g.stage.releases.Record(number)
	if err != nil {
		g.fail(err.Error())
	}
	g.before[number], g.from[number], g.current = before, was, number
	g.good[number] = record.State.Good()
}

// wentBack undoes in the model what was laid over a release.
func (g *ground) wentBack(to int) {
	for number := g.current; number != to; number = g.from[number] {
		if number == 0 {
			g.fail(fmt.Sprintf("release %d is current, which is no ancestor", to))
		}
		for place, content := range g.before[number] {
			if content == "" {
				delete(g.expected, place)
			} else {
				g.expected[place] = content
			}
		}
	}
	g.current = to
	record, err := g.stage.releases.Record(to)
	if err == nil {
		g.good[to] = record.State.Good()
	}
}

// rollback goes to a release that the current one was laid over.
func (g *ground) rollback() {
	var ancestors []int
	for number := g.from[g.current]; number != 0; number = g.from[number] {
		if _, err := g.stage.releases.Record(number); err == nil {
			ancestors = append(ancestors, number)
		}
	}
	if len(ancestors) == 0 {
		return
	}
	to := ancestors[g.random.IntN(len(ancestors))]
	g.note(fmt.Sprintf("rollback from %d to %d", g.current, to))
	g.stage.trial.fail("")
	if _, err := g.stage.conductor.Rollback(g.t.Context(), to, g.random.IntN(2) == 0); err != nil {
		g.fail(err.Error())
	}
	g.rest()
	g.wentBack(to)
}

func (g *ground) check() {
	g.t.Helper()
	if diff := cmp.Diff(g.expected, g.read()); diff != "" {
		g.fail("main/ (-want +got):\n" + diff)
	}
	if !g.stage.program.running() && g.stage.conductor.Report().State.Program != Backoff {
		g.fail("nothing runs")
	}
}

func (g *ground) note(what string) { g.past = append(g.past, what) }

func (g *ground) fail(what string) {
	g.t.Helper()
	g.t.Fatalf("%s\nstate %v, %v, release %d, after:\n%s", what, g.stage.conductor.Report().State, g.stage.conductor.Report().Reasons,
		g.stage.releases.Current(), strings.Join(g.past, "\n"))
}

func (g *ground) read() files {
	found := files{}
	top := filepath.Join(g.dir, "main")
	err := filepath.WalkDir(top, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(at)
		found[filepath.ToSlash(at[len(top)+1:])] = string(data)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		g.t.Fatal(err)
	}
	return found
}

// sealed is an upload as the deposit gives it.
func (g *ground) sealed(chosen files) []deposit.File {
	g.t.Helper()
	var upload []deposit.File
	copies := g.t.TempDir()
	folders := map[string]bool{".": true}
	for i, place := range slices.Sorted(maps.Keys(chosen)) {
		if dir := path.Dir(place); !folders[dir] {
			folders[dir] = true
			upload = append(upload, deposit.File{Path: dir, Kind: deposit.KindFolder, Mode: 0o755})
		}
		copied := filepath.Join(copies, fmt.Sprint(i))
		if err := os.WriteFile(copied, []byte(chosen[place]), 0o600); err != nil {
			g.t.Fatal(err)
		}
		upload = append(upload, deposit.File{
			Path: place, Kind: deposit.KindFile, Mode: 0o644, ModTime: time.Now(),
			Size: int64(len(chosen[place])), Sum: sha256.Sum256([]byte(chosen[place])), Copy: copied,
		})
	}
	return upload
}

// errCut is what every call meets after the power has gone.
var errCut = errors.New("the power is gone")

// cutting is the real room, until the power goes: before or after a call, and
// from then on for good.
type cutting struct {
	Main
	mutex sync.Mutex
	left  int // calls; negative: it stays
	cut   bool
}

func (c *cutting) cutAfter(calls int) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.left = calls
}

func (c *cutting) isCut() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.cut
}

func (c *cutting) call(do func() error) error {
	c.mutex.Lock()
	if c.left == 0 {
		c.cut = true
	} else if c.left > 0 {
		c.left--
	}
	gone := c.cut
	c.mutex.Unlock()
	if gone {
		return errCut
	}
	return do()
}

func (c *cutting) Prepare(ctx context.Context, plan activate.Plan) error {
	return c.call(func() error { return c.Main.Prepare(ctx, plan) })
}

func (c *cutting) Switch() error { return c.call(c.Main.Switch) }

func (c *cutting) Recover() (found activate.Recovered, note json.RawMessage, err error) {
	err = c.call(func() error { found, note, err = c.Main.Recover(); return err })
	return found, note, err
}

func (c *cutting) Finish(save func([]activate.Old) error) error {
	return c.call(func() error { return c.Main.Finish(save) })
}

func (c *cutting) Record(write func() error) error {
	return c.call(func() error { return c.Main.Record(write) })
}

func (c *cutting) Discard() error { return c.call(c.Main.Discard) }
