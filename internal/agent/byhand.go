package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ota/internal/api"
	"ota/internal/check"
	"ota/internal/config"
	"ota/internal/kit/copysum"
	"ota/internal/python/inspect"
	"ota/internal/reason"
	"ota/internal/release"
	"ota/internal/update"
)

// Checked is what `ota check` found out about a folder.
type Checked struct {
	Dir         api.Path             `json:"dir"`
	Of          CheckedPart          `json:"of"`
	Held        api.List[api.Reason] `json:"held"` // none: it would become a release
	Warnings    api.List[api.Reason] `json:"warnings"`
	Files       int                  `json:"files"`       // that were looked at
	Python      *api.Path            `json:"python"`      // the interpreter; nil: there is none
	Environment *string              `json:"environment"` // that it needs, if it is there; nil: none
}

// CheckedPart is what was looked at.
type CheckedPart string

// The parts.
const (
	WholeProgram CheckedPart = "program" // a folder with a program in it
	Upload       CheckedPart = "deposit" // what is in deposit/, laid over main/
)

// CheckOptions say how a folder is checked.
type CheckOptions struct {
	// Environment makes the environment that a program needs, where the folder
	// is not one that an ota looks after; there it is made in any case.
	Environment bool
	Doing       func(doing string) // is told what takes its time
}

// Check judges what is in deposit/ of a folder as ota run would, whether one
// looks after it or not; or the program in a folder that is none of ota's.
// Nothing is switched.
func Check(ctx context.Context, dir string, options CheckOptions) (Checked, error) {
	place, err := folderAt(dir)
	if err != nil {
		return Checked{}, err
	}
	if filepath.Base(place.dir) == filepath.Base(place.deposit()) {
		if above := (folder{filepath.Dir(place.dir)}); above.isOta() {
			place = above
		}
	}
	if place.isOta() {
		return checkUpload(ctx, place, options)
	}
	return checkProgram(ctx, place.dir, options)
}

// isOta reports whether an ota has been here: nothing else has both folders.
func (f folder) isOta() bool {
	for _, path := range []string{f.main(), f.own()} {
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			return false
		}
	}
	return true
}

// checkUpload judges deposit/ over main/.
func checkUpload(ctx context.Context, place folder, options CheckOptions) (Checked, error) {
	layers, err := config.LoadLayers(place.config())
	if err != nil {
		return Checked{}, err
	}
	releases, err := release.OpenRead(place.own())
	if err != nil {
		return Checked{}, err
	}
	o := newOutfit(place, place.main(), layers, slog.New(slog.DiscardHandler))
	o.told = options.Doing
	var candidate check.Candidate
	candidate.Current = update.WalkOf(func() (*release.Tree, error) { return releases.Tree(releases.Current()) })
	links := map[string]string{}
	packed, err := sealPacked(ctx, place, o, releases)
	if refused, ok := errors.AsType[*reason.Refused](err); ok {
		return Checked{Dir: api.Path(place.dir), Of: Upload, Held: api.Reasons(refused.Reasons)}, nil
	}
	if err != nil {
		return Checked{}, fmt.Errorf("cannot look into deposit/: %w", err)
	}
	if packed != nil {
		defer packed.Close()
		return checkSealed(ctx, place, o, releases, packed)
	}
	err = filesOf(place.deposit(), o.settings().Update.Ignored, func(file found) error {
		candidate.Touched = append(candidate.Touched, file.path)
		links[file.path] = file.target
		if file.target != "" {
			candidate.Links = append(candidate.Links, file.path)
			return nil
		}
		arrival, err := file.arrival()
		candidate.Arrivals = append(candidate.Arrivals, arrival)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Checked{}, fmt.Errorf("cannot look into deposit/: %w", err)
	}
	checked := Checked{Dir: api.Path(place.dir), Of: Upload, Files: len(candidate.Touched)}
	doubts, err := check.Links(place.main(), links)
	if err == nil && len(doubts) == 0 {
		doubts, err = check.Plausible(place.main(), candidate.Arrivals)
	}
	if err != nil {
		return checked, err
	}
	if len(doubts) > 0 {
		checked.Held = api.Reasons(doubts)
		return checked, nil
	}
	return (&judge{outfit: o, builds: buildMissing}).byHand(ctx, candidate, checked)
}

// checkProgram judges the program in a folder.
func checkProgram(ctx context.Context, dir string, options CheckOptions) (Checked, error) {
	work, err := os.MkdirTemp("", "ota-check-")
	if err != nil {
		return Checked{}, err
	}
	defer os.RemoveAll(work) // what is left is in the folder for such things
	o := newOutfit(folder{work}, dir, config.NoLayers(), slog.New(slog.DiscardHandler))
	o.told = options.Doing
	var candidate check.Candidate
	j := &judge{outfit: o, builds: useExisting, changed: []inspect.Source{}}
	if options.Environment {
		j.builds = buildMissing
	}
	candidate.Current = func(visit func(string, check.Entry) error) error {
		return filesOf(dir, nil, func(file found) error {
			return visit(file.path, check.Entry{Mode: file.info.Mode(), Size: file.info.Size()})
		})
	}
	checked := Checked{Dir: api.Path(dir), Of: WholeProgram}
	err = filesOf(dir, nil, func(file found) error {
		checked.Files++
		if strings.HasSuffix(file.path, ".py") && file.info.Mode().IsRegular() {
			j.changed = append(j.changed, inspect.Source{Path: file.path, ModTime: file.info.ModTime()})
		}
		return nil
	})
	if err != nil {
		return checked, fmt.Errorf("cannot look into %s: %w", dir, err)
	}
	return j.byHand(ctx, candidate, checked)
}

// byHand judges for a person.
func (j *judge) byHand(ctx context.Context, candidate check.Candidate, checked Checked) (Checked, error) {
	found, err := j.judge(ctx, candidate)
	if refused, ok := errors.AsType[*reason.Refused](err); ok {
		found.Held, err = refused.Reasons, nil
	}
	if err != nil {
		return checked, err
	}
	if found.lacks {
		found.Warnings = append(found.Warnings, reason.Reason{
			Message: "the environment that the program needs was not made, so that what it brings is not known",
		})
	}
	checked.Held, checked.Warnings = api.Reasons(found.Held), api.Reasons(found.Warnings)
	if found.next.interpreter != "" {
		checked.Python = new(api.Path(found.next.interpreter))
	}
	if found.Environment != "" {
		checked.Environment = new(found.Environment)
	}
	return checked, nil
}

// found is a file or link in a folder.
type found struct {
	path   string // below the folder
	file   string
	target string // of a link
	info   fs.FileInfo
}

func (f found) arrival() (check.Arrival, error) {
	arrival := check.Arrival{Path: f.path, File: f.file, Mode: f.info.Mode().Perm(), ModTime: f.info.ModTime()}
	file, err := os.Open(f.file)
	if err != nil {
		return arrival, err
	}
	defer file.Close()
	sum, err := copysum.Of(context.Background(), file)
	arrival.Sum = release.Sum(sum).Hex()
	return arrival, err
}

// passedOver are folders that are no part of a program.
var passedOver = []string{".git", ".hg", ".svn", ".ota", ".venv", "venv", "__pycache__", "node_modules", ".tox", ".mypy_cache", ".pytest_cache"}

// holdName is the file that keeps an upload in deposit/; it is never part of it.
const holdName = ".hold"

// filesOf calls visit for the files and links below a folder that may belong to
// a program.
func filesOf(dir string, ignored func(string) bool, visit func(found) error) error {
	return filepath.WalkDir(dir, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || at == dir {
			return err
		}
		below, err := filepath.Rel(dir, at)
		if err != nil {
			return err
		}
		file := found{path: filepath.ToSlash(below), file: at}
		isIgnored := ignored != nil && ignored(file.path) || file.path == holdName
		if entry.IsDir() {
			if isIgnored || slices.Contains(passedOver, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if file.info, err = entry.Info(); err != nil || isIgnored {
			return err
		}
		switch file.info.Mode().Type() {
		case fs.ModeSymlink:
			file.target, err = os.Readlink(at)
		case 0:
		default:
			return nil
		}
		if err != nil {
			return err
		}
		return visit(file)
	})
}
