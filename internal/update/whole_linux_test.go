package update

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/activate"
	"ota/internal/check"
	"ota/internal/deposit"
	"ota/internal/parcel"
	"ota/internal/reason"
	"ota/internal/release"
)

// garden is a real main/ with real releases, and a model of both.
type garden struct {
	*testing.T
	conductor *Conductor
	dir       string
	random    *rand.Rand
	serial    int64

	main    map[string]string // what main/ is to hold
	tree    map[string]string // what the release is to hold
	brought map[string]bool
	history []string
}

// beds are the paths that anything happens to. None is a folder of another.
var beds = []string{"a", "b.py", "c/d", "c/e", "f/g/h", "f/i", "data"}

func newGarden(t *testing.T, seed uint64) *garden {
	dir, err := os.MkdirTemp(memory(), "ota-garden-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	g := &garden{
		T: t, dir: dir, random: rand.New(rand.NewPCG(seed, 7)),
		main: map[string]string{}, tree: map[string]string{}, brought: map[string]bool{},
	}
	releases, _, err := release.Open(filepath.Join(dir, ".ota"))
	g.must(err)
	bytecode := func(string) (string, func(string) bool) {
		return "__pycache__", func(string) bool { return false }
	}
	main := activate.New(activate.Options{Main: filepath.Join(dir, "main"), Dir: filepath.Join(dir, ".ota"), Bytecode: bytecode})
	g.conductor = New(Options{
		Releases: releases, Main: main, Reserve: noReserve{}, Bytecode: bytecode, Log: slog.New(slog.DiscardHandler),
		Links:     func(map[string]string) ([]reason.Reason, error) { return nil, nil },
		Plausible: func([]check.Arrival) ([]reason.Reason, error) { return nil, nil },
		Check:     func(context.Context, check.Candidate) (check.Verdict, error) { return check.Verdict{}, nil },
	})
	return g
}

// memory is a folder that needs no disk, where there is one.
func memory() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

func (g *garden) must(err error) {
	g.Helper()
	if err != nil {
		g.Fatalf("%v\n%s", err, strings.Join(g.history, "\n"))
	}
}

func (g *garden) note(format string, args ...any) {
	g.history = append(g.history, fmt.Sprintf(format, args...))
}

// choose is each of the beds or not, with a content.
func (g *garden) choose() map[string]string {
	chosen := map[string]string{}
	for _, path := range beds {
		if g.random.IntN(2) == 0 {
			chosen[path] = strconv.Itoa(g.random.IntN(3))
		}
	}
	return chosen
}

// sealed is what deposit/ makes of files.
func (g *garden) sealed(files map[string]string, packed *deposit.Packed) *deposit.Sealed {
	g.Helper()
	private, err := os.MkdirTemp(g.dir, "sealed-")
	g.must(err)
	sealed := &deposit.Sealed{Dir: private, Packed: packed}
	for i, path := range slices.Sorted(maps.Keys(files)) {
		at := filepath.Join(private, strconv.Itoa(i))
		g.must(os.WriteFile(at, []byte(files[path]), 0o600))
		sealed.Files = append(sealed.Files, deposit.File{
			Path: path, Kind: deposit.KindFile, Mode: 0o644, Size: int64(len(files[path])), Sum: sha256.Sum256([]byte(files[path])), Copy: at,
			ModTime: time.Unix(int64(1000+g.random.IntN(9)), 0),
		})
	}
	return sealed
}

// bring switches to an upload, as the conductor does.
func (g *garden) bring(sealed *deposit.Sealed) {
	g.Helper()
	candidate, err := g.conductor.compose(context.Background(), new(deposit.Snapshot), sealed, "")
	g.must(err)
	if candidate != nil {
		g.must(g.conductor.options.Main.Switch())
		g.finish(candidate)
	}
	g.must(sealed.Close())
}

func (g *garden) finish(candidate *candidate) {
	g.Helper()
	g.must(g.conductor.options.Main.Finish(func(olds []activate.Old) error {
		return g.conductor.record(candidate, release.Tries{}, olds)
	}))
	if candidate.Back == nil {
		g.must(g.conductor.options.Releases.Confirm(candidate.number(), 0))
	}
}

// plain is an upload without a manifest.
func (g *garden) plain() {
	files := g.choose()
	g.note("upload %v", files)
	g.bring(g.sealed(files, nil))
	for path, content := range files {
		if had, there := g.main[path]; !there || had != content { // what main/ had already was nobody's doing
			g.brought[path] = true
			g.main[path], g.tree[path] = content, content
		}
	}
}

// pack is a packed release.
func (g *garden) pack(kind parcel.Kind) (files map[string]string) {
	files = g.choose()
	g.serial++
	m := &parcel.Manifest{Format: 1, Kind: kind, Serial: g.serial, Files: []parcel.Entry{}}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		sum := sha256.Sum256([]byte(files[path]))
		m.Files = append(m.Files, parcel.Entry{Path: path, Mode: "0644", Size: int64(len(files[path])), SHA256: hex.EncodeToString(sum[:])})
	}
	if path := beds[g.random.IntN(len(beds))]; g.random.IntN(3) == 0 && files[path] == "" {
		m.Removed = []string{path}
	}
	data, err := m.Encode()
	g.must(err)
	g.note("pack %s %v, removed %q", kind, files, m.Removed)
	g.bring(g.sealed(files, &deposit.Packed{Manifest: m, Sum: sha256.Sum256(data)}))
	for path, content := range maps.Clone(g.tree) {
		_, isListed := files[path]
		isMeant := kind == parcel.Whole && !isListed && g.brought[path] || slices.Contains(m.Removed, path)
		if isMeant && g.main[path] == content {
			delete(g.main, path)
			delete(g.tree, path)
		}
	}
	for path, content := range files {
		g.brought[path] = true
		if had, there := g.main[path]; !there || had != content {
			g.tree[path] = content
		}
		g.main[path] = content
	}
	return files
}

// meddle is what the program or a person does in main/.
func (g *garden) meddle() {
	path := beds[g.random.IntN(len(beds))]
	if strings.HasPrefix(g.tree[path], "own ") {
		return // of what was adopted there is no other copy to go back to
	}
	at := filepath.Join(g.dir, "main", path)
	if g.random.IntN(3) == 0 {
		g.note("delete %s", path)
		os.Remove(at)
		delete(g.main, path)
		return
	}
	content := "own " + strconv.Itoa(g.random.IntN(2))
	g.note("write %s: %s", path, content)
	g.must(os.MkdirAll(filepath.Dir(at), 0o755))
	g.must(os.WriteFile(at, []byte(content), 0o644))
	g.main[path] = content
}

// thereAndBack packs, and rolls back at once. All is as it was, but that what the
// pack put where something had been deleted leaves what the rollback knows there:
// the file of the release, or what stood there before there was one.
func (g *garden) thereAndBack() {
	before, tree, brought := maps.Clone(g.main), maps.Clone(g.tree), maps.Clone(g.brought)
	from := g.conductor.options.Releases.Current()
	listed := g.pack(parcel.Whole)
	g.compare()
	to := g.conductor.options.Releases.Current()
	if to == from || from == 0 {
		return
	}
	g.note("back to %d", from)
	candidate, err := g.conductor.readyBack(context.Background(), back{From: to, To: from, Trial: withoutTrial})
	g.must(err)
	g.must(g.conductor.options.Main.Switch())
	g.finish(candidate)
	maps.Copy(brought, g.brought)
	g.main, g.tree, g.brought = before, tree, brought
	for path := range listed {
		if _, was := before[path]; was {
			continue
		}
		if content, ofRelease := tree[path]; ofRelease {
			g.main[path] = content
		} else if found, err := os.ReadFile(filepath.Join(g.dir, "main", path)); err == nil && strings.HasPrefix(string(found), "own ") {
			g.main[path] = string(found)
		}
	}
}

// compare looks whether main/ is what the model says.
func (g *garden) compare() {
	g.Helper()
	found := map[string]string{}
	main := filepath.Join(g.dir, "main")
	err := filepath.WalkDir(main, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(at)
		below, _ := filepath.Rel(main, at)
		found[filepath.ToSlash(below)] = string(bytes.TrimSpace(content))
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		g.Fatal(err)
	}
	if diff := cmp.Diff(g.main, found); diff != "" {
		g.Fatalf("main/ is not what the model says (-want +got):\n%s%s", diff, strings.Join(g.history, "\n"))
	}
}

// TestWhatPacksRemove compares long series of uploads, packed and not, edits and
// rollbacks with a model of what is removed: what uploads have brought, what is
// not listed, and what nobody has changed since. Nothing else, ever.
func TestWhatPacksRemove(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			g := newGarden(t, seed)
			g.must(os.MkdirAll(filepath.Join(g.dir, "main"), 0o755))
			for range g.random.IntN(4) { // before ota was there
				g.meddle()
			}
			if len(g.main) > 0 {
				g.must(g.conductor.adoptMain(context.Background()))
				g.tree = maps.Clone(g.main)
			}
			for range 14 {
				switch g.random.IntN(6) {
				case 0:
					g.plain()
				case 1:
					g.pack(parcel.Overlay)
				case 2, 3:
					g.pack(parcel.Whole)
				case 4:
					g.meddle()
				default:
					g.thereAndBack()
				}
				g.compare()
			}
		})
	}
}
